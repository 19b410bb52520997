"""From the moment of a submit to the first line of its handler, at a fixed rate of submits.

Submits are made at moments fixed in advance, whatever became of those before, so that a hub
that stalls is charged for all that came meanwhile.
"""

from __future__ import annotations

import asyncio
import time

import corral
from bench.figures import Figures, percentile
from bench.load import BATCH, whole_runs
from bench.rig import Rig

RATES = (100, 1000)
PARTS = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


async def latency(rig: Rig, figures: Figures) -> None:
    """Submit to start in milliseconds, at 100 and at 1,000 runs per second."""
    seconds = rig.size(5, 30)
    async with (
        rig.valkey() as valkey,
        rig.hub(valkey.url) as (_, address),
        rig.worker(address),
        corral.Client(address) as client,
    ):
        await whole_runs([client], BATCH)
        for _ in range(rig.rounds):
            for rate in RATES:
                found = await _at(client, rate, rate * seconds)
                for name, part in PARTS.items():
                    figures.add(f"latency.{rate}.{name}", percentile(found, part), "ms")


async def _at(client: corral.Client, rate: int, count: int) -> list[float]:
    first = time.monotonic_ns() + 50_000_000
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            due = first + number * 1_000_000_000 // rate
            wait = (due - time.monotonic_ns()) / 1e9
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.create_task(_submit(client, due))
    found: list[float] = []
    while len(found) < count:
        run = await client.submit_workflow("latencies")
        found += await run.result(timeout=60)
    return found


async def _submit(client: corral.Client, due: int) -> None:
    await client.submit_workflow("start", due)
