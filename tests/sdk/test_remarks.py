"""What handlers ask and want kept, in the session's core: verdicts, answers, parking."""

from __future__ import annotations

from typing import Any

import pytest

from corral.session.messages import Abandoned, Action, Answered, Output, Park, Remark, StopRun, Told
from corral_proto.v1 import common_pb2, worker_pb2
from tests.sdk.session_world import World

STALE = worker_pb2.REPORT_VERDICT_STALE
REFUSED = worker_pb2.REPORT_VERDICT_REFUSED
FINAL = worker_pb2.REPORT_VERDICT_ALREADY_FINAL
ANSWER = common_pb2.InputAnswer(request_id="q", response=b"1")


def question() -> worker_pb2.InputRequest:
    return worker_pb2.InputRequest(request_id="q", prompt="?")


def checkpoint() -> worker_pb2.Checkpoint:
    return worker_pb2.Checkpoint(state=b"1")


def step() -> worker_pb2.Step:
    return worker_pb2.Step(key="s", result=b"1")


class Saying(World):
    """A welcomed worker with run `r`, which says things."""

    def __init__(self) -> None:
        super().__init__()
        self.welcome()
        self.assign("r")

    def says(self, saying: Any, ticket: int = 1, run: str = "r") -> list[Action]:
        return self.did(self.core.remarked(run, "1", Remark(ticket, saying), self.now))

    def answers(self, *answers: common_pb2.InputAnswer, word: str = "answer:1") -> list[Action]:
        return self.hears(
            answers=worker_pb2.InputAnswers(run_id="r", fence="1", answers=answers, word=word)
        )

    def told(self) -> list[tuple[int, str]]:
        return [(told.ticket, told.word) for told in self.of(Told)]


@pytest.fixture
def world() -> Saying:
    return Saying()


@pytest.mark.parametrize(
    ("saying", "kind"),
    [(question(), "input_request"), (checkpoint(), "checkpoint"), (step(), "step")],
)
def test_a_remark_is_a_report_and_its_verdict_goes_to_who_waits(
    world: Saying, saying: Any, kind: str
) -> None:
    world.says(saying, ticket=7)
    (said,) = world.said(kind)
    assert (said.run_id, said.fence, said.seq) == ("r", "1", 1)
    assert not world.told()
    world.ack(1)
    assert world.told() == [(7, "kept")]
    world.ack(1)
    assert not world.told()


def test_remarks_keep_their_order_among_all_that_is_said(world: Saying) -> None:
    world.says(step())
    world.emits("r")
    world.says(checkpoint())
    world.ends("r")
    world.cut()
    assert [(held.run_id, held.fence) for held in world.hello().held] == [("r", "1")]
    world.welcome(resumed=True)
    assert [m.DESCRIPTOR.name for m in world.said()] == [
        "Step", "EventReport", "Checkpoint", "Result",
    ]  # fmt: skip
    assert [m.seq for m in world.said()] == [1, 2, 3, 4]


def test_a_refused_remark_is_told_with_the_limit(world: Saying) -> None:
    world.core.stream_closed(world.core.stream, "UNAVAILABLE", "", 0.0)
    world.hears(welcome=worker_pb2.Welcome(hub="h", lease_ms=15_000, max_state_bytes=99))
    world.says(step())
    world.ack(1, verdict=REFUSED)
    (told,) = world.of(Told)
    assert (told.word, told.limit) == ("refused", 99)


def test_a_remark_that_a_hub_cannot_read_is_told_and_said_no_more(world: Saying) -> None:
    world.says(question())
    world.says(step(), ticket=2)
    world.hears(
        unsupported=worker_pb2.Unsupported(what="input_request", run_id="r", detail="bad schema")
    )
    (told,) = world.of(Told)
    assert (told.ticket, told.word, told.detail) == (1, "unsupported", "bad schema")
    world.cut()
    world.hello()
    world.welcome(resumed=True)
    assert [m.DESCRIPTOR.name for m in world.said()] == ["Step"]


@pytest.mark.parametrize(("verdict", "reason"), [(STALE, "lost"), (FINAL, "ended")])
def test_a_remark_for_a_run_that_is_another_ones_ends_the_handler(
    world: Saying, verdict: Any, reason: str
) -> None:
    world.says(checkpoint())
    world.ack(1, verdict=verdict)
    assert world.told() == [(1, "over")]
    assert world.of(StopRun) == [StopRun("r", "1", reason)]


def test_a_remark_for_an_attempt_that_is_not_here_is_over(world: Saying) -> None:
    world.says(step(), run="other")
    assert world.told() == [(1, "over")]
    assert not world.said()


def test_answers_are_acknowledged_by_their_word_and_handed_on(world: Saying) -> None:
    world.pass_time(50)
    world.answers(ANSWER, word="answer:3")
    assert world.of(Answered) == [Answered("r", "1", [ANSWER])]
    world.pass_time(50)
    (ack,) = world.said("mail_ack")
    assert [(item.run_id, item.fence, item.word) for item in ack.items] == [("r", "1", "answer:3")]


def test_what_has_no_answer_is_asked_again_on_every_stream(world: Saying) -> None:
    world.says(question())
    world.ack(1)
    for stream in (1, 2):
        world.cut()
        world.hello()
        world.welcome(resumed=True)
        (again,) = world.said("input_request")
        assert (again.request_id, again.seq) == ("q", 1 + stream)
        world.ack(again.seq)
    world.answers(ANSWER)
    world.cut()
    world.hello()
    world.welcome(resumed=True)
    assert not world.said("input_request")


def test_a_question_that_no_hub_has_taken_is_said_once_on_every_stream(world: Saying) -> None:
    world.says(question())
    for _ in range(3):
        world.cut()
        world.hello()
        world.welcome(resumed=True)
        assert [asked.seq for asked in world.said("input_request")] == [1]


def test_a_handler_that_parks_reports_it_and_is_held_until_that_is_stored(world: Saying) -> None:
    world.ends("r", Park("q"))
    (park,) = world.said("park")
    assert (park.run_id, park.fence, park.request_id, park.seq) == ("r", "1", "q", 1)
    world.cut()
    assert len(world.hello().held) == 1
    world.welcome(resumed=True)
    assert len(world.said("park")) == 1
    world.ack(1)
    world.cut()
    assert not world.hello().held


def test_a_run_that_parked_may_come_back_to_the_same_worker(world: Saying) -> None:
    world.ends("r", Park("q"))
    world.ack(1)
    world.assign("r", "2")
    world.ends("r", Output(b"1"), fence="2")
    (result,) = world.said("result")
    assert result.fence == "2"


def test_a_stop_wins_over_parking(world: Saying) -> None:
    world.stop("r")
    world.ends("r", Park("q"))
    assert [m.DESCRIPTOR.name for m in world.said()] == ["Stopped"]


def test_a_worker_that_gives_back_gives_back_what_parks(world: Saying) -> None:
    world.did(world.core.drain(world.now, immediate=True))
    world.ends("r", Park("q"))
    assert [m.DESCRIPTOR.name for m in world.said()][:1] == ["GiveBack"]


def test_what_is_kept_while_it_is_given_back_goes_first(world: Saying) -> None:
    world.did(world.core.drain(world.now, immediate=True))
    world.says(checkpoint())
    assert world.said("checkpoint")
    world.ends("r", Abandoned())
    assert [m.seq for m in world.said("give_back")] == [2]


def test_a_hub_that_does_not_park_fails_the_run_with_the_reason(world: Saying) -> None:
    world.ends("r", Park("q"))
    world.hears(unsupported=worker_pb2.Unsupported(what="park", run_id="r", detail="too old"))
    (result,) = world.said("result")
    assert result.error.type == "NotImplementedByHub"
    assert "too old" in result.error.message
