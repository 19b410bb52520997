"""What the peers' programs have in common: a worker process that counts, and the watch.

Two measures: a race, from the first enqueue to the last run, and how late runs start that are
enqueued at fixed moments. In the latter the number of a run is the moment, in nanoseconds.

Runs in a peer's own environment, so it needs the standard library alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable

from bench.alike import CALLERS, WARM
from bench.pace import at_rate

SAY_SECONDS = 0.005
# A number beyond it is a moment: of a machine that has been up for a second.
MOMENTS = 1_000_000_000

Enqueue = Callable[[int], Awaitable[object]]


class Tally:
    """Counts what a worker process has done, and prints it when it has changed, with how late
    runs began since."""

    def __init__(self) -> None:
        self.done = 0
        self._late: list[float] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._say, daemon=True).start()

    def seen(self, number: int) -> None:
        """One more has begun; safe in threads."""
        late = round((time.monotonic_ns() - number) / 1e6, 3)
        with self._lock:
            self.done += 1
            if number > MOMENTS:
                self._late.append(late)

    def _say(self) -> None:
        said, pause = 0, threading.Event()
        while not pause.wait(SAY_SECONDS):
            if self.done != said:
                with self._lock:
                    said, late, self._late = self.done, self._late, []
                print(said, json.dumps(late), flush=True)


async def at_once(enqueue: Enqueue, count: int) -> None:
    """Enqueues, some at once."""
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            await enqueue(number)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def race(
    module: str,
    url: str,
    runs: int,
    rate: int,
    enqueue_all: Callable[[int], Awaitable[None]],
    enqueue: Enqueue,
) -> None:
    """Starts the worker, and prints the rate from the first enqueue to the last run; with a
    rate of enqueues, how late each run began."""
    words = [sys.executable, "-m", module, "work", url]
    worker = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    try:
        await enqueue_all(WARM)
        await _until(worker, WARM)
        began = time.perf_counter()
        reached = asyncio.create_task(_until(worker, WARM + runs))
        await (at_rate(rate, runs, enqueue) if rate else enqueue_all(runs))
        late = await reached
        spent = time.perf_counter() - began
    finally:
        worker.kill()
        await worker.wait()
    result = {"late_ms": late} if rate else {"runs_per_s": runs / spent}
    print("RESULT " + json.dumps(result), flush=True)


async def _until(worker: asyncio.subprocess.Process, count: int) -> list[float]:
    assert worker.stdout is not None
    late: list[float] = []
    async for line in worker.stdout:
        done, _, more = line.decode().partition(" ")
        if done.isdigit():
            late += json.loads(more)
            if int(done) >= count:
                return late
    raise RuntimeError("the worker ended")


def arguments() -> tuple[bool, str, int, int]:
    """Whether to work, the address of Valkey, the number of runs, and of them in a second (0:
    as fast as it goes)."""
    if sys.argv[1] == "work":
        return True, sys.argv[2], 0, 0
    return False, f"unix://{sys.argv[1]}", int(sys.argv[2]), int((*sys.argv, 0)[3])
