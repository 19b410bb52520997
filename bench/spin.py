"""Work that needs nothing but a core: what several processes get done at once, over one alone.

Two cores may be two threads of one, or share a machine with others; then programs that run side by
side slow each other down, and whoever has more of them loses more.
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
        self._together(self._count)
        return self

    def __exit__(self, *caught: object) -> None:
        self._pool.shutdown()

    def over_one(self) -> float:
        """What all get done at once, over what one does alone."""
        alone = self._together(1)
        return self._together(self._count) / alone

    def _together(self, count: int) -> int:
        start = time.monotonic() + AHEAD
        spun = [self._pool.submit(spin, start) for _ in range(count)]
        return sum(one.result() for one in spun)


def spin(start: float) -> int:
    """Gives how often a short loop was done from `start`, a moment of the monotonic clock."""
    time.sleep(max(0.0, start - time.monotonic()))
    rounds = 0
    while time.monotonic() < start + SECONDS:
        for number in range(500):
            _ = number * number
        rounds += 1
    return rounds
