"""Something done at moments that were fixed before, whatever became of what was done earlier.

A thread keeps the time: a sleep of asyncio ends up to a millisecond late, which is as much as
what is measured. Needs the standard library alone, as peers use it in their environments.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

START_NS = 50_000_000

Act = Callable[[int], Awaitable[object]]


async def at_rate(rate: int, count: int, act: Act) -> None:
    """Calls with each moment in nanoseconds of the monotonic clock, and waits for all of them.

    The first exception of one of them is raised.
    """
    loop = asyncio.get_running_loop()
    acts: list[asyncio.Task[object]] = []
    begun = loop.create_future()

    async def one(due: int) -> object:
        return await act(due)

    def begin(due: int) -> None:
        acts.append(loop.create_task(one(due)))
        if len(acts) == count:
            begun.set_result(None)

    def keep_time() -> None:
        first, pause = time.monotonic_ns() + START_NS, threading.Event()
        for number in range(count):
            due = first + number * 1_000_000_000 // rate
            wait = (due - time.monotonic_ns()) / 1e9
            if wait > 0:
                pause.wait(wait)
            loop.call_soon_threadsafe(begin, due)

    threading.Thread(target=keep_time, name="bench-pace", daemon=True).start()
    await begun
    await asyncio.gather(*acts)
