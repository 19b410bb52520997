"""The session's thread: what it hands over to a hub that takes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from corral.addresses import parse_address
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
        self.drain_began: Callable[[], None] = lambda: None

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

    def _dial(self, number: int, *rest: Any) -> Deaf:
        on_frame: OnFrame = rest[3]
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

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the stream was sent what makes it true."""
        with self.stream.told:
            assert self.stream.told.wait_for(condition, 10)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.host.release.set()
    scene.thread.close()


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
