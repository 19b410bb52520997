"""Exit codes: one table from error classes to what a shell sees.

Prints an error as one or two lines on stderr, never a traceback. Errors that are not in
the table are bugs, and keep their traceback.
"""

from __future__ import annotations

import errno
import os
import sys
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from corral import errors
from corral.cli.given import refuse_empty
from corral.cli.output import clean


class Exit(IntEnum):
    """What a shell sees of how a command ended."""

    OK = 0
    RUN_ENDED_BADLY = 1
    USAGE = 2
    REFUSED = 3
    UNAVAILABLE = 4
    UNAUTHENTICATED = 5
    INTERRUPTED = 130


EPILOG = """\b
Exit codes:
  0    ok
  1    the run failed or was cancelled (with --wait); the doctor found a failure
  2    wrong usage or configuration
  3    refused by the hub: invalid, exists already, not found, a limit
  4    no hub, or no store, could be reached
  5    not authenticated, or not allowed
  130  interrupted with Ctrl-C

Addresses, token and namespace come from CORRAL_HUB, CORRAL_TOKEN and
CORRAL_NAMESPACE when they are not given."""


class CommandFailed(errors.CorralError):
    """A command cannot go on; `code` is what it exits with."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


# The first class that fits decides, so a class stands before its bases.
_TABLE: tuple[tuple[type[errors.CorralError], Exit], ...] = (
    (errors.RunEnded, Exit.RUN_ENDED_BADLY),
    (errors.BadAddress, Exit.USAGE),
    (errors.BadCertificate, Exit.USAGE),
    (errors.BadEnrolmentKey, Exit.USAGE),
    (errors.BadHandler, Exit.USAGE),
    (errors.Unauthenticated, Exit.UNAUTHENTICATED),
    (errors.PermissionDenied, Exit.UNAUTHENTICATED),
    (errors.Unavailable, Exit.UNAVAILABLE),
    (errors.InternalHubError, Exit.UNAVAILABLE),
    (errors.CorralError, Exit.REFUSED),
)


def exit_code(error: errors.CorralError) -> Exit:
    """Gives the exit code of an error."""
    if isinstance(error, CommandFailed):
        return error.code
    return next(code for cls, code in _TABLE if isinstance(error, cls))


def complain(message: str) -> None:
    """Writes an error for the user, on stderr."""
    lines = "\n".join(clean(line) for line in message.splitlines())
    print(f"corral: {lines}", file=sys.stderr)


class Commands(TyperGroup):
    """The group of all commands: turns what they raise into a message and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the options that stand before the command; refuses those that are empty."""
        words = list(args)
        rest = super().parse_args(ctx, args)
        refuse_empty(ctx, words)
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was asked for."""
        try:
            return super().invoke(ctx)
        except errors.CorralError as error:
            complain(str(error))
            if type(error) is errors.Unavailable:
                complain('a hub answers, but not in time: "corral doctor" looks at its store')
            raise typer.Exit(exit_code(error)) from error
        except KeyboardInterrupt:
            raise typer.Exit(Exit.INTERRUPTED) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EPIPE):
                raise
            # What is still in the buffer must go nowhere, or the interpreter complains at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if error.errno == errno.ENOSPC:
                complain(f"the output cannot be written: {error.strerror}")
                raise typer.Exit(Exit.UNAVAILABLE) from error
            # The reader of a pipe has seen enough, as in "corral events | head".
            raise typer.Exit(Exit.OK) from None
