"""`corral worker`: runs a Worker that a module of the user defines."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from corral.cli.exits import CommandFailed, Exit
from corral.cli.options import refuse_unused_tls
from corral.enrolment import EnrolmentKey
from corral.errors import CorralError
from corral.terms import Fixed
from corral.worker import Worker


def worker(
    target: Annotated[
        str, typer.Argument(metavar="MODULE:OBJECT", help="Where the corral.Worker is.")
    ],
    hub: Annotated[
        str | None,
        typer.Option(
            "--hub",
            metavar="ADDRESSES",
            help="Hubs, with commas; default: those of the worker, then CORRAL_HUB.",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="Bearer token; default: the worker's, CORRAL_TOKEN."),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Namespace; default: the worker's, CORRAL_NAMESPACE."),
    ] = None,
    worker_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Id, stable over restarts.")
    ] = None,
    enrolment_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Key that hubs may ask for; default: the worker's, CORRAL_ENROLMENT_KEY.",
        ),
    ] = None,
    max_in_flight: Annotated[
        int | None, typer.Option(min=1, max=100_000, metavar="N", help="Runs at once.")
    ] = None,
) -> None:
    """Run a worker until it is drained, or until SIGTERM or Ctrl-C.

    It then finishes what it runs; a second signal gives that back. Options win over what
    the worker says of itself. Modules are looked for in this directory first.

    \b
    Examples:
      corral worker my_module:worker
      corral worker jobs.gpu:worker --hub hub-a:7445,hub-b:7445 --worker-id gpu-1
    """
    found = load_worker(target)
    if hub is not None:
        found.hubs = hub
    if token is not None:
        found.token = token
    if namespace is not None:
        found.namespace = namespace
    if worker_id is not None:
        found.worker_id = worker_id
    if enrolment_key is not None:
        found.enrolment_key = EnrolmentKey(enrolment_key)
    if max_in_flight is not None:
        found.admission = Fixed(max_in_flight)
    if found.tls is None:
        refuse_unused_tls(found.hubs)
    # What was imported stays; the garbage collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    found.run_forever()


def load_worker(target: str) -> Worker:
    """Imports `module:object` and gives the worker; raises CommandFailed with what is there."""
    name, colon, path = target.partition(":")
    if not name or not colon or not path:
        raise typer.BadParameter(f"{target!r} is not MODULE:OBJECT, e.g. my_module:worker")
    module = _import(name)
    found: object = module
    for part in path.split("."):
        found = getattr(found, part, _ABSENT)
        if found is _ABSENT:
            raise CommandFailed(f"module {name} has no {path!r}; {_workers_in(module)}", Exit.USAGE)
    if not isinstance(found, Worker):
        raise CommandFailed(
            f"{target} is of type {type(found).__name__}, not a corral.Worker; "
            f"{_workers_in(module)}",
            Exit.USAGE,
        )
    return found


_ABSENT = object()


def _import(name: str) -> ModuleType:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        # Only when the module itself is not there: what it imports is its own matter.
        if name == missing or name.startswith(missing + "."):
            raise CommandFailed(
                f"there is no module {missing!r} in {here} or where Python looks; change to its "
                "directory, or install it",
                Exit.USAGE,
            ) from error
        raise _broken(name, error) from error
    except CorralError:
        raise
    except Exception as error:
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> CommandFailed:
    """Says what is wrong in a module, with the lines of the user and none of the import system."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in (__file__, importlib.__file__)
        and not frame.filename.startswith("<frozen ")
    ]
    where = "".join([*traceback.format_list(frames), *traceback.format_exception_only(error)])
    return CommandFailed(f"module {name} cannot be imported:\n{where}", Exit.USAGE)


def _workers_in(module: ModuleType) -> str:
    names = sorted(name for name, value in vars(module).items() if isinstance(value, Worker))
    if not names:
        return "there is no corral.Worker in it"
    return "workers in it: " + ", ".join(f"{module.__name__}:{name}" for name in names)
