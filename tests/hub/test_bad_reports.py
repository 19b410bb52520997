"""What a worker may say wrongly on an open session, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import worker_pb2 as wk
from tests.hub.peers import Place, Session

pytestmark = pytest.mark.anyio

DEEP = b"[" * 200 + b"]" * 200


@dataclass
class Work:
    """A session with one run of its own."""

    place: Place
    session: Session
    run: str
    fence: str

    async def run_now(self) -> common.Run:
        return await self.place.peer.describe(self.run)

    def result(self, **given: Any) -> wk.Result:
        return wk.Result(**{"run_id": self.run, "fence": self.fence, "seq": 1, **given})

    def event(self, **given: Any) -> wk.EventReport:
        fields = {"run_id": self.run, "fence": self.fence, "type": "step", "seq": 1, **given}
        return wk.EventReport(**fields)


@pytest.fixture
async def work(place: Place) -> Work:
    session = await place.peer.session(kind="workflow:mine")
    await place.peer.submit(workflow="mine")
    given = (await session.hear("assignment")).assignment
    item = wk.MailAck.Item(run_id=given.run_id, fence=given.fence, word="run")
    await session.say(mail_ack=wk.MailAck(items=[item]))
    return Work(place, session, given.run_id, given.fence)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"type": "status.completed"}, "event.type"),
        ({"type": ""}, "event.type"),
        ({"type": "a b"}, "event.type"),
        ({"type": "x" * 65}, "event.type"),
        ({"payload": b'"' + b"x" * 65_536 + b'"'}, "the limit is 65536"),
        ({"payload": b"{"}, "event.payload is no JSON"),
        ({"payload": b"\xff"}, "event.payload is no JSON"),
        ({"payload": DEEP}, "nested"),
    ],
)
async def test_a_wrong_event_is_unsupported_and_the_session_lives(
    work: Work, given: dict[str, Any], said: str
) -> None:
    async with work.place.unchanged():
        await work.session.say(event=work.event(**given))
        answer = (await work.session.hear("unsupported")).unsupported
        assert (answer.what, answer.run_id) == ("event", work.run)
        assert said in answer.detail
        assert (await work.run_now()).last_event == 2
    await work.session.frame(
        wk.WorkerMessage(event=work.event(payload=b"1")),
        wk.WorkerMessage(result=work.result(output=b'"well"', seq=2)),
    )
    assert await work.session.verdicts() == ["OK", "OK"]
    run = await work.run_now()
    assert (run.output, run.last_event) == (b'"well"', 4)


async def test_a_message_that_is_none_is_answered(work: Work) -> None:
    async with work.place.unchanged():
        await work.session.say()
        answer = (await work.session.hear("unsupported")).unsupported
        assert answer.what == "unknown message"
        assert "no effect" in answer.detail


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (b"{", "output is no JSON"),
        (b"\xff", "output is no JSON"),
        (DEEP, "nested"),
        (b'"' + b"x" * 5000 + b'"', "the limit is 4096"),
    ],
)
async def test_an_output_that_cannot_be_kept_fails_the_run(
    work: Work, output: bytes, said: str
) -> None:
    await work.session.say(result=work.result(output=output))
    assert await work.session.verdicts() == ["OK"]
    run = await work.run_now()
    assert run.status == common.RUN_STATUS_FAILED
    assert run.error.code == common.ERROR_CODE_BAD_OUTPUT
    assert said in run.error.message
    assert await work.place.check() == []
    await work.place.prove_healthy()


async def test_an_error_with_odd_details_is_kept_all_the_same(work: Work) -> None:
    error = common.RunError(
        code=99,
        type="T" * 500,
        message="m" * 9000,
        details=b"{",
    )
    await work.session.say(result=work.result(error=error))
    assert await work.session.verdicts() == ["OK"]
    kept = (await work.run_now()).error
    assert kept.code == common.ERROR_CODE_UNSPECIFIED
    assert (len(kept.type), len(kept.message)) == (128, 4096)
    assert b"no JSON" in kept.details


async def test_an_old_fence_is_stale_and_changes_nothing(work: Work) -> None:
    before = await work.run_now()
    old = str(int(work.fence) - 1)
    await work.session.frame(
        wk.WorkerMessage(event=work.event(fence=old, seq=1)),
        wk.WorkerMessage(result=work.result(fence=old, output=b"1", seq=2)),
        wk.WorkerMessage(
            give_back=wk.GiveBack(run_id=work.run, fence=old, reason="x" * 999, seq=3)
        ),
        wk.WorkerMessage(result=work.result(run_id="gone", output=b"1", seq=4)),
    )
    assert await work.session.verdicts() == ["STALE", "STALE", "STALE", "UNKNOWN"]
    assert await work.run_now() == before
    assert await work.place.check() == []
    await work.session.say(result=work.result(output=b"1", seq=5))
    assert await work.session.verdicts() == ["OK"]
    await work.session.say(result=work.result(output=b"2", seq=6))
    await work.session.verdicts()
    assert (await work.run_now()).output == b"1"
    await work.place.prove_healthy()


async def test_a_run_of_another_session_is_stale(work: Work) -> None:
    other = await work.place.peer.session(kind="workflow:other")
    before = await work.run_now()
    await other.say(result=work.result(output=b"1"))
    assert await other.verdicts() == ["STALE"]
    assert await work.run_now() == before
    assert await work.place.check() == []


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"result": wk.Result(run_id="a b", fence="1", output=b"1")}, "run_id"),
        ({"result": wk.Result(run_id="r", fence="one", output=b"1")}, "fence 'one' is none"),
        ({"stopped": wk.Stopped(run_id="r", fence="")}, "fence '' is none"),
        ({"update": wk.Update(resident=[common.ResidentModel(name="")])}, "resident.name"),
    ],
)
async def test_a_report_that_names_nothing_ends_that_stream_alone(
    work: Work, message: dict[str, Any], said: str
) -> None:
    async with work.place.unchanged():
        await work.session.say(**message)
        reject = await work.session.rejected()
        assert reject.reason == wk.REJECT_REASON_PROTOCOL
        assert said in reject.detail


async def test_what_nests_as_deep_as_it_may_travels_all_the_way(work: Work) -> None:
    deep = b"[" * 128 + b"]" * 128
    await work.session.frame(
        wk.WorkerMessage(event=work.event(payload=deep)),
        wk.WorkerMessage(result=work.result(output=deep, seq=2)),
    )
    assert await work.session.verdicts() == ["OK", "OK"]
    run = await work.place.peer.submit(workflow="mine", input=deep)
    assert (await work.session.hear("assignment")).assignment.input == deep
    assert (await work.place.peer.describe(run.run.run_id)).input == deep
    assert (await work.run_now()).output == deep
