"""What it costs that an answer leaves only after the append-only file is on disk."""

from __future__ import annotations

import corral
from bench.figures import Figures
from bench.load import BATCH, whole_runs
from bench.rig import Rig


async def durability(rig: Rig, figures: Figures) -> None:
    """Whole runs per second with fsync before every answer, in turns with memory alone."""
    count = rig.size(4000, 20_000)
    for _ in range(rig.rounds):
        figures.add("durability.memory", await _level(rig, "memory", count), "/s")
        figures.add("durability.fsync", await _level(rig, "fsync", count), "/s")


async def _level(rig: Rig, level: str, count: int) -> float:
    async with (
        rig.valkey(durable=level == "fsync") as valkey,
        rig.hub(valkey.url, durability=level) as (_, address),
        rig.worker(address),
        corral.Client(address) as client,
    ):
        await whole_runs([client], BATCH)
        return await whole_runs([client], count)
