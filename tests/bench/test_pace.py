"""Acts at moments fixed before: each moment once, and an end when one act fails."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from itertools import pairwise
from statistics import median

import pytest

from bench.pace import at_rate

pytestmark = pytest.mark.anyio

RATE, COUNT = 500, 200


def keepers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "bench-pace"]


async def test_each_moment_comes_once_and_not_early() -> None:
    dues: list[int] = []

    async def act(due: int) -> None:
        assert time.monotonic_ns() >= due
        dues.append(due)

    await at_rate(RATE, COUNT, act)
    assert len(dues) == COUNT
    steps = {after - before for before, after in pairwise(dues)}
    assert steps == {1_000_000_000 // RATE}


async def test_acts_that_are_over_are_not_kept() -> None:
    acts: list[weakref.ref[object]] = []
    alive: list[int] = []

    async def act(due: int) -> None:
        alive.append(sum(one() is not None for one in acts))
        acts.append(weakref.ref(asyncio.current_task()))

    await at_rate(RATE, COUNT, act)
    # Some are there together when the machine stalls, but not half of the time.
    assert median(alive) < COUNT / 4


async def test_a_failure_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    acts = 0

    async def act(due: int) -> None:
        nonlocal acts
        acts += 1
        raise ValueError("broken")

    with pytest.raises(ExceptionGroup) as raised:
        await at_rate(RATE, 100_000, act)
    assert raised.group_contains(ValueError, match="broken")
    for one in keepers():
        await asyncio.to_thread(one.join, 5)
        assert not one.is_alive()
    assert acts < 1000
    assert not caplog.records
