"""Whole runs in batches, from the first submit to the last result, and the same with peers.

One worker process, one Valkey with the settings of `corral up` for each, and what `alike.py` says;
for the rest peers have their defaults, and no results kept where that is the default.
"""

from __future__ import annotations

from bench.figures import Figures
from bench.load import whole_runs
from bench.rig import Rig
from bench.turns import installed, turn
from bench.warm import warm

QUICK_RUNS = 5000
FULL_RUNS = 20_000


async def batches(rig: Rig, figures: Figures) -> None:
    """Whole runs per second by submit_workflows, in turns with SAQ, dramatiq, taskiq and BullMQ."""
    count = rig.size(QUICK_RUNS, FULL_RUNS)
    figures.note(
        "batches: a peer's time ends as its last handler begins, Corral's when the client knows of"
        " every result; that is in the peers' favour"
    )
    peers = await installed(figures)
    for _ in range(rig.rounds):
        async with warm(rig) as fleet:
            figures.add("batches.corral", await whole_runs(fleet.client, count), "/s")
        async for name, found in turn(rig, figures, peers, count):
            figures.add(f"batches.{name}", found["runs_per_s"], "/s")
