"""Streamed answers over two hubs: the worker on the one, the subscribers on the other.

Every part carries its number and the moment it was yielded, and each answer is checked: whole,
in order, each part once.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import corral
from bench.figures import Figures
from bench.rig import Rig
from bench.warm import warm

RUNS = 100
PACED_MS = 10
# Parts that a run yields while subscriptions of others begin.
SKIPPED = 20


async def chunks(rig: Rig, figures: Figures) -> None:
    """Parts of answers per second, 100 runs at once over two hubs, and from yield to subscriber."""
    count = rig.size(500, 2000)
    async with warm(rig, apart=True) as fleet:
        client = fleet.client
        await _answers(client, 10, 0)
        for _ in range(rig.rounds):
            began = time.perf_counter()
            await _answers(client, count, 0)
            figures.add("chunks.rate", RUNS * count / (time.perf_counter() - began), "/s")
            late = await _answers(client, SKIPPED + rig.size(100, 500), PACED_MS)
            figures.add_late("chunks", late)


async def _answers(client: corral.Client, count: int, pause_ms: int) -> list[float]:
    """Streams from all runs at once; gives the milliseconds that each part took."""
    runs = [
        await client.submit_workflow("stream", {"chunks": count, "pause_ms": pause_ms})
        for _ in range(RUNS)
    ]
    late: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        for run in runs:
            tasks.create_task(_read(run, count, late))
    return late


async def _read(run: corral.Run[Any], count: int, late: list[float]) -> None:
    expected = 0
    async for part in run.stream():
        if not isinstance(part, list) or part[0] != expected:
            raise RuntimeError(f"part {expected} of {run.run_id} is {part!r}")
        if expected >= SKIPPED:
            late.append((time.monotonic_ns() - part[1]) / 1e6)
        expected += 1
    if expected != count:
        raise RuntimeError(f"{run.run_id} had {expected} parts of {count}")
