"""A hub as a process: signals, event loop, logs, exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable

from corral_hub import logs
from corral_hub.config import HubConfig
from corral_hub.errors import HubError
from corral_hub.hub import Hub

EXIT_CONFIG = 2
EXIT_UNAVAILABLE = 4
EXIT_FAILED = 70
EXITS = {"unavailable": EXIT_UNAVAILABLE, "failed": EXIT_FAILED}


async def serve(config: HubConfig, ready: Callable[[Hub], None] | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then moves the workers away and ends.

    Raises HubFailed when a part of the hub has died.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not on every platform; there Ctrl-C cancels this task.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with Hub(config) as hub:
        # What is there now stays. Looked through again and again by the garbage collector, it
        # would stop every session for some 25 ms at a time.
        gc.collect()
        gc.freeze()
        if ready is not None:
            ready(hub)
        stopped = asyncio.create_task(stop.wait(), name="hub-stop")
        failed = asyncio.create_task(hub.wait_failed(), name="hub-failed")
        await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        failed.cancel()
        if failed.done() and not failed.cancelled():
            raise failed.result()


def run_hub(config: HubConfig, ready: Callable[[Hub], None] | None = None) -> int:
    """Runs a hub in this process until a signal; gives the exit code."""
    logs.configure(config.log_json)
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serve(config, ready))
    except HubError as error:
        print(f"corral hub: {error.message}", file=sys.stderr)
        return EXITS.get(error.kind, EXIT_CONFIG)
    except KeyboardInterrupt:
        return 130
    return 0
