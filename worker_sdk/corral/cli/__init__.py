"""The command line: `corral`. One file per group of commands; `app.py` puts them together.

Imports nothing heavy here, so that a missing extra can be answered with the command that
installs it.
"""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Runs the command of `sys.argv` and exits with a code of `exits.py`."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        # Python has None for a stream that the caller closed, and every print would fail.
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    try:
        _run()
    except KeyboardInterrupt:
        # While the command was still being put together; later ones are met in `exits.py`.
        raise SystemExit(INTERRUPTED) from None


def _run() -> None:
    try:
        from corral.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich"):
            raise
        print(
            f"corral: the command line needs {error.name}, which is not installed. "
            "Install it with: pip install 'corral[cli]'",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    app(prog_name="corral")
