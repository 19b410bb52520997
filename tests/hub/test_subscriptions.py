"""Subscriptions over gRPC: cursors on any hub, gaps, signs of life, and the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import grpc
import pytest

from corral_hub.hub import Hub
from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from tests.hub.peers import SECONDS, Peer, Place, detail_of, place_of, settings, status_of
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio

FEED = "corral:{default}:feed"


@pytest.fixture
async def other(place: Place, valkey: str) -> AsyncIterator[Peer]:
    """A peer of another hub on the same store."""
    async with Hub(settings(valkey, "b")) as hub, Peer(hub.address) as peer:
        yield peer


def follow(peer: Peer, run: str, cursor: str = "") -> Any:
    return peer.calls.SubscribeRunEvents(pb.SubscribeRunEventsRequest(run_id=run, cursor=cursor))


def follow_all(peer: Peer, **given: Any) -> Any:
    return peer.calls.SubscribeAll(pb.SubscribeAllRequest(**given))


async def read(stream: Any) -> Any:
    """The next message; EOF at the end."""
    with anyio.fail_after(SECONDS):
        return await stream.read()


async def listening(peer: Peer, **given: Any) -> Any:
    """A subscription of all runs that has begun."""
    stream = follow_all(peer, **given)
    assert (await read(stream)).WhichOneof("message") == "ping"
    return stream


async def events(stream: Any, count: int) -> list[common.Event]:
    """The next events, pings passed over."""
    found: list[common.Event] = []
    while len(found) < count:
        message = await read(stream)
        assert message is not grpc.aio.EOF
        if message.WhichOneof("message") != "ping":
            assert message.WhichOneof("message") == "event", message
            found.append(message.event)
    return found


async def start(place: Place) -> wk.Assignment:
    await place.peer.submit()
    return (await place.healthy.hear("assignment")).assignment


async def emit(place: Place, work: wk.Assignment, first: int, last: int) -> None:
    """Events with these numbers as payload and seq, in one frame."""
    await place.healthy.frame(
        *(
            wk.WorkerMessage(
                event=wk.EventReport(
                    run_id=work.run_id, fence=work.fence, type="step", seq=n, payload=b"%d" % n
                )
            )
            for n in range(first, last + 1)
        )
    )
    verdicts: list[str] = []
    while len(verdicts) <= last - first:
        verdicts += await place.healthy.verdicts()
    assert set(verdicts) == {"OK"}


async def finish(place: Place, work: wk.Assignment, seq: int = 1000) -> None:
    result = wk.Result(run_id=work.run_id, fence=work.fence, output=b'"end"', seq=seq)
    await place.healthy.say(result=result)
    assert await place.healthy.verdicts() == ["OK"]


async def test_a_subscription_goes_on_at_another_hub_without_loss_or_repeat(
    place: Place, other: Peer
) -> None:
    work = await start(place)
    await emit(place, work, 1, 300)
    stream = follow(place.peer, work.run_id)
    seen = await events(stream, 137)
    stream.cancel()
    stream = follow(other, work.run_id, seen[-1].cursor)
    seen += await events(stream, 165)
    await emit(place, work, 301, 310)
    seen += await events(stream, 10)
    stream.cancel()
    await finish(place, work)
    stream = follow(place.peer, work.run_id, seen[-1].cursor)
    seen += await events(stream, 1)
    assert [event.number for event in seen] == list(range(1, 314))
    assert [int(e.payload) for e in seen if e.type == "step"] == list(range(1, 311))
    assert [e.type for e in seen if e.type != "step"] == [
        "status.pending", "status.running", "status.completed",
    ]  # fmt: skip
    end = (await read(stream)).end.run
    assert (end.status, end.output) == (common.RUN_STATUS_COMPLETED, b'"end"')
    assert await read(stream) is grpc.aio.EOF


async def test_a_cursor_behind_the_end_gives_the_end_again(place: Place) -> None:
    work = await start(place)
    await finish(place, work)
    (last,) = (await events(follow(place.peer, work.run_id), 3))[-1:]
    stream = follow(place.peer, work.run_id, last.cursor)
    assert (await read(stream)).WhichOneof("message") == "end"


async def test_a_cursor_from_a_lost_future_is_told_which_numbers_are_gone(place: Place) -> None:
    work = await start(place)
    stream = follow(place.peer, work.run_id, "9-50")
    gap = (await read(stream)).gap
    assert (gap.first, gap.last, gap.reason) == (3, 50, "epoch")
    await emit(place, work, 1, 1)
    (event,) = await events(stream, 1)
    assert (event.number, event.cursor[:4]) == (3, "1-3-")


async def test_the_feed_goes_on_at_another_hub_within_an_entry(place: Place, other: Peer) -> None:
    stream = await listening(place.peer)
    work = await start(place)
    await emit(place, work, 1, 20)
    seen = await events(stream, 9)
    stream.cancel()
    stream = follow_all(other, cursor=seen[-1].cursor)
    seen += await events(stream, 13)
    await finish(place, work)
    seen += await events(stream, 1)
    assert [event.number for event in seen] == list(range(1, 24))
    assert len({event.cursor for event in seen}) == 23


async def test_the_feed_is_filtered_by_workflow_and_status(place: Place) -> None:
    both = await listening(place.peer)
    only = await listening(place.peer, workflow="nobody", status_only=True)
    work = await start(place)
    await emit(place, work, 1, 2)
    await place.peer.submit(workflow="nobody", run_id="other")
    assert [e.run_id for e in await events(only, 1)] == ["other"]
    assert len(await events(both, 5)) == 5


async def test_a_feed_that_was_trimmed_says_so(place: Place, valkey_server: ValkeyServer) -> None:
    stream = await listening(place.peer)
    for n in range(4):
        await place.peer.submit(workflow="nobody", run_id=f"r{n}")
    (first, *_, last) = await events(stream, 4)
    valkey_server.client().xtrim(FEED, maxlen=2, approximate=False)
    stream = follow_all(place.peer, cursor=first.cursor)
    gap = (await read(stream)).gap
    assert gap.reason == "trimmed"
    assert [e.run_id for e in await events(stream, 2)] == ["r2", "r3"]
    again = follow_all(place.peer, cursor=gap.cursor)
    assert [e.run_id for e in await events(again, 2)] == ["r2", "r3"]
    milliseconds = int(last.cursor.partition("-")[0]) + 1_000_000
    stream = follow_all(place.peer, cursor=f"{milliseconds}-0.1")
    assert (await read(stream)).gap.reason == "epoch"
    await place.peer.submit(workflow="nobody", run_id="r4")
    assert [e.run_id for e in await events(stream, 1)] == ["r4"]


async def test_quiet_subscriptions_show_signs_of_life(valkey: str) -> None:
    async with place_of(settings(valkey, keepalive_ms=100)) as place:
        run = (await place.peer.submit(workflow="nobody")).run.run_id
        mine, feed = follow(place.peer, run), await listening(place.peer)
        await events(mine, 1)
        assert (await read(mine)).WhichOneof("message") == "ping"
        cursor = (await read(feed)).ping.cursor
        await place.peer.submit(workflow="nobody", run_id="later")
        stream = follow_all(place.peer, cursor=cursor)
        assert [e.run_id for e in await events(stream, 1)] == ["later"]


async def test_a_hub_that_stops_ends_subscriptions_and_says_where_to_go_on(
    place: Place, other: Peer
) -> None:
    run = (await place.peer.submit(workflow="nobody")).run.run_id
    mine, feed = follow(place.peer, run), await listening(place.peer)
    (event,) = await events(mine, 1)

    async def rest(stream: Any) -> None:
        while await stream.read() is not grpc.aio.EOF:
            pass

    async with anyio.create_task_group() as group:
        group.start_soon(place.hub.stop)
        for stream in (mine, feed):
            error = await status_of(rest(stream))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            detail = detail_of(error)
            assert (detail.name, detail.retryable) == ("Unavailable", True)
            assert "subscribe at another, from the last cursor" in detail.message
    stream = follow(other, run, event.cursor)
    await other.calls.CancelWorkflow(pb.CancelWorkflowRequest(run_id=run))
    assert [e.type for e in await events(stream, 1)] == ["status.cancelled"]
