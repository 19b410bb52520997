"""A session's core without sockets or time, and what tests do to it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

from corral.session.core import SessionCore
from corral.session.messages import (
    Action,
    Connect,
    Declaration,
    Output,
    Send,
)
from corral.session.route import Route
from corral.terms import Backoff
from corral_proto.v1 import worker_pb2


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
