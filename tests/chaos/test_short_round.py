"""One short round of everything: hubs, workers and the store disturbed at once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.round import Plan, play

pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_a_short_round_breaks_no_promise(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    plan = Plan(seed, 20, hubs=2, workers=3, rate=20, longest=1.2, pause=(0.5, 2), calm_seconds=60)
    figures = await play(plan, tmp_path)
    assert [str(violation) for violation in figures.violations] == []
    assert figures.counts["runs submitted"] >= 50
    assert figures.hits.total() >= 5
    for what in ("answers acknowledged", "times parked", "steps taken", "streams read"):
        assert figures.counts[what] > 0, what
    assert figures.counts["events told to everything"] > figures.counts["events told to filtered"]
