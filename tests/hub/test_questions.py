"""Questions, checkpoints and steps over the wire: what is taken, told, and refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from tests.hub.peers import SECONDS, Peer, Place, Session, place_of, refused, settings

pytestmark = pytest.mark.anyio

SCHEMA = b'{"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}'


@dataclass
class Asking:
    """A session with one run of its own, and a second hub to answer over."""

    place: Place
    other: Peer
    session: Session
    run: str
    fence: str

    def mine(self, kind: Any, **given: Any) -> Any:
        return kind(**{"run_id": self.run, "fence": self.fence, "seq": 1, **given})

    async def ask(self, **given: Any) -> str:
        fields = {"request_id": "q1", "prompt": "Go on?", **given}
        await self.session.say(input_request=self.mine(wk.InputRequest, **fields))
        (verdict,) = await self.session.verdicts()
        return verdict

    async def inputs(self) -> list[pb.ListInputsResponse.Input]:
        reply = await self.other.calls.ListInputs(pb.ListInputsRequest(), timeout=SECONDS)
        return list(reply.inputs)

    def respond(self, response: bytes, **given: Any) -> Any:
        fields: dict[str, Any] = {
            "run_id": self.run,
            "request_id": "q1",
            "response": response,
            **given,
        }
        return self.other.calls.RespondToInput(pb.RespondToInputRequest(**fields), timeout=SECONDS)


@pytest.fixture
async def asking(valkey: str) -> AsyncIterator[Asking]:
    async with place_of(settings(valkey, "a")) as place, place_of(settings(valkey, "b")) as second:
        session = await place.peer.session(kind="workflow:mine")
        await place.peer.submit(workflow="mine")
        given = (await session.hear("assignment")).assignment
        yield Asking(place, second.peer, session, given.run_id, given.fence)


async def test_a_question_is_listed_and_answered_over_another_hub(asking: Asking) -> None:
    assert await asking.ask(schema=SCHEMA, metadata=b'{"ui": 1}', timeout_ms=60_000) == "OK"
    (found,) = await asking.inputs()
    assert (found.run_id, found.request_id, found.prompt) == (asking.run, "q1", "Go on?")
    assert (found.metadata, found.schema) == (b'{"ui": 1}', SCHEMA)
    assert found.due_at_ms - found.asked_at_ms == 60_000
    assert found.status == common.RUN_STATUS_RUNNING
    assert not (await asking.respond(b'{"ok": true}')).deduplicated
    told = (await asking.session.hear("answers")).answers
    assert (told.run_id, told.fence) == (asking.run, asking.fence)
    assert list(told.answers) == [common.InputAnswer(request_id="q1", response=b'{"ok": true}')]
    assert (await asking.respond(b'{"ok": true}')).deduplicated
    assert await asking.inputs() == []


async def test_the_next_attempt_is_told_all_that_the_first_left(asking: Asking) -> None:
    await asking.ask()
    await asking.session.say(checkpoint=asking.mine(wk.Checkpoint, state=b"[1]", seq=2))
    await asking.session.say(step=asking.mine(wk.Step, key="pay", result=b'"done"', seq=3))
    assert await asking.session.verdicts() == ["OK"]
    await asking.respond(b"7")
    await asking.session.say(goodbye=wk.Goodbye())
    session = await asking.other.session(kind="workflow:mine")
    given = (await session.hear("assignment")).assignment
    assert given.checkpoint == b"[1]"
    assert dict(given.steps) == {"pay": b'"done"'}
    assert list(given.answers) == [common.InputAnswer(request_id="q1", response=b"7")]


async def test_a_parked_run_comes_back_when_it_is_answered(asking: Asking) -> None:
    await asking.ask()
    await asking.session.say(park=asking.mine(wk.Park, request_id="q1", seq=2))
    assert await asking.session.verdicts() == ["OK"]
    run = await asking.other.describe(asking.run)
    assert run.status == common.RUN_STATUS_PARKED
    assert [attempt.outcome for attempt in run.attempts] == ["parked"]
    why = await asking.other.calls.ExplainRun(pb.ExplainRunRequest(run_id=asking.run))
    assert why.summary == "it waits for the answer to question 'q1'"
    await asking.respond(b"true")
    again = (await asking.session.hear("assignment")).assignment
    assert (again.attempt, list(again.answers)) == (
        1,
        [common.InputAnswer(request_id="q1", response=b"true")],
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"request_id": ""}, "request_id"),
        ({"request_id": "a b"}, "request_id"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 4097}, "prompt has 4097"),
        ({"metadata": b"{"}, "metadata is no JSON"),
        ({"metadata": b'"' + b"x" * 16_384 + b'"'}, "the limit is 16384"),
        ({"schema": b"{"}, "schema is no JSON"),
        ({"schema": b"[]"}, "object"),
        ({"schema": b'{"type": "number or so"}'}, "no JSON Schema"),
        ({"schema": b'{"$ref": "http://localhost/s.json"}'}, "is not fetched"),
        ({"schema": b'{"pattern": "(?=a)b"}'}, "look-around"),
        ({"timeout_ms": 2**40}, "timeout_ms"),
    ],
)
async def test_a_wrong_question_is_unsupported_and_the_session_lives(
    asking: Asking, given: dict[str, Any], said: str
) -> None:
    fields = {"request_id": "q1", "prompt": "Go on?", **given}
    await asking.session.say(input_request=asking.mine(wk.InputRequest, **fields))
    answer = (await asking.session.hear("unsupported")).unsupported
    assert (answer.what, answer.run_id) == ("input_request", asking.run)
    assert said in answer.detail
    assert await asking.ask() == "OK"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"checkpoint": (wk.Checkpoint, {"state": b"{"})}, "state is no JSON"),
        ({"checkpoint": (wk.Checkpoint, {"state": b"1" * 262_145})}, "the limit is 262144"),
        ({"step": (wk.Step, {"key": "a b", "result": b"1"})}, "key"),
        ({"step": (wk.Step, {"key": "a", "result": b"1" * 65_537})}, "the limit is 65536"),
    ],
)
async def test_a_wrong_state_is_unsupported(
    asking: Asking, message: dict[str, Any], said: str
) -> None:
    ((name, (kind, given)),) = message.items()
    await asking.session.say(**{name: asking.mine(kind, **given)})
    answer = (await asking.session.hear("unsupported")).unsupported
    assert (answer.what, answer.run_id) == (name, asking.run)
    assert said in answer.detail
    assert await asking.ask() == "OK"


@pytest.mark.parametrize(
    ("given", "code", "name", "said"),
    [
        ({"request_id": "q2"}, "NOT_FOUND", "InputNotFound", "no question 'q2'"),
        ({"run_id": "nobody"}, "NOT_FOUND", "RunNotFound", "no run 'nobody'"),
        ({"run_id": "a b"}, "INVALID_ARGUMENT", "InvalidRequest", "run_id"),
        ({"response": b"{"}, "INVALID_ARGUMENT", "InvalidRequest", "response is no JSON"),
        ({"response": b'{"ok": 1}'}, "INVALID_ARGUMENT", "BadAnswer", "['ok']"),
        ({"response": b"7"}, "INVALID_ARGUMENT", "BadAnswer", "the answer"),
        (
            {"response": b'"' + b"x" * 65_536 + b'"'},
            "INVALID_ARGUMENT",
            "PayloadTooLarge",
            "the limit is 65536",
        ),
    ],
)
async def test_a_wrong_answer_is_refused_and_the_question_stays_open(
    asking: Asking, given: dict[str, Any], code: str, name: str, said: str
) -> None:
    await asking.ask(schema=SCHEMA)
    fields: dict[str, Any] = {"response": b'{"ok": true}', **given}
    detail = await refused(asking.respond(fields.pop("response"), **fields), code)
    assert detail.name == name
    assert said in detail.message
    assert len(await asking.inputs()) == 1


async def test_only_the_first_answer_counts_and_none_after_the_end(asking: Asking) -> None:
    await asking.ask()
    await asking.ask(request_id="q2", seq=2)
    await asking.respond(b"1")
    assert (await refused(asking.respond(b"2"), "ALREADY_EXISTS")).name == "AlreadyAnswered"
    await asking.other.calls.CancelWorkflow(pb.CancelWorkflowRequest(run_id=asking.run))
    assert (await asking.respond(b"1")).deduplicated
    late = await refused(asking.respond(b"1", request_id="q2"), "FAILED_PRECONDITION")
    assert late.name == "RunEnded"


@pytest.mark.parametrize("cursor", ["x", "1", "1-2", "a:b", ":q"])
async def test_a_cursor_of_another_listing_is_refused(asking: Asking, cursor: str) -> None:
    call = asking.other.calls.ListInputs(pb.ListInputsRequest(cursor=cursor), timeout=SECONDS)
    assert (await refused(call, "INVALID_ARGUMENT")).field == "cursor"
