"""The session's core: assignments, mail, results and stops, without sockets or time."""

from __future__ import annotations

from corral.session.messages import (
    Abandoned,
    FreeEvent,
    Output,
    Start,
    StopRun,
)
from corral_proto.v1 import common_pb2, worker_pb2
from tests.sdk.session_world import World


def test_hello_says_who_it_is_and_that_the_session_is_new() -> None:
    hello = World().hello()
    assert (hello.worker_id, hello.session_id, hello.resume) == ("w", "session-1", False)
    assert hello.protocol == 1


def test_mail_is_acknowledged_soon_unless_a_result_says_that_it_came(world: World) -> None:
    world.assign("a")
    assert not world.said("mail_ack")
    world.pass_time(99)
    (ack,) = world.said("mail_ack")
    assert [(item.run_id, item.fence, item.word) for item in ack.items] == [("a", "1", "run")]
    world.assign("b")
    world.assign("c")
    world.ends("b")
    assert [m.DESCRIPTOR.name for m in world.said()] == ["Result"]
    world.pass_time(99)
    (ack,) = world.said("mail_ack")
    assert [item.run_id for item in ack.items] == ["c"]


def test_who_has_just_come_waits_on_when_another_acknowledgement_is_due(world: World) -> None:
    world.assign("old")
    world.pass_time(30)
    world.assign("young")
    world.assign("old")
    world.pass_time(20)
    (ack,) = world.said("mail_ack")
    assert [item.run_id for item in ack.items] == ["old"]
    world.pass_time(29)
    assert not world.said("mail_ack")
    world.pass_time(1)
    (ack,) = world.said("mail_ack")
    assert [item.run_id for item in ack.items] == ["young"]


def test_an_assignment_that_comes_again_is_acknowledged_but_not_started(world: World) -> None:
    world.assign("a")
    assert len(world.of(Start)) == 1
    world.assign("a")
    assert not world.of(Start)
    world.pass_time(99)
    (ack,) = world.said("mail_ack")
    assert len(ack.items) == 1
    world.assign("a")
    world.pass_time(99)
    assert len(world.said("mail_ack")) == 1


def test_a_result_is_kept_until_it_is_acknowledged_and_sent_again_in_order(world: World) -> None:
    world.assign("a")
    world.emits("a")
    world.ends("a")
    world.cut()
    hello = world.hello()
    assert hello.resume
    assert [(held.run_id, held.stopping) for held in hello.held] == [("a", False)]
    world.welcome(resumed=True)
    event, result = world.said("event", "result")
    assert (event.seq, result.seq) == (1, 2)
    world.ack(1)
    world.cut()
    world.hello()
    world.welcome(resumed=True)
    assert [m.seq for m in world.said("event", "result")] == [2]
    world.ack(2)
    world.cut()
    assert not world.hello().held
    world.welcome(resumed=True)
    assert not world.said()


def test_what_happens_without_a_stream_is_said_on_the_next_one(world: World) -> None:
    world.assign("a")
    world.cut()
    world.ends("a")
    assert not world.said()
    world.welcome(resumed=True)
    assert [m.output for m in world.said("result")] == [b"1"]


def test_a_finished_run_that_is_assigned_again_is_not_started(world: World) -> None:
    world.assign("a")
    world.ends("a")
    world.ack(1)
    world.assign("a")
    assert not world.of(Start)
    assert world.said("stopped")


def test_a_stop_is_answered_only_when_the_handler_has_ended(world: World) -> None:
    world.assign("a")
    world.stop("a")
    assert world.of(StopRun) == [StopRun("a", "1", "cancelled")]
    assert not world.said("stopped")
    world.stop("a")
    assert not world.of(StopRun)
    world.ends("a", Output(b"late"))
    assert not world.said("result")
    assert [m.seq for m in world.said("stopped")] == [1]


def test_a_handler_that_stops_hears_that_its_run_is_gone(world: World) -> None:
    world.assign("a")
    world.stop("a")
    world.cut()
    world.hello()
    world.welcome(drop=["a"])
    assert world.of(StopRun) == [StopRun("a", "1", "lost")]
    world.emits("a")
    world.ack(1, verdict=worker_pb2.REPORT_VERDICT_STALE)
    assert world.of(StopRun) == [StopRun("a", "1", "lost")]


def test_a_stop_for_an_unknown_run_is_answered_and_its_late_assignment_dropped(
    world: World,
) -> None:
    world.stop("a")
    assert [m.run_id for m in world.said("stopped")] == ["a"]
    world.assign("a")
    assert not world.of(Start)
    world.ack(1)
    world.assign("a")
    assert not world.of(Start)
    assert [m.run_id for m in world.said("stopped")] == ["a"]


def test_another_fence_of_a_run_is_another_attempt(world: World) -> None:
    world.assign("a", "1")
    world.assign("a", "2")
    assert len(world.of(Start)) == 1
    world.ends("a", fence="2")
    assert [m.fence for m in world.said("result")] == ["2"]


def test_a_verdict_to_drop_stops_the_handler_and_says_so(world: World) -> None:
    world.assign("a")
    world.cut()
    world.hello()
    world.welcome(drop=["a"])
    assert world.of(StopRun) == [StopRun("a", "1", "lost")]
    world.ends("a", Abandoned())
    assert world.said("stopped")


def test_a_stale_event_stops_the_handler_and_forgets_the_run(world: World) -> None:
    world.assign("a")
    world.emits("a")
    world.ack(1, verdict=worker_pb2.REPORT_VERDICT_STALE)
    assert world.of(StopRun) == [StopRun("a", "1", "lost")]
    assert world.of(FreeEvent)
    world.cut()
    assert not world.hello().held
    world.welcome()
    world.ends("a")
    assert not world.said()


def test_a_refused_event_only_warns(world: World) -> None:
    world.assign("a")
    world.emits("a")
    world.ack(1, verdict=worker_pb2.REPORT_VERDICT_REFUSED)
    assert not world.of(StopRun)
    world.ends("a")
    assert world.said("result")


def test_an_event_that_the_hub_cannot_read_is_not_waited_for(world: World) -> None:
    world.assign("a")
    world.emits("a")
    world.hears(unsupported=worker_pb2.Unsupported(what="event", run_id="a", detail="odd"))
    assert world.of(FreeEvent)
    world.ends("a")
    world.ack(2)
    world.did(world.core.drain(world.now))
    assert world.said("goodbye")


def test_an_output_above_the_limit_is_reported_as_bad(world: World) -> None:
    world.assign("a")
    world.ends("a", Output(b"x" * 101))
    (result,) = world.said("result")
    assert result.error.code == common_pb2.ERROR_CODE_BAD_OUTPUT
    assert "101" in result.error.message
    assert "100" in result.error.message
