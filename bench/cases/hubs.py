"""Two hubs on one Valkey against one: runs go in by the one and out by the other."""

from __future__ import annotations

from bench.figures import Figures
from bench.load import whole_runs
from bench.rig import Rig
from bench.warm import warm


async def hubs(rig: Rig, figures: Figures) -> None:
    """Whole runs per second by a hub whose worker is on another, in turns with one hub for both."""
    count = rig.size(4000, 20_000)
    for _ in range(rig.rounds):
        for name, apart in (("one", False), ("two", True)):
            async with warm(rig, apart=apart) as fleet:
                figures.add(f"hubs.{name}", await whole_runs(fleet.client, count), "/s")
