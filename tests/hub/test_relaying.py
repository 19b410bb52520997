"""Ephemeral events over the wire: handed on, read again, said to be gone, and refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
import grpc
import grpc.aio
import pytest

from corral_hub.relays import QUEUE_BATCHES, Batch, Listener, Relays
from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from tests.hub.peers import SECONDS, Peer, Place, Session, first_of, place_of, refused, settings

pytestmark = pytest.mark.anyio

Told = tuple[int, list[bytes]]


@dataclass
class Streaming:
    """A session that executes one run on hub a, and a caller of hub b."""

    place: Place
    other: Peer
    session: Session
    run: str
    fence: str

    def batch(self, first: int, *payloads: bytes, kind: str = "chunk") -> common.EphemeralEvents:
        items = [common.EphemeralEvents.Item(type=kind, payload=p) for p in payloads]
        return common.EphemeralEvents(run_id=self.run, fence=self.fence, first=first, items=items)

    async def stream(self, first: int, *payloads: bytes) -> None:
        await self.session.say(ephemeral=self.batch(first, *payloads))

    async def end(self) -> None:
        result = wk.Result(run_id=self.run, fence=self.fence, output=b"1", seq=1)
        await self.session.say(result=result)
        assert await self.session.verdicts() == ["OK"]

    def follow(self, cursor: str = "", peer: Peer | None = None) -> Any:
        request = pb.SubscribeRunEventsRequest(
            run_id=self.run, ephemeral=True, ephemeral_cursor=cursor
        )
        return (peer or self.other).calls.SubscribeRunEvents(request)

    async def kept(self, last: int) -> None:
        """Waits until the store has everything up to a number."""
        async for item in self.follow():
            if item.WhichOneof("message") == "ephemeral" and _last(item.ephemeral) >= last:
                return


def _last(told: common.EphemeralEvents) -> int:
    return told.first + len(told.items) - 1


async def heard(stream: Any, until: int = 0) -> list[Any]:
    """What a subscriber is told of ephemeral events, up to a number or to the end of the run:
    (first, payloads), or (first, last, reason) for a gap."""
    out: list[Any] = []
    with anyio.fail_after(SECONDS):
        while True:
            message = await stream.read()
            assert message is not grpc.aio.EOF, out
            match message.WhichOneof("message"):
                case "ephemeral":
                    told = message.ephemeral
                    assert told.cursor == f"{told.fence}-{_last(told)}"
                    out.append((told.first, [item.payload for item in told.items]))
                    if until and _last(told) >= until:
                        return out
                case "gap":
                    assert message.gap.ephemeral
                    out.append((message.gap.first, message.gap.last, message.gap.reason))
                case "end":
                    return out
                case _:
                    pass


def flat(told: list[Any]) -> list[bytes]:
    return [payload for _, payloads in told for payload in payloads]


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Which of the next messages of pub/sub are lost; those behind the list are not."""
    fates: list[bool] = []
    take = Relays.take

    def lossy(self: Relays, namespace: str, raw: bytes) -> None:
        fate = fates.pop(0) if fates else False
        if not fate:
            take(self, namespace, raw)

    monkeypatch.setattr(Relays, "take", lossy)
    return fates


@pytest.fixture
async def streaming(valkey: str) -> AsyncIterator[Streaming]:
    async with place_of(settings(valkey, "a")) as place, place_of(settings(valkey, "b")) as second:
        session = await place.peer.session(kind="workflow:mine")
        await place.peer.submit(workflow="mine")
        given = (await session.hear("assignment")).assignment
        yield Streaming(place, second.peer, session, given.run_id, given.fence)


async def test_chunks_reach_a_subscriber_of_another_hub_before_the_end(
    streaming: Streaming,
) -> None:
    stream = streaming.follow()
    await stream.read()
    await streaming.stream(1, b'"a"', b'"b"')
    assert flat(await heard(stream, 2)) == [b'"a"', b'"b"']
    await streaming.stream(3, b"[3]")
    await streaming.end()
    assert flat(await heard(stream)) == [b"[3]"]


async def test_who_comes_late_reads_what_is_kept_even_after_the_end(streaming: Streaming) -> None:
    await streaming.stream(1, b"1", b"2")
    await streaming.stream(3, b"3")
    await streaming.end()
    assert flat(await heard(streaming.follow())) == [b"1", b"2", b"3"]
    assert flat(await heard(streaming.follow(f"{streaming.fence}-2"))) == [b"3"]
    # Within a batch too.
    assert flat(await heard(streaming.follow(f"{streaming.fence}-1"))) == [b"2", b"3"]
    assert await heard(streaming.follow(f"{streaming.fence}-3")) == []


async def test_what_pub_sub_lost_is_read_again_before_the_end(
    lost: list[bool], streaming: Streaming
) -> None:
    stream = streaming.follow()
    await streaming.stream(1, b"1")
    assert flat(await heard(stream, 1)) == [b"1"]
    # The first of these is missed at the second, and the last two at the end.
    lost[:] = [True, False, True, True]
    for number in (2, 3):
        await streaming.stream(number, b"%d" % number)
    assert flat(await heard(stream, 3)) == [b"2", b"3"]
    for number in (4, 5):
        await streaming.stream(number, b"%d" % number)
    await streaming.end()
    assert flat(await heard(stream)) == [b"4", b"5"]


async def test_a_second_without_news_is_enough_to_look(
    lost: list[bool], streaming: Streaming
) -> None:
    stream = streaming.follow()
    await streaming.stream(1, b"1")
    await heard(stream, 1)
    lost[:] = [True]
    await streaming.stream(2, b"2")
    assert flat(await heard(stream, 2)) == [b"2"]


async def test_what_was_lost_is_said_by_number(streaming: Streaming) -> None:
    stream = streaming.follow()
    await streaming.stream(1, b"1")
    await streaming.stream(4, b"4")
    await streaming.stream(2, b"2")
    await streaming.stream(5, b"5")
    await streaming.end()
    told = await heard(stream)
    assert [item for item in told if len(item) == 3] == [(2, 3, "relay")]
    assert flat([item for item in told if len(item) == 2]) == [b"1", b"4", b"5"]


async def test_what_is_no_longer_kept_is_said_by_number(streaming: Streaming) -> None:
    for number in range(1, 261):
        await streaming.stream(number, b"%d" % number)
    await streaming.kept(260)
    await streaming.end()
    told = await heard(streaming.follow(f"{streaming.fence}-2"))
    assert told[0] == (3, 4, "slow")
    assert flat(told[1:]) == [b"%d" % number for number in range(5, 261)]


async def test_a_cursor_of_another_run_begins_with_what_is_kept(streaming: Streaming) -> None:
    await streaming.stream(1, b"1")
    await streaming.end()
    assert flat(await heard(streaming.follow("9999999999999999-7"))) == [b"1"]
    assert flat(await heard(streaming.follow("12-7"))) == [b"1"]


@pytest.mark.parametrize("cursor", ["x", "1", "-1", "1-", "1-x", "1-1-1", "9" * 17 + "-1"])
async def test_a_cursor_that_is_none_is_refused(streaming: Streaming, cursor: str) -> None:
    detail = await refused(first_of(streaming.follow(cursor)), "INVALID_ARGUMENT")
    assert detail.field == "ephemeral_cursor"


async def test_another_session_and_an_old_fence_are_heard_by_nobody(streaming: Streaming) -> None:
    foreign = await streaming.place.peer.session(kind="workflow:other")
    await foreign.say(ephemeral=streaming.batch(1, b'"foreign"'))
    old = streaming.batch(1, b'"old"')
    old.fence = "12"
    await streaming.session.say(ephemeral=old)
    unknown = streaming.batch(1, b'"unknown"')
    unknown.run_id = "unknown"
    await streaming.session.say(ephemeral=unknown)
    await streaming.stream(1, b'"mine"')
    await streaming.end()
    assert flat(await heard(streaming.follow())) == [b'"mine"']


BAD: dict[str, Any] = {
    "no item": ({}, "items"),
    "too many items": ({"items": [b"1"] * 257}, "256"),
    "a large item": ({"items": [b'"' + b"x" * 16_384 + b'"']}, "16384"),
    "too much in all": ({"items": [b'"' + b"x" * 16_000 + b'"'] * 5}, "65536"),
    "no number": ({"items": [b"1"], "first": 0}, "from 1"),
    "a large number": ({"items": [b"1"], "first": 2**60}, "from 1"),
    "no JSON": ({"items": [b"{"]}, "JSON"),
    "two values": ({"items": [b'1],["chunk",2']}, "JSON"),
    "no text": ({"items": [b'"\xff"']}, "JSON"),
    "too deep": ({"items": [b"[" * 200 + b"]" * 200]}, "deep"),
    "an unknown type": ({"items": [b"1"], "kind": "status"}, "progress"),
    "a bad run": ({"items": [b"1"], "run_id": "a:b"}, "run_id"),
    "a bad fence": ({"items": [b"1"], "fence": "x"}, "fence"),
}


@pytest.mark.parametrize("name", sorted(BAD))
async def test_a_bad_batch_is_refused_and_the_stream_goes_on(
    streaming: Streaming, name: str
) -> None:
    given, said = BAD[name]
    batch = streaming.batch(
        given.get("first", 1), *given.get("items", ()), kind=given.get("kind", "chunk")
    )
    batch.run_id = given.get("run_id", batch.run_id)
    batch.fence = given.get("fence", batch.fence)
    await streaming.session.say(ephemeral=batch)
    unsupported = (await streaming.session.hear("unsupported")).unsupported
    assert unsupported.what == "ephemeral"
    assert said in unsupported.detail
    await streaming.stream(1, b'"good"')
    await streaming.end()
    assert flat(await heard(streaming.follow())) == [b'"good"']
    assert await streaming.place.check() == []


async def test_no_retry_after_chunk_reaches_the_store(streaming: Streaming) -> None:
    session = await streaming.place.peer.session(kind="workflow:once")
    retry = pb.SubmitWorkflowRequest(
        workflow="once", no_retry_after_chunk=True, retry=common.RetryPolicy(max_attempts=5)
    )
    run = (await streaming.other.calls.SubmitWorkflow(retry)).run.run_id
    given = (await session.hear("assignment")).assignment
    item = common.EphemeralEvents.Item(type="chunk", payload=b"1")
    batch = common.EphemeralEvents(run_id=run, fence=given.fence, first=1, items=[item])
    await session.say(ephemeral=batch)
    error = common.RunError(code=common.ERROR_CODE_HANDLER, type="E", retryable=True)
    await session.say(result=wk.Result(run_id=run, fence=given.fence, error=error, seq=1))
    assert await session.verdicts() == ["OK"]
    assert (await streaming.other.describe(run)).status == common.RUN_STATUS_FAILED


def test_the_queue_of_a_subscriber_that_takes_nothing_is_bounded() -> None:
    woken = asyncio.Event()
    listener = Listener(woken.set)
    for number in range(QUEUE_BATCHES + 1):
        listener.give(Batch("r", "1", 1, number + 1, 1, 10, []))
    assert listener.take() == ([], "slow")
    assert listener.take() == ([], "")
