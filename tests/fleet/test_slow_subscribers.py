"""Subscribers that read nothing, or late: the store keeps the events, and no hub does."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

import corral
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.fleet.conftest import Fleet
from tests.processes import HubProcess

pytestmark = pytest.mark.anyio

SECONDS = 40.0
LOUD_BYTES = 60_000
# Of the hub, for what is on its way to one of them; measured: 1.5 to 2.5 MB.
EACH_BYTES = 4_000_000
SERVICE = "/corral.v1.Orchestrator/"
OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))


def rss(hub: HubProcess) -> int:
    """Resident bytes of a hub."""
    assert hub.process is not None
    status = Path(f"/proc/{hub.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


async def test_subscribers_that_read_nothing_cost_a_hub_little_however_far_behind(
    fleet: Fleet,
) -> None:
    """Twenty on each hub, with 18 MB of events before them: 360 MB if a hub kept those."""
    hubs = [fleet.hub("a"), fleet.hub("b")]
    worker = corral.Worker("loud", hubs=fleet.addresses)

    @worker.workflow("shout")
    async def shout(ctx: corral.Context) -> None:
        for n in range(300):
            await ctx.emit_event("loud", {"n": n, "noise": "x" * LOUD_BYTES})

    client = await fleet.client()
    async with worker, contextlib.AsyncExitStack() as stack:
        run = await client.submit_workflow("shout")
        await run.result(SECONDS)
        for hub in hubs:
            await read_all(await fleet.client(hubs=[hub.address]), run.run_id)
        before = [rss(hub) for hub in hubs]
        calls: list[Any] = []
        asked = (
            (f"{SERVICE}SubscribeAll", pb.SubscribeAllRequest(cursor="0-0")),
            (f"{SERVICE}SubscribeRunEvents", pb.SubscribeRunEventsRequest(run_id=run.run_id)),
        )
        for n in range(40):
            channel = grpc.aio.insecure_channel(hubs[n % 2].address, OPTIONS)
            await stack.enter_async_context(channel)
            name, request = asked[n // 2 % 2]
            calls.append(channel.unary_stream(name)(request.SerializeToString()))
            await calls[-1].initial_metadata()
        for hub in hubs:
            # Who reads gets all, beside them; by then they have got what they ever will.
            await read_all(await fleet.client(hubs=[hub.address]), run.run_id)
        grown = [rss(hub) - was for hub, was in zip(hubs, before, strict=True)]
        for call in calls:
            call.cancel()
    assert max(grown) < 20 * EACH_BYTES


async def read_all(client: corral.Client, run_id: str) -> None:
    async with asyncio.timeout(SECONDS):
        of_run = [event async for event in client.subscribe_run_events(run_id)]
        of_all = [event async for event in client.subscribe_all(cursor="0-0", follow=False)]
    assert len(of_run) == len(of_all) == 303
