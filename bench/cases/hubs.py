"""Two hubs on one Valkey against one: runs go in by the one and out by the other."""

from __future__ import annotations

import corral
from bench.figures import Figures
from bench.load import BATCH, whole_runs
from bench.rig import Rig


async def hubs(rig: Rig, figures: Figures) -> None:
    """Whole runs per second by a hub whose worker is on another, in turns with one hub for both."""
    count = rig.size(4000, 20_000)
    for _ in range(rig.rounds):
        figures.add("hubs.one", await _one(rig, count), "/s")
        figures.add("hubs.two", await _two(rig, count), "/s")


async def _one(rig: Rig, count: int) -> float:
    async with (
        rig.valkey() as valkey,
        rig.hub(valkey.url) as (_, address),
        rig.worker(address),
        corral.Client(address) as client,
    ):
        await whole_runs([client], BATCH)
        return await whole_runs([client], count)


async def _two(rig: Rig, count: int) -> float:
    async with (
        rig.valkey() as valkey,
        rig.hub(valkey.url, "a") as (_, a),
        rig.hub(valkey.url, "b") as (_, b),
        rig.worker(a),
        corral.Client(b) as client,
    ):
        await whole_runs([client], BATCH)
        return await whole_runs([client], count)
