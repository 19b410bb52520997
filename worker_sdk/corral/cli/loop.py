"""The loop of a command: one job on a loop of its own, which Ctrl-C ends."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from corral.identity import signals

T = TypeVar("T")


def run(job: Callable[[], Awaitable[T]]) -> T:
    """Gives the result of the job. Raises KeyboardInterrupt at Ctrl-C, once the job has cleared
    up; at the next one at once."""

    async def heard() -> T:
        # That of asyncio's runner, which cancels this task. Left alone it runs when this thread
        # next executes something, which a signal that another thread gets does not bring about.
        runners = signal.getsignal(signal.SIGINT)
        if not callable(runners):
            # Ignored, as the shell does for what it starts in the background.
            return await job()
        with signals(lambda: runners(signal.SIGINT, None), (signal.SIGINT,)):
            return await job()

    return anyio.run(heard)
