"""What it costs that an answer leaves only after the append-only file is on disk."""

from __future__ import annotations

from bench.figures import Figures
from bench.load import whole_runs
from bench.rig import Rig
from bench.warm import warm


async def durability(rig: Rig, figures: Figures) -> None:
    """Whole runs per second with fsync before every answer, in turns with memory alone."""
    count = rig.size(4000, 20_000)
    for _ in range(rig.rounds):
        for level in ("memory", "fsync"):
            async with warm(rig, durability=level) as fleet:
                figures.add(f"durability.{level}", await whole_runs(fleet.client, count), "/s")
