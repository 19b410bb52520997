"""Sessions that come back with much in hand, and callers who mean no good."""

from __future__ import annotations

import pytest

from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from tests.hub.peers import Peer, Place, hello, place_of, refused, settings

pytestmark = pytest.mark.anyio


async def test_a_session_with_many_runs_in_hand_resumes(place: Place) -> None:
    given = hello(kind="workflow:many", room=1000)
    stream = place.peer.stream()
    await stream.say(hello=given)
    await stream.hear("welcome")
    held: list[wk.Held] = []
    runs = [pb.SubmitWorkflowRequest(workflow="many") for _ in range(300)]
    await place.peer.calls.SubmitWorkflows(pb.SubmitWorkflowsRequest(runs=runs))
    while len(held) < 300:
        work = (await stream.hear("assignment")).assignment
        held.append(wk.Held(run_id=work.run_id, fence=work.fence))
    stream.call.cancel()
    again = wk.Hello()
    again.CopyFrom(given)
    again.resume = True
    again.held.extend(held)
    other = place.peer.stream()
    await other.say(hello=again)
    welcome = (await other.hear("welcome")).welcome
    assert len(welcome.held) == 300
    assert all(one.keep for one in welcome.held)


async def test_a_stranger_cannot_end_a_session_by_its_id(valkey: str) -> None:
    async with place_of(settings(valkey, tokens=("mine", "other")), token="mine") as place:
        given = hello(kind="workflow:guarded")
        stream = place.peer.stream()
        await stream.say(hello=given)
        await stream.hear("welcome")
        async with Peer(place.hub.address, token="other") as stranger:
            thief = stranger.stream()
            await thief.say(hello=hello(kind="workflow:guarded", session_id=given.session_id))
            assert (await thief.rejected()).reason == wk.REJECT_REASON_NOT_YOURS
        run = (await place.peer.submit(workflow="guarded")).run.run_id
        assert (await stream.hear("assignment")).assignment.run_id == run


async def test_a_reason_is_bounded_in_every_call(place: Place) -> None:
    async with place.unchanged():
        for call in (
            place.peer.calls.CancelWorkflow(pb.CancelWorkflowRequest(run_id="r", reason="x" * 257)),
            place.peer.calls.CancelWorkflows(
                pb.CancelWorkflowsRequest(
                    filter=pb.RunFilter(statuses=[common.RUN_STATUS_PENDING]), reason="x" * 257
                )
            ),
        ):
            assert (await refused(call, "INVALID_ARGUMENT")).field == "reason"
