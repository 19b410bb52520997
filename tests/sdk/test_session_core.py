"""The session's core: streams, leases, mail and draining, without sockets or time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest

from corral import errors
from corral.session.core import SessionCore
from corral.session.messages import (
    Abandoned,
    Action,
    Connect,
    Declaration,
    Ended,
    Failure,
    FreeEvent,
    HalfClose,
    Hangup,
    Output,
    Send,
    Start,
    StopRun,
)
from corral.session.route import Route
from corral.terms import Backoff
from corral_proto.v1 import common_pb2, worker_pb2


class World:
    """A core, the time, and what it has said on its present stream."""

    def __init__(self, hubs: int = 2) -> None:
        self.now = 0.0
        numbers = count(1)
        self.core = SessionCore(
            Declaration(worker_id="w", instance="instance", sdk="test/1", capabilities=()),
            [f"hub-{n}" for n in range(hubs)],
            Route(hubs, 0, Backoff(jitter=0.0), lambda: 0.0),
            lambda: f"session-{next(numbers)}",
        )
        self.actions: list[Action] = []
        self.did(self.core.begin(0.0))

    def did(self, actions: list[Action]) -> list[Action]:
        self.actions = actions
        return actions

    def said(self, *kinds: str) -> list[Any]:
        """Messages of the last step, those of some kinds."""
        messages = [action.message for action in self.actions if isinstance(action, Send)]
        found = [(m.WhichOneof("message"), m) for m in messages]
        return [getattr(m, kind) for kind, m in found if kind and (not kinds or kind in kinds)]

    def of(self, kind: type[Any]) -> list[Any]:
        return [action for action in self.actions if isinstance(action, kind)]

    def hears(self, **message: Any) -> list[Action]:
        frame = worker_pb2.HubFrame(messages=[worker_pb2.HubMessage(**message)])
        return self.did(self.core.received(self.core.stream, frame, self.now))

    def welcome(self, drop: Iterable[str] = (), resumed: bool = False) -> list[Action]:
        verdicts = [worker_pb2.HeldVerdict(run_id=run, fence="1", keep=False) for run in drop]
        return self.hears(
            welcome=worker_pb2.Welcome(
                hub="h",
                lease_ms=15_000,
                grace_ms=10_000,
                max_payload_bytes=100,
                held=verdicts,
                resumed=resumed,
            )
        )

    def assign(self, run: str, fence: str = "1") -> list[Action]:
        return self.hears(assignment=worker_pb2.Assignment(run_id=run, fence=fence))

    def stop(self, run: str, fence: str = "1") -> list[Action]:
        return self.hears(stop=worker_pb2.Stop(run_id=run, fence=fence, reason="cancelled"))

    def ends(self, run: str, outcome: Any = None, fence: str = "1") -> list[Action]:
        outcome = Output(b"1") if outcome is None else outcome
        return self.did(self.core.handlers_ended([(run, fence, outcome)], self.now))

    def emits(self, run: str) -> list[Action]:
        return self.did(self.core.event_emitted(run, "1", "e", b"null", self.now))

    def ack(self, *seqs: int, verdict: Any = worker_pb2.REPORT_VERDICT_OK) -> list[Action]:
        items = [worker_pb2.ReportAck.Item(seq=seq, verdict=verdict) for seq in seqs]
        return self.hears(report_ack=worker_pb2.ReportAck(items=items))

    def cut(self, code: str = "UNAVAILABLE") -> list[Action]:
        return self.did(self.core.stream_closed(self.core.stream, code, "cut", self.now))

    def reject(self, reason: Any) -> list[Action]:
        return self.hears(reject=worker_pb2.Reject(reason=reason, detail="because"))

    def pass_time(self, ms: float) -> list[Action]:
        self.now += ms
        return self.did(self.core.tick(self.now))

    def hello(self) -> worker_pb2.Hello:
        """The Hello of the last step, waiting for it when it is delayed."""
        for _ in range(20):
            connects = self.of(Connect)
            if connects:
                return connects[-1].hello.hello
            wakeup = self.core.next_wakeup()
            assert wakeup is not None
            self.pass_time(max(0.0, wakeup - self.now))
        raise AssertionError("no stream was opened")


@pytest.fixture
def world() -> World:
    world = World()
    world.welcome()
    return world


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


def test_the_first_hubs_are_tried_at_once_and_then_with_growing_delays(world: World) -> None:
    world.pass_time(5_000)
    hubs: list[int] = []
    delays: list[float] = []
    for _ in range(6):
        before = world.now
        world.cut()
        world.hello()
        hubs.append(world.of(Connect)[0].hub)
        delays.append(world.now - before)
    assert hubs == [1, 0, 1, 0, 1, 0]
    assert delays == [0, 0, 100, 200, 400, 800]


def test_delays_stay_short_while_the_grace_runs_and_grow_afterwards() -> None:
    world = World(hubs=1)
    world.welcome()
    delays: list[float] = []
    for _ in range(20):
        before = world.now
        world.cut()
        world.hello()
        delays.append(world.now - before)
    assert max(delays[:12]) <= 1000
    assert delays[-1] == 5000


def test_words_of_an_older_stream_count_no_more(world: World) -> None:
    old = world.core.stream
    world.cut()
    world.hello()
    frame = worker_pb2.HubFrame(
        messages=[worker_pb2.HubMessage(assignment=worker_pb2.Assignment(run_id="a", fence="1"))]
    )
    assert world.core.received(old, frame, world.now) == []
    assert world.core.stream_closed(old, "UNAVAILABLE", "", world.now) == []


@pytest.mark.parametrize("why", ["silence", "reject"])
def test_the_end_of_a_stream_that_was_hung_up_passes_over_no_hub(world: World, why: str) -> None:
    for _ in range(2):
        world.cut()
    world.hello()
    if why == "silence":
        world.pass_time(7_500)
    else:
        world.reject(worker_pb2.REJECT_REASON_STOPPING)
    assert world.of(Hangup)
    assert world.cut("CANCELLED") == []
    before = world.now
    world.hello()
    assert world.of(Connect)[0].hub == 1
    assert world.now - before == 100


def test_a_hub_that_does_not_welcome_is_left_after_ten_seconds() -> None:
    world = World()
    world.pass_time(9_999)
    assert not world.of(Connect)
    world.pass_time(1)
    assert world.of(Hangup)
    assert world.of(Connect)[0].hub == 1


def test_a_silent_hub_is_left_after_half_a_lease(world: World) -> None:
    world.pass_time(7_000)
    world.hears(ping=worker_pb2.Ping(number=1))
    world.pass_time(7_499)
    assert not world.of(Hangup)
    world.pass_time(1)
    assert world.of(Hangup)
    assert world.of(Connect)[0].hub == 1


def test_a_hub_that_does_not_welcome_is_left_before_the_lease_runs_out(world: World) -> None:
    world.pass_time(7_500)
    assert world.of(Connect)[0].hub == 1
    world.pass_time(7_499)
    assert not world.of(Hangup)
    world.pass_time(1)
    assert world.of(Hangup)


def test_work_that_was_under_way_during_a_stall_of_a_lease_is_not_begun(world: World) -> None:
    world.now += 15_000
    world.assign("a")
    assert not world.of(Start)
    assert world.of(Hangup)
    assert world.of(Connect)[0].hub == 1


def test_reconnect_waits_and_then_moves_without_a_delay(world: World) -> None:
    world.assign("a")
    world.hears(reconnect=worker_pb2.Reconnect(reason="stopping", after_ms=500))
    world.pass_time(499)
    assert not world.of(Hangup)
    world.pass_time(1)
    assert [held.run_id for held in world.hello().held] == ["a"]
    assert not world.of(StopRun)


def test_a_lost_session_gets_a_new_id_and_lists_what_it_holds(world: World) -> None:
    world.assign("a")
    world.reject(worker_pb2.REJECT_REASON_SESSION_LOST)
    hello = world.hello()
    assert (hello.session_id, hello.resume) == ("session-2", False)
    assert [held.run_id for held in hello.held] == ["a"]


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (worker_pb2.REJECT_REASON_SUPERSEDED, errors.SessionSuperseded),
        (worker_pb2.REJECT_REASON_BAD_HELLO, errors.WorkerRejected),
        (worker_pb2.REJECT_REASON_UNSUPPORTED_VERSION, errors.WorkerRejected),
        (worker_pb2.REJECT_REASON_NOT_YOURS, errors.WorkerRejected),
    ],
)
def test_some_rejects_are_final(world: World, reason: Any, error: type[Exception]) -> None:
    world.reject(reason)
    (ended,) = world.of(Ended)
    assert isinstance(ended.error, error)


@pytest.mark.parametrize(
    "reason",
    [
        worker_pb2.REJECT_REASON_UNAVAILABLE,
        worker_pb2.REJECT_REASON_STOPPING,
        worker_pb2.REJECT_REASON_LIMIT,
        worker_pb2.REJECT_REASON_MOVED,
        worker_pb2.REJECT_REASON_PROTOCOL,
        99,
    ],
)
def test_other_rejects_lead_to_another_hub(world: World, reason: Any) -> None:
    world.reject(reason)
    assert not world.of(Ended)
    hello = world.hello()
    assert hello.resume
    assert hello.session_id == "session-1"


def test_a_worker_id_in_use_is_final_only_after_a_minute() -> None:
    world = World(hubs=1)
    while world.now < 60_000:
        world.reject(worker_pb2.REJECT_REASON_WORKER_ID_IN_USE)
        assert not world.of(Ended)
        world.hello()
    world.reject(worker_pb2.REJECT_REASON_WORKER_ID_IN_USE)
    (ended,) = world.of(Ended)
    assert isinstance(ended.error, errors.WorkerIdInUse)


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
def test_a_refused_token_is_final(code: str) -> None:
    world = World()
    world.cut(code)
    assert world.of(Ended)


def test_draining_finishes_reports_and_says_goodbye(world: World) -> None:
    world.assign("a")
    world.did(world.core.drain(world.now))
    assert world.said("draining")
    assert not world.said("goodbye")
    world.assign("b")
    assert not world.of(Start)
    assert [m.run_id for m in world.said("give_back")] == ["b"]
    world.ack(1)
    world.ends("a")
    assert not world.said("goodbye")
    world.ack(2)
    assert world.said("goodbye")
    assert world.of(HalfClose)
    assert not world.of(Ended)
    world.cut("OK")
    assert world.of(Ended) == [Ended(None)]


def test_a_hub_that_ignores_goodbye_is_not_waited_for(world: World) -> None:
    world.did(world.core.drain(world.now))
    assert world.said("goodbye")
    world.pass_time(2_000)
    assert world.of(Ended) == [Ended(None)]


def test_draining_goes_on_over_a_lost_stream(world: World) -> None:
    world.assign("a")
    world.did(world.core.drain(world.now))
    world.cut()
    world.ends("a")
    world.hello()
    world.welcome(resumed=True)
    assert world.said("draining")
    assert world.said("result")
    world.ack(1)
    assert world.said("goodbye")


def test_an_immediate_drain_gives_back_what_is_stopped_and_reports_what_was_done(
    world: World,
) -> None:
    for run in ("a", "b", "c"):
        world.assign(run)
    world.hears(drain=worker_pb2.Drain(immediate=True))
    assert len(world.of(StopRun)) == 3
    world.ends("a", Abandoned())
    assert world.said("give_back")
    world.ends("b", Output(b"2"))
    assert world.said("result")
    world.ends("c", Failure(common_pb2.RunError(message="torn")))
    assert world.said("give_back")
    world.ack(1, 2, 3)
    assert world.said("goodbye")


def test_an_immediate_drain_without_a_hub_ends_in_bounded_time(world: World) -> None:
    world.assign("a")
    world.did(world.core.drain(world.now, immediate=True))
    world.ends("a", Abandoned())
    while not world.of(Ended):
        assert world.now < 10_000
        wakeup = world.core.next_wakeup()
        assert wakeup is not None
        world.pass_time(max(0.0, wakeup - world.now))
        if world.of(Connect) and not world.of(Ended):
            world.cut()
