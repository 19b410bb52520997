"""Rounds of real processes with a promise switched off in the Lua of all hubs: the checker notices.

A fault takes every guard that keeps the promise, as one alone is often covered by another.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.hub_process import ANSWER, FEED, FENCE, LEASE_CLOCK, MAIL, STEP, STREAM
from tests.chaos.round import Plan, play

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# Each plan is what its fault is most easily seen by, hubs and workers being healthy otherwise.
PLANS = {
    LEASE_CLOCK: Plan(
        7, 8, fault=LEASE_CLOCK, lanes=(("freeze_valkey",), ("kill_hub",)), longest=1.6,
        pause=(0.3, 1), hubs=2, workers=3, calm_seconds=30,
    ),
    # A worker that thaws after its lease reports what others have been given meanwhile.
    FENCE: Plan(
        7, 8, fault=FENCE, lanes=(("freeze_worker",),), longest=1.6, rate=40,
        pause=(0.5, 0.8), hubs=2, workers=3, calm_seconds=30,
    ),
    MAIL: Plan(
        7, 6, fault=MAIL, lanes=(("kill_unanswered",),), retries=0, rate=40,
        pause=(0.5, 0.8), hubs=2, workers=3, calm_seconds=10,
    ),
    STREAM: Plan(
        7, 10, fault=STREAM, lanes=(("freeze_hub",),), longest=1.3, rate=50,
        pause=(0.5, 0.8), hubs=2, workers=3, calm_seconds=30,
    ),
    # What goes wrong without a disturbance.
    ANSWER: Plan(7, 5, fault=ANSWER, lanes=(), hubs=2, workers=2, calm_seconds=20),
    STEP: Plan(7, 4, fault=STEP, lanes=(), retries=0.9, hubs=2, workers=2, calm_seconds=20),
    FEED: Plan(7, 4, fault=FEED, lanes=(), hubs=2, workers=2, calm_seconds=5),
}  # fmt: skip
FOUND_AS = {
    LEASE_CLOCK: "doubled",
    FENCE: "stale",
    MAIL: "lost",
    STREAM: "doubled",
    ANSWER: "answers",
    STEP: "steps",
    FEED: "events",
}


# Whether a disturbance hits the moment that a fault needs is chance; one of some rounds does.
ROUNDS = 5


@pytest.mark.parametrize("fault", PLANS)
async def test_a_round_finds_the_fault(tmp_path: Path, fault: str) -> None:
    plan = PLANS[fault]
    kinds: set[str] = set()
    for seed in range(plan.seed, plan.seed + ROUNDS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        figures = await play(replace(plan, seed=seed), folder)
        kinds |= {violation.kind for violation in figures.violations}
        if FOUND_AS[fault] in kinds:
            return
    raise AssertionError(f"{ROUNDS} rounds found {sorted(kinds)}, not {FOUND_AS[fault]}")
