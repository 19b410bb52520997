"""The session's core: which hub it goes to, when it leaves one, and how it drains."""

from __future__ import annotations

from typing import Any

import pytest

from corral import errors
from corral.session.messages import (
    Abandoned,
    Connect,
    Ended,
    Failure,
    HalfClose,
    Hangup,
    Log,
    Output,
    Start,
    StopRun,
)
from corral_proto.v1 import common_pb2, worker_pb2
from tests.sdk.session_world import World


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


def test_the_log_thins_out_and_still_says_why_each_hub_was_left() -> None:
    world = World(hubs=2)
    said: list[list[str]] = []
    for _ in range(64):
        hub = world.core.stream % 2
        world.did(
            world.core.stream_closed(
                world.core.stream, "UNAVAILABLE", "no route" if hub else "stopping", world.now
            )
        )
        said.append([log.text.split(";")[0] for log in world.of(Log)])
        world.hello()
    of_both = [["Left hub-0 (UNAVAILABLE no route)"], ["Left hub-1 (UNAVAILABLE stopping)"]]
    loud = [number for number, texts in enumerate(said) if texts]
    assert loud == [0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33]
    assert [said[number] for number in loud] == of_both * 6


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


@pytest.mark.parametrize("again", [True, False], ids=["a later stream", "the first stream"])
def test_a_welcome_that_was_under_way_during_a_stall_of_a_lease_is_none(again: bool) -> None:
    world = World()
    if again:
        world.welcome()
        world.cut()
        world.pass_time(0)
    world.now += 15_000
    world.welcome(resumed=again)
    assert world.of(Hangup)
    (connect,) = world.of(Connect)
    assert connect.hello.hello.resume is again
    world.assign("a")
    assert not world.of(Start)


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


def logged(world: World) -> list[str]:
    return [log.text for log in world.of(Log)]


def test_draining_finishes_reports_and_says_goodbye(world: World) -> None:
    world.assign("a")
    world.did(world.core.drain(world.now))
    assert logged(world) == ["Draining, as this process wants it: 1 run(s) are finished."]
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
    assert logged(world) == ["Drained."]
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
    world.hears(drain=worker_pb2.Drain())
    by = "Draining, as an operator over hub-0 wants it"
    assert logged(world) == [f"{by}: 3 run(s) are finished."]
    world.hears(drain=worker_pb2.Drain(immediate=True))
    assert logged(world) == [
        "Draining, as an operator over hub-0 wants it: 3 run(s) are given back."
    ]
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
    assert "Ended before a hub took everything back" in logged(world)[-1]
