"""Where the time of a whole run goes: CPU of each process, and Valkey's own time in functions."""

from __future__ import annotations

import os

from redis.asyncio import Redis

from bench.figures import Figures
from bench.load import whole_runs
from bench.rig import Rig, cpu_seconds, function_microseconds
from bench.warm import warm


async def cpu(rig: Rig, figures: Figures) -> None:
    """CPU seconds per 1,000 whole runs in batches, by process, each time on a new store."""
    for _ in range(rig.rounds):
        await _round(rig, figures, rig.size(5000, 20_000))


async def _round(rig: Rig, figures: Figures, count: int) -> None:
    async with warm(rig) as fleet, Redis.from_url(fleet.valkey.url) as store:
        pids = {
            "hub": fleet.hub,
            "worker": fleet.worker,
            "valkey": fleet.valkey.pid,
            "client": os.getpid(),
        }
        used = {name: cpu_seconds(pid) for name, pid in pids.items()}
        inside = await function_microseconds(store)
        await whole_runs(fleet.client, count)
        inside = await function_microseconds(store) - inside
        figures.add("cpu.valkey_per_run", inside / count, "µs")
        for name, pid in pids.items():
            spent = (cpu_seconds(pid) - used[name]) * 1000 / count
            figures.add(f"cpu.{name}", spent, "s per 1,000 runs")
