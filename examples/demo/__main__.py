"""`python -m examples.demo [FOLDER]`: what `make demo` runs."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import corral
from corral_hub.errors import HubError
from examples.demo.demo import NothingToKill, demo
from examples.demo.documents import NoDocuments
from examples.demo.fleet import FleetFailed
from examples.demo.screen import Screen, console


def main() -> int:
    """Parses the command line and runs the demo; errors that can happen end in one sentence."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="default: the repository's documents")
    folder: Path | None = parser.parse_args().folder
    logs = Path(tempfile.mkdtemp(prefix="corral-demo-"))
    screen = Screen(console())
    code = 1
    try:
        code = asyncio.run(_until_signalled(demo(folder, logs, screen)))
    except* (NoDocuments, NothingToKill, FleetFailed, HubError, corral.CorralError) as errors:
        for error in errors.exceptions:
            print(f"demo: {error}", file=sys.stderr)
    except* KeyboardInterrupt:
        code = 130
    except* asyncio.CancelledError:
        code = 130
    if code == 0:
        shutil.rmtree(logs, ignore_errors=True)
    else:
        print(f"demo: the logs of its processes are in {logs}", file=sys.stderr)
    return code


async def _until_signalled(work: Coroutine[Any, Any, int]) -> int:
    """Lets SIGTERM end the work as Ctrl-C does, so that no process is left behind."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


if __name__ == "__main__":
    sys.exit(main())
