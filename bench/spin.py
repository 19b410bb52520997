"""How fast the machine's cores are at the moment: a loop that needs nothing but one.

A core of a virtual machine may be one of two threads of a real one. Then it is slower as long as
others compute on the second, and no program here is the cause.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Self

SECONDS = 0.3
# So that all of them wait at the line before the start.
AHEAD = 0.05


class Spinners:
    """So many processes, started once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))

    def __enter__(self) -> Self:
        # Starts them, which takes longer than what is measured.
        self.loops()
        return self

    def __exit__(self, *caught: object) -> None:
        self._pool.shutdown()

    def loops(self) -> list[float]:
        """Loops per second of each process, all at once."""
        start = time.monotonic() + AHEAD
        spun = [self._pool.submit(spin, start) for _ in range(self._count)]
        return [one.result() / SECONDS for one in spun]


def spin(start: float) -> int:
    """Gives how often a short loop was done from `start`, a moment of the monotonic clock."""
    time.sleep(max(0.0, start - time.monotonic()))
    rounds = 0
    while time.monotonic() < start + SECONDS:
        for number in range(500):
            _ = number * number
        rounds += 1
    return rounds
