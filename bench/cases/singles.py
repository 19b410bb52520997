"""Whole runs by single submits, 64 in flight, against bare calls over grpc.aio."""

from __future__ import annotations

import grpc.aio

from bench.alike import WARM
from bench.cases.limits import ECHO, OPTIONS, READY, echo_calls
from bench.figures import Figures
from bench.load import calling, one_by_one, through
from bench.rig import Rig
from bench.warm import warm


async def singles(rig: Rig, figures: Figures) -> None:
    """Submits and whole runs per second through the SDK, whole runs with a gRPC call for each,
    in turns with bare echo calls."""
    count = rig.size(3000, 20_000)
    async with (
        rig.process(*ECHO, ready=READY) as (_, echo),
        warm(rig) as fleet,
        grpc.aio.insecure_channel(fleet.address, OPTIONS) as channel,
    ):
        client = fleet.client
        await one_by_one(client, through(client), WARM)
        for _ in range(rig.rounds):
            figures.add("singles.echo", await echo_calls(echo, count), "/s")
            submits, whole = await one_by_one(client, through(client), count)
            figures.add("singles.submits", submits, "/s")
            figures.add("singles.whole", whole, "/s")
            _, whole = await one_by_one(client, calling(channel), count)
            figures.add("singles.calls", whole, "/s")
