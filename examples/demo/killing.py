"""Kills the hub that has most work in its hands, and says how much that was.

The count is exact: the hub is frozen, the other hub is asked, then it is killed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import corral
from examples.demo.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Killed:
    """A dead hub: its process, its workers, and the runs in flight on their sessions."""

    hub: str
    pid: int
    workers: dict[str, int]
    runs: set[str]

    @property
    def in_flight(self) -> int:
        return sum(self.workers.values())


async def kill_busiest(fleet: Fleet) -> Killed | None:
    """Kills the busiest hub with SIGKILL; None, and all live on, where no run is in flight."""
    async with corral.Client(fleet.hubs) as client:
        load: Counter[str] = Counter()
        for worker in await client.list_workers():
            load[worker.hub] += worker.in_flight
    if not load or not load.most_common(1)[0][1]:
        return None
    hub = load.most_common(1)[0][0]
    fleet.freeze(hub)
    counted = None
    try:
        counted = await _count(fleet, hub)
    finally:
        if counted is None:
            fleet.thaw(hub)
    if counted is not None:
        await fleet.kill(hub)
    return counted


async def _count(fleet: Fleet, hub: str) -> Killed | None:
    async with corral.Client(fleet.addresses[fleet.other(hub)]) as client:
        workers = {
            worker.worker_id: worker.in_flight
            for worker in await client.list_workers()
            if worker.hub == hub
        }
        runs = {
            run.run_id
            async for run in client.runs(statuses=["running"])
            if run.worker_id in workers
        }
    if not sum(workers.values()):
        return None
    return Killed(hub, fleet.pid(hub), workers, runs)
