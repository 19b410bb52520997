"""Streams that begin wrongly: each is refused with a reason, and opens no session."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest

from corral_hub.hub import Hub
from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import worker_pb2 as wk
from tests.hub.peers import (
    NO_PROXY,
    Peer,
    Place,
    Session,
    first_of,
    hello,
    place_of,
    settings,
    status_of,
)

pytestmark = pytest.mark.anyio

Admission = common.Admission
Cap = common.Capability
Budget = Admission.VramBudget


def admission(**mode: Any) -> dict[str, Any]:
    return {"admission": Admission(**mode)}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"worker_id": ""}, "worker_id"),
    ({"worker_id": "a b"}, "worker_id"),
    ({"worker_id": "x" * 129}, "worker_id"),
    ({"instance": "short"}, "instance"),
    ({"instance": "x" * 65}, "instance"),
    ({"session_id": ""}, "session_id"),
    ({"session_id": "with/slash"}, "session_id"),
    ({"capabilities": []}, "capabilities"),
    ({"capabilities": [Cap(kind=f"k{n}") for n in range(65)]}, "capabilities"),
    ({"capabilities": [Cap(kind="a b")]}, "capabilities.kind"),
    ({"capabilities": [Cap(kind="a", version=1_000_001)]}, "capabilities.version"),
    ({"tags": ["gpu"]}, "tags"),
    ({"tags": [f"k{n}=v" for n in range(33)]}, "tags"),
    ({"labels": {"a b": "v"}}, "labels"),
    ({"labels": {f"k{n}": "v" for n in range(33)}}, "labels"),
    ({"taints": [common.Taint(key="")]}, "taints"),
    ({"taints": [common.Taint(key="k")] * 17}, "taints"),
    (admission(fixed=Admission.Fixed(max_in_flight=0)), "admission.fixed.max_in_flight"),
    (admission(fixed=Admission.Fixed(max_in_flight=100_001)), "admission.fixed.max_in_flight"),
    (admission(vram_budget=Budget()), "admission.vram_budget.device_mb"),
    (admission(vram_budget=Budget(device_mb=[0])), "admission.vram_budget.device_mb"),
    (admission(vram_budget=Budget(device_mb=[1] * 65)), "admission.vram_budget.device_mb"),
    (admission(reactive=Admission.Reactive(max_offers=5)), "admission.reactive"),
    ({"resident": [common.ResidentModel(name="")]}, "resident.name"),
    ({"resident": [common.ResidentModel(name="m")] * 65}, "resident"),
    ({"held": [wk.Held(run_id="a b", fence="1")]}, "held.run_id"),
    ({"held": [wk.Held(run_id="r", fence="x")]}, "fence"),
    ({"held": [wk.Held(run_id="r", fence="9" * 17)]}, "fence"),
]


async def test_a_wrong_field_of_hello_is_named(place: Place) -> None:
    async with place.unchanged():
        for fields, field in WRONG:
            stream = place.peer.stream()
            await stream.say(hello=hello(**fields))
            reject = await stream.rejected()
            assert reject.reason == wk.REJECT_REASON_BAD_HELLO, reject
            assert reject.field.startswith(field), reject
            assert reject.detail


@pytest.mark.parametrize("protocol", [0, 2, 2**32 - 1])
async def test_a_protocol_that_is_not_spoken_is_named(place: Place, protocol: int) -> None:
    async with place.unchanged():
        stream = place.peer.stream()
        await stream.say(hello=hello(protocol=protocol))
        reject = await stream.rejected()
        assert (reject.reason, reject.field) == (
            wk.REJECT_REASON_UNSUPPORTED_VERSION, "protocol",
        )  # fmt: skip
        assert f"protocol {protocol} is not spoken here, 1 is" in reject.detail


async def protocol_error(stream: Session) -> str:
    reject = await stream.rejected()
    assert reject.reason == wk.REJECT_REASON_PROTOCOL
    return reject.detail


async def test_the_first_message_must_be_hello(place: Place) -> None:
    async with place.unchanged():
        for message in (
            {"pong": wk.Pong(number=1)},
            {"result": wk.Result(run_id="r", fence="1", output=b"1")},
            {"goodbye": wk.Goodbye()},
        ):
            stream = place.peer.stream()
            await stream.say(**message)
            assert "first message of a stream must be Hello" in await protocol_error(stream)


async def test_hello_comes_once(place: Place) -> None:
    first = hello()
    async with place.unchanged():
        stream = place.peer.stream()
        await stream.frame(wk.WorkerMessage(hello=first), wk.WorkerMessage(hello=first))
        assert "Hello came twice" in await protocol_error(stream)
    session = await place.peer.session()
    await session.say(hello=first)
    assert "Hello came twice" in await protocol_error(session)
    await place.prove_healthy()


async def test_a_session_whose_hello_came_twice_can_come_back(place: Place) -> None:
    mine = hello()
    stream = place.peer.stream()
    await stream.frame(wk.WorkerMessage(hello=mine), wk.WorkerMessage(hello=mine))
    await protocol_error(stream)
    stream = place.peer.stream()
    await stream.say(hello=mine)
    assert (await stream.hear("welcome")).welcome.stream == 1


async def test_bytes_that_are_no_frame_end_that_stream_alone(place: Place) -> None:
    async with place.unchanged(), grpc.aio.insecure_channel(place.hub.address, NO_PROXY) as channel:
        call = channel.stream_stream(
            "/corral.v1.Worker/Session", response_deserializer=wk.HubFrame.FromString
        )()
        await call.write(b"\x0a\xff\xff")
        assert "are no corral.v1.WorkerFrame" in await protocol_error(Session(call))


async def test_a_frame_above_4_mib_ends_that_stream_alone(place: Place) -> None:
    session = await place.peer.session()
    async with place.unchanged():
        await session.say(result=wk.Result(run_id="r", fence="1", output=b"x" * 4_200_000))
        assert (await status_of(first_of_all(session))).code() in (
            grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED,
        )  # fmt: skip


async def first_of_all(session: Session) -> None:
    while await first_of(session.call) is not grpc.aio.EOF:
        pass


async def test_a_stream_that_closes_without_a_word_opens_nothing(place: Place) -> None:
    async with place.unchanged():
        stream = place.peer.stream()
        await stream.call.done_writing()
        assert await stream.call.read() is grpc.aio.EOF


async def test_a_worker_id_in_use_is_refused_and_its_owner_lives(place: Place) -> None:
    owner = await place.peer.session(kind="workflow:mine", worker_id="only-one")
    async with place.unchanged():
        stream = place.peer.stream()
        await stream.say(hello=hello(worker_id="only-one"))
        reject = await stream.rejected()
        assert (reject.reason, reject.field) == (
            wk.REJECT_REASON_WORKER_ID_IN_USE, "worker_id",
        )  # fmt: skip
    await place.peer.submit(workflow="mine", run_id="r")
    assert (await owner.hear("assignment")).assignment.run_id == "r"


async def test_a_session_belongs_to_its_token(valkey: str) -> None:
    config = settings(valkey, tokens=("one", "two"))
    async with place_of(config, token="one") as place, Peer(place.hub.address, token="two") as two:
        mine = hello(kind="workflow:mine")
        owner = place.peer.stream()
        await owner.say(hello=mine)
        await owner.hear("welcome")
        run = (await place.peer.submit(workflow="mine")).run
        async with place.unchanged():
            thief = two.stream()
            mine.resume = True
            stolen = wk.Result(run_id=run.run_id, fence=run.fence, output=b'"stolen"', seq=1)
            # A result in the frame of the Hello counts no more than the Hello does.
            await thief.frame(wk.WorkerMessage(hello=mine), wk.WorkerMessage(result=stolen))
            assert (await thief.rejected()).reason == wk.REJECT_REASON_NOT_YOURS
        assert (await place.peer.describe(run.run_id)).status == common.RUN_STATUS_RUNNING


async def test_an_older_stream_changes_nothing(place: Place) -> None:
    mine = hello(kind="workflow:mine")
    older = place.peer.stream()
    await older.say(hello=mine)
    await older.hear("welcome")
    run = (await place.peer.submit(workflow="mine")).run
    fence = (await older.hear("assignment")).assignment.fence
    async with place.unchanged():
        mine.resume = True
        mine.held.add(run_id=run.run_id, fence=fence)
        newer = place.peer.stream()
        await newer.say(hello=mine)
        welcome = (await newer.hear("welcome")).welcome
        assert (welcome.stream, welcome.resumed) == (2, True)
        assert [(h.run_id, h.keep) for h in welcome.held] == [(run.run_id, True)]
        assert (await older.rejected()).reason == wk.REJECT_REASON_MOVED
    await newer.say(result=wk.Result(run_id=run.run_id, fence=fence, output=b"1", seq=1))
    assert await newer.verdicts() == ["OK"]


async def test_an_older_stream_on_another_hub_changes_nothing(place: Place, valkey: str) -> None:
    mine = hello(kind="workflow:mine")
    async with Hub(settings(valkey, "b")) as hub, Peer(hub.address) as other:
        older = place.peer.stream()
        await older.say(hello=mine)
        await older.hear("welcome")
        mine.resume = True
        newer = other.stream()
        await newer.say(hello=mine)
        await newer.hear("welcome")
        async with place.unchanged():
            assert (await older.rejected()).reason == wk.REJECT_REASON_MOVED
        await place.peer.submit(workflow="mine", run_id="r")
        assert (await newer.hear("assignment")).assignment.run_id == "r"
