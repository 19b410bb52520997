"""What the peers' programs have in common: a worker process that counts, and the watch.

Runs in a peer's own environment, so it needs the standard library alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable

CALLERS = 64
ROOM = 256
WARM = 200
SAY_SECONDS = 0.005

Enqueue = Callable[[int], Awaitable[object]]


class Tally:
    """Counts what a worker process has done, and prints it when it has changed."""

    def __init__(self) -> None:
        self.done = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._say, daemon=True).start()

    def seen(self) -> None:
        """One more; safe in threads."""
        with self._lock:
            self.done += 1

    def _say(self) -> None:
        said, pause = 0, threading.Event()
        while not pause.wait(SAY_SECONDS):
            if self.done != said:
                said = self.done
                print(said, flush=True)


async def at_once(enqueue: Enqueue, count: int) -> None:
    """Enqueues, some at once."""
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            await enqueue(number)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def race(
    module: str, url: str, count: int, enqueue_all: Callable[[int], Awaitable[None]]
) -> None:
    """Starts the worker, and prints the rate from the first enqueue to the last run."""
    words = [sys.executable, "-m", module, "work", url]
    worker = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    try:
        await enqueue_all(WARM)
        await _until(worker, WARM)
        began = time.perf_counter()
        reached = asyncio.create_task(_until(worker, WARM + count))
        await enqueue_all(count)
        await reached
        rate = count / (time.perf_counter() - began)
    finally:
        worker.kill()
        await worker.wait()
    print("RESULT " + json.dumps({"runs_per_s": rate}), flush=True)


async def _until(worker: asyncio.subprocess.Process, count: int) -> None:
    assert worker.stdout is not None
    async for line in worker.stdout:
        if line.strip().isdigit() and int(line) >= count:
            return
    raise RuntimeError("the worker ended")


def arguments() -> tuple[bool, str, int]:
    """Whether to work, the address of Valkey, and the number of runs."""
    if sys.argv[1] == "work":
        return True, sys.argv[2], 0
    return False, f"unix://{sys.argv[1]}", int(sys.argv[2])
