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

    An exception of one ends the others and is raised, in an `ExceptionGroup`.
    """
    loop = asyncio.get_running_loop()
    begun, over = asyncio.Event(), threading.Event()
    left = count

    def begin(due: int) -> None:
        nonlocal left
        if over.is_set():
            return
        tasks.create_task(one(due))
        left -= 1
        if not left:
            begun.set()

    async def one(due: int) -> None:
        try:
            await act(due)
        except BaseException:
            over.set()
            raise

    def keep_time() -> None:
        first = time.monotonic_ns() + START_NS
        for number in range(count):
            due = first + number * 1_000_000_000 // rate
            if over.wait((due - time.monotonic_ns()) / 1e9):
                return
            loop.call_soon_threadsafe(begin, due)

    # A group forgets who is done: to keep thousands until the end stalls the loop that is measured.
    try:
        async with asyncio.TaskGroup() as tasks:
            threading.Thread(target=keep_time, name="bench-pace", daemon=True).start()
            await begun.wait()
    finally:
        over.set()
