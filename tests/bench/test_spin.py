"""Cores are measured all at once, each by a process of its own."""

from __future__ import annotations

import time

from bench.spin import SECONDS, Spinners

COUNT = 6


def test_each_process_tells_how_fast_it_was_in_the_same_time() -> None:
    with Spinners(COUNT) as spinners:
        began = time.monotonic()
        rates = spinners.loops()
        took = time.monotonic() - began
    assert len(rates) == COUNT
    assert all(rate > 0 for rate in rates)
    # One after the other they would take COUNT times as long.
    assert SECONDS < took < COUNT * SECONDS
