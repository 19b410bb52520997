"""From the moment of a submit to the first line of its handler, at a fixed rate of submits.

Submits are made at moments fixed in advance, whatever became of those before, so that a hub
that stalls is charged for all that came meanwhile. Peers do the same at the lowest rate.
"""

from __future__ import annotations

import corral
from bench.alike import TEXT
from bench.figures import Figures
from bench.pace import at_rate
from bench.rig import Rig
from bench.turns import installed, turn
from bench.warm import warm

RATES = (100, 1000)


async def latency(rig: Rig, figures: Figures) -> None:
    """Submit to start in milliseconds, at 100 and at 1,000 runs per second, and of peers at 100."""
    seconds = rig.size(4, 20)
    peers = await installed(figures)
    for _ in range(rig.rounds):
        async with warm(rig) as fleet:
            for rate in RATES:
                figures.add_late(f"latency.{rate}", await _at(fleet.client, rate, rate * seconds))
        rate = RATES[0]
        async for name, found in turn(rig, figures, peers, rate * seconds, rate):
            figures.add_late(f"latency.{name}", found["late_ms"])


async def _at(client: corral.Client, rate: int, count: int) -> list[float]:
    async def submit(due: int) -> None:
        await client.submit_workflow("start", {"at_ns": due, "text": TEXT})

    await at_rate(rate, count, submit)
    found: list[float] = []
    while len(found) < count:
        run = await client.submit_workflow("latencies")
        found += await run.result(timeout=60)
    return found
