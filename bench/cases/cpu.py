"""Where the time of a whole run goes: CPU of each process, and Valkey's own time in functions."""

from __future__ import annotations

import os

from redis.asyncio import Redis

import corral
from bench.figures import Figures
from bench.load import BATCH, whole_runs
from bench.rig import Rig, cpu_seconds, function_microseconds


async def cpu(rig: Rig, figures: Figures) -> None:
    """CPU seconds per 1,000 whole runs in batches, by process, each time on a new store."""
    for _ in range(rig.rounds):
        await _round(rig, figures, rig.size(5000, 20_000))


async def _round(rig: Rig, figures: Figures, count: int) -> None:
    async with (
        rig.valkey() as valkey,
        rig.hub(valkey.url) as (hub, address),
        rig.worker(address) as worker,
        corral.Client(address) as client,
        Redis.from_url(valkey.url) as store,
    ):
        pids = {"hub": hub, "worker": worker, "valkey": valkey.pid, "client": os.getpid()}
        await whole_runs([client], BATCH)
        used = {name: cpu_seconds(pid) for name, pid in pids.items()}
        inside = await function_microseconds(store)
        await whole_runs([client], count)
        inside = await function_microseconds(store) - inside
        figures.add("cpu.valkey_per_run", inside / count, "µs")
        for name, pid in pids.items():
            spent = (cpu_seconds(pid) - used[name]) * 1000 / count
            figures.add(f"cpu.{name}", spent, "s per 1,000 runs")
