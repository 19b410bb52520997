"""How many namespaces a hub looks after, and which of them it lets go."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import grpc
import pytest

from corral_hub import namespaces
from corral_hub.config import HubConfig
from corral_hub.errors import Misconfigured
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.hub.peers import SECONDS, Peer, Place, place_of, refused, settings

pytestmark = pytest.mark.anyio
MOST = 4


@pytest.fixture
async def place(valkey: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(namespaces, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(namespaces, "LOOK_SECONDS", 0.05)
    async with place_of(settings(valkey, max_namespaces=MOST)) as place:
        yield place


async def read(place: Place, namespace: str) -> pb.GetStatsResponse:
    async with Peer(place.peer.address, namespace=namespace) as peer:
        return await peer.calls.GetStats(
            pb.GetStatsRequest(), metadata=peer.metadata, timeout=SECONDS
        )


async def enter(place: Place, namespace: str) -> None:
    """Reads from the namespace as soon as there is a place for it."""
    with anyio.fail_after(SECONDS):
        while True:
            try:
                await read(place, namespace)
                return
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                await anyio.sleep(0.05)


async def test_names_in_reads_keep_no_namespace_out_for_long(place: Place) -> None:
    for number in range(MOST - 1):
        await read(place, f"only-read-{number}")
    detail = await refused(read(place, "work"), "RESOURCE_EXHAUSTED")
    assert (detail.field, detail.limit) == ("corral-namespace", str(MOST))
    assert "--max-namespaces" in detail.message
    for number in range(2 * MOST):
        await enter(place, f"another-{number}")
    await place.prove_healthy()


async def test_a_namespace_with_runs_a_session_or_a_follower_is_kept(place: Place) -> None:
    address = place.peer.address
    async with (
        Peer(address, namespace="runs") as runs,
        Peer(address, namespace="sessions") as sessions,
        Peer(address, namespace="followed") as followed,
    ):
        await runs.submit(workflow="nobody")
        await sessions.session()
        stream = followed.calls.SubscribeAll(pb.SubscribeAllRequest(), metadata=followed.metadata)
        await stream.read()
        # All others that come and go meanwhile find no place. No call is cut short: where gRPC says
        # by itself that one was cancelled, anyio takes it for another's cancellation of the test.
        until = anyio.current_time() + 4 * namespaces.IDLE_SECONDS
        while anyio.current_time() < until:
            await refused(read(place, "other"), "RESOURCE_EXHAUSTED")
            await anyio.sleep(0.05)
        run = (await followed.submit(workflow="nobody")).run.run_id
        with anyio.fail_after(SECONDS):
            while (message := await stream.read()).event.run_id != run:
                pass
        assert message.event.type == "status.pending"
        stream.cancel()


def test_the_limit_is_at_least_one() -> None:
    with pytest.raises(Misconfigured, match="max_namespaces 0: 1 to 10000"):
        HubConfig(max_namespaces=0).check()
