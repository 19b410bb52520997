"""What a hub shows to tools and balancers: reflection, health, and how it stops."""

from __future__ import annotations

import anyio
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from corral_hub.hub import Hub
from corral_proto.v1 import worker_pb2 as wk
from corral_store import Store
from corral_store.filters import WorkerFilter
from tests.hub.peers import SECONDS, Peer, hello, place_of, settings

pytestmark = pytest.mark.anyio

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = {"corral.v1.Orchestrator", "corral.v1.Worker", "grpc.health.v1.Health"}


async def health(peer: Peer, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(peer.channel)
    reply = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=SECONDS)
    return reply.status


async def test_reflection_lists_the_services_and_their_files(peer: Peer) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(peer.channel)
    call = stub.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    reply = await call.read()
    assert {one.name for one in reply.list_services_response.service} >= SERVICES
    for symbol in sorted(SERVICES):
        await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
        reply = await call.read()
        assert reply.file_descriptor_response.file_descriptor_proto
    call.cancel()


async def test_health_and_reflection_want_no_token(valkey: str) -> None:
    async with Hub(settings(valkey, tokens=("t",))) as hub, Peer(hub.address) as nobody:
        assert await health(nobody, "") == SERVING
        await test_reflection_lists_the_services_and_their_files(nobody)


async def test_a_hub_that_stops_tells_balancers_and_workers_first(valkey: str) -> None:
    async with place_of(settings(valkey, stop_seconds=4)) as place:
        peer = place.peer
        for service in ("", "corral.v1.Orchestrator", "corral.v1.Worker"):
            assert await health(peer, service) == SERVING
        async with anyio.create_task_group() as group:
            group.start_soon(place.hub.stop)
            assert (await place.healthy.hear("reconnect")).reconnect.reason == "stopping"
            for service in ("", "corral.v1.Orchestrator", "corral.v1.Worker"):
                assert await health(peer, service) == NOT_SERVING
            late = peer.stream()
            await late.say(hello=hello())
            reject = await late.rejected()
            assert reject.reason == wk.REJECT_REASON_STOPPING
            assert "go to another" in reject.detail
            # Who is here may finish; calls are answered until the end.
            await place.prove_healthy()
            await place.healthy.say(goodbye=wk.Goodbye())
            with anyio.fail_after(SECONDS):
                assert await place.healthy.call.read() is grpc.aio.EOF


async def test_a_worker_that_does_not_move_holds_no_hub_up(valkey: str) -> None:
    async with place_of(settings(valkey, stop_seconds=0.4)) as place:
        with anyio.fail_after(2):
            await place.hub.stop()


async def test_a_hub_listens_on_a_unix_socket(valkey: str, tmp_path: object) -> None:
    async with place_of(settings(valkey, listen=f"unix:{tmp_path}/hub.sock")) as place:
        assert place.hub.address == f"unix:{tmp_path}/hub.sock"
        await place.prove_healthy()


async def test_a_hub_of_which_a_part_has_died_says_so(
    valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("corral_hub.steward.Steward.run", die)
    async with Hub(settings(valkey)) as hub:
        with anyio.fail_after(10):
            failure = await hub.wait_failed()
    assert "hub-steward has died of RuntimeError('a fault of ours')" in failure.message


async def test_a_stream_that_stays_open_is_closed_in_the_store_when_its_hub_stops(
    valkey: str,
) -> None:
    async with Hub(settings(valkey, stop_seconds=0.5)) as hub:
        peer = Peer(hub.address)
        await peer.session()
    async with Store(valkey, "reader") as store:
        (row,) = (await store.namespace("default").list_sessions(WorkerFilter(), 10, ""))[0]
    assert row.fields["state"] == "cut"
    await peer.channel.close()
