"""What was given on the command line: an option that is there says something.

Refuses an empty value, which would otherwise count as if the option were not there: a script whose
variable is not set must not reach more runs, or another namespace, than it names.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

# Here an empty text says something: an answer, a remark, an argument for Valkey.
MAY_BE_EMPTY = frozenset({"text", "reason", "arguments"})


class Command(TyperCommand):
    """A command that takes no empty values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the command line; raises BadParameter for an option or argument that is empty."""
        words = list(args)
        rest = super().parse_args(ctx, args)
        refuse_empty(ctx, words)
        return rest


def refuse_empty(ctx: Any, words: list[str]) -> None:
    """Raises BadParameter for an option or argument that is given and empty, or only blanks.

    An empty variable of the environment is one that is not set, as everywhere.
    """
    # As it was typed: an empty path has become this directory in the context.
    typed, _, _ = ctx.command.make_parser(ctx).parse_args(words)
    for param in ctx.command.params:
        given = typed.get(param.name)
        texts = given if isinstance(given, list | tuple) else (given,)
        empty = any(isinstance(text, str) and not text.strip() for text in texts)
        if empty and param.name not in MAY_BE_EMPTY:
            step = "give a value" if param.required else "give a value, or leave it out"
            raise typer.BadParameter(
                f"it is empty, which would be as if it were not there; {step}", ctx=ctx, param=param
            )
