"""Whole runs by single submits, 64 in flight, against bare calls over grpc.aio."""

from __future__ import annotations

import corral
from bench.cases.limits import ECHO, READY, echo_calls
from bench.figures import Figures
from bench.load import BATCH, one_by_one
from bench.rig import Rig


async def singles(rig: Rig, figures: Figures) -> None:
    """Submits in calls of one and whole runs per second, in turns with bare echo calls."""
    count = rig.size(3000, 20_000)
    async with (
        rig.process(*ECHO, ready=READY) as (_, echo),
        rig.valkey() as valkey,
        rig.hub(valkey.url) as (_, address),
        rig.worker(address),
        corral.Client(address) as client,
    ):
        await one_by_one(client, BATCH)
        for _ in range(rig.rounds):
            figures.add("singles.echo", await echo_calls(echo, count), "/s")
            submits, whole = await one_by_one(client, count)
            figures.add("singles.submits", submits, "/s")
            figures.add("singles.whole", whole, "/s")
