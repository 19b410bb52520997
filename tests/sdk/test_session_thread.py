"""The session's threads: who treats what a hub says, and what a hub that takes nothing is sent."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from corral.addresses import parse_address
from corral.errors import SessionSuperseded
from corral.session.core import SessionCore
from corral.session.messages import Declaration
from corral.session.route import Route
from corral.session.stream import OnFrame
from corral.session.thread import MESSAGES_ON_THEIR_WAY, SessionThread
from corral.terms import Backoff
from corral_proto.v1 import worker_pb2

PART = b'"' + b"x" * 5_000 + b'"'


class Deaf:
    """A stream of a hub that takes what it was sent only when the test says so."""

    def __init__(self) -> None:
        self.sent: list[list[worker_pb2.WorkerMessage]] = []
        self.waiting = 0
        self.told = threading.Condition()

    def send(self, messages: Sequence[worker_pb2.WorkerMessage]) -> None:
        with self.told:
            self.waiting += len(messages)
            self.sent.append(list(messages))
            self.told.notify_all()

    def half_close(self) -> None:
        pass

    def hang_up(self) -> None:
        pass

    @property
    def kinds(self) -> list[str]:
        return [str(m.WhichOneof("message")) for messages in self.sent for m in messages]


class Holding:
    """What runs handlers; `connected` holds the session's thread, so that things come together."""

    def __init__(self) -> None:
        self.reached, self.release = threading.Event(), threading.Event()
        self.over = threading.Event()
        self.drain_began: Callable[[], None] = lambda: None
        # Runs in the order in which they were to start, and by which thread.
        self.started: dict[str, threading.Thread] = {}
        self.error: Exception | None = None

    def start(self, assignment: worker_pb2.Assignment) -> None:
        if assignment.run_id == "bad":
            raise ZeroDivisionError
        self.started[assignment.run_id] = threading.current_thread()

    def ended(self, error: Exception | None) -> None:
        self.error = error
        self.over.set()

    def connected(self, hub: str) -> None:
        self.reached.set()
        assert self.release.wait(10)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *said: None


class Scene:
    """A thread whose session was just welcomed, and who is held."""

    def __init__(self) -> None:
        self.stream, self.host = Deaf(), Holding()
        core = SessionCore(
            Declaration(worker_id="w", instance="i", sdk="test/1", capabilities=()),
            ["hub"],
            Route(1, 0, Backoff(jitter=0.0), lambda: 0.0),
            lambda: "session",
        )
        host: Any = self.host
        self.thread = SessionThread(
            core, (parse_address("127.0.0.1:1"),), (), host, dial=self._dial
        )
        self.thread.start()
        assert self.host.reached.wait(10)

    def bring(self, **said: Any) -> None:
        """A frame with one message comes, on the thread of the test."""
        messages = [worker_pb2.HubMessage(**said)]
        self.on_frame(self.number, worker_pb2.HubFrame(messages=messages))

    def assign(self, run_id: str) -> None:
        self.bring(assignment=worker_pb2.Assignment(run_id=run_id, fence="1"))

    def assign_until_treated_here(self) -> None:
        """Assigns runs until the session's thread is not at it just then, so that this one is."""
        until = time.monotonic() + 10
        for number in itertools.count():
            # It has just been woken by the last one.
            time.sleep(0.01)
            self.assign(f"here{number}")
            if self.host.started.get(f"here{number}") is threading.current_thread():
                return
            assert time.monotonic() < until

    def _dial(self, number: int, *rest: Any) -> Deaf:
        on_frame: OnFrame = rest[3]
        self.number, self.on_frame = number, on_frame
        welcome = worker_pb2.Welcome(
            hub="h", lease_ms=15_000, grace_ms=10_000, max_payload_bytes=100_000
        )
        assignment = worker_pb2.Assignment(run_id="r", fence="1")
        for message in (
            worker_pb2.HubMessage(welcome=welcome),
            worker_pb2.HubMessage(assignment=assignment),
        ):
            on_frame(number, worker_pb2.HubFrame(messages=[message]))
        return self.stream

    def rest(self) -> None:
        """Returns when nothing is left to do for the session's thread, for seconds."""
        self.host.release.set()
        self.until(lambda: "mail_ack" in self.stream.kinds)
        # It waits a moment after it has sent that.
        time.sleep(0.1)

    def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Waits until the stream was sent what makes it true."""
        with self.stream.told:
            assert self.stream.told.wait_for(condition, seconds)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.host.release.set()
    scene.thread.close()


def test_what_a_hub_says_is_treated_by_the_thread_that_brings_it(scene: Scene) -> None:
    scene.host.release.set()
    scene.assign_until_treated_here()


def test_what_comes_while_another_is_at_it_waits_and_keeps_its_order(scene: Scene) -> None:
    # The session's thread is held: who brings something is not.
    runs = [f"r{number}" for number in range(20)]
    for run in runs:
        scene.assign(run)
    assert not scene.host.started
    scene.host.release.set()
    scene.assign_until_treated_here()
    started = [run for run in scene.host.started if not run.startswith("here")]
    assert started == ["r", *runs]


def test_what_is_due_earlier_wakes_the_thread_that_waits(scene: Scene) -> None:
    scene.rest()
    seen = len(scene.stream.kinds)
    scene.assign("alone")
    # An acknowledgement goes by itself after a moment; nothing else is due for seconds.
    assert scene.host.started["alone"] is threading.current_thread()
    scene.until(lambda: "mail_ack" in scene.stream.kinds[seen:], 3)


def test_what_is_answered_is_sent_by_who_treats_it(scene: Scene) -> None:
    scene.rest()
    scene.bring(ping=worker_pb2.Ping(number=1))
    assert scene.stream.kinds[-1] == "pong"


def test_an_error_on_the_thread_that_brings_something_ends_the_session(scene: Scene) -> None:
    scene.host.release.set()
    scene.assign_until_treated_here()
    scene.assign("bad")
    assert scene.host.over.wait(10)
    assert isinstance(scene.host.error, ZeroDivisionError)
    scene.thread.close()
    before = list(scene.host.started)
    scene.assign("late")
    assert list(scene.host.started) == before


def test_the_end_that_a_hub_says_ends_the_thread(scene: Scene) -> None:
    scene.rest()
    scene.bring(reject=worker_pb2.Reject(reason=worker_pb2.REJECT_REASON_SUPERSEDED))
    assert scene.host.over.wait(10)
    assert isinstance(scene.host.error, SessionSuperseded)
    for thread in threading.enumerate():
        if thread.name == "corral-session":
            thread.join(3)
            assert not thread.is_alive()


def test_nothing_is_treated_behind_the_end(scene: Scene) -> None:
    scene.host.release.set()
    scene.assign_until_treated_here()
    scene.thread.close()
    scene.assign("late")
    assert "late" not in scene.host.started


def test_what_the_hub_has_not_taken_holds_parts_back_and_no_event(scene: Scene) -> None:
    scene.host.release.set()
    scene.stream.waiting = MESSAGES_ON_THEIR_WAY
    scene.thread.spool("r", "1").put_sync(PART)
    scene.thread.say_event("r", "1", "e", b"null")
    scene.until(lambda: "event" in scene.stream.kinds)
    assert "ephemeral" not in scene.stream.kinds
    scene.stream.waiting = 0
    scene.until(lambda: "ephemeral" in scene.stream.kinds)


def test_what_is_not_handed_over_yet_counts_as_not_taken(scene: Scene) -> None:
    for _ in range(MESSAGES_ON_THEIR_WAY):
        scene.thread.say_event("r", "1", "e", b"null")
    # Said in the turn in which the events are, behind them.
    scene.host.drain_began = lambda: scene.thread.spool("r", "1").put_sync(PART)
    scene.thread.drain(immediate=False)
    scene.host.release.set()
    scene.until(lambda: scene.stream.kinds.count("event") == MESSAGES_ON_THEIR_WAY)
    assert "ephemeral" not in scene.stream.kinds
    scene.stream.waiting = 0
    scene.until(lambda: "ephemeral" in scene.stream.kinds)
