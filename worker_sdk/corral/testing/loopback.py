"""A hub in memory with one run: the session protocol without a network.

Welcomes a worker, gives it one assignment, acknowledges what it says, and lets it go when the
attempt has ended. Keeps nothing: who listens decides what a report means.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from corral.addresses import Address
from corral.channel import Metadata
from corral.session.stream import OnClosed, OnFrame
from corral.terms import Fixed
from corral.testing.watched import WatchedHandler
from corral.worker import Worker
from corral_proto.v1 import worker_pb2

NAME = "loopback"
MAX_PAYLOAD_BYTES = 1_048_576
# What is acknowledged by its number.
REPORTS = frozenset(
    {
        "event",
        "result",
        "stopped",
        "give_back",
        "claim",
        "decline",
        "input_request",
        "checkpoint",
        "step",
        "park",
    }
)
ENDS = frozenset({"result", "stopped", "give_back", "park"})

# Takes what the worker says. Gives false for a report that is refused.
Listener = Callable[[str, Any], bool]


class LoopbackHub:
    """The hub of one attempt; `dial` makes the stream to it.

    `listener` is called on the session's thread with the name and the body of each message.
    """

    def __init__(
        self, assignment: worker_pb2.Assignment, listener: Listener, max_state_bytes: int
    ) -> None:
        self._assignment = assignment
        self._listener = listener
        self._max_state_bytes = max_state_bytes
        self._session_id = ""
        self._stream = 0
        self._on_frame: OnFrame | None = None
        self._on_closed: OnClosed | None = None
        # What is said before there is a stream.
        self._waiting: list[worker_pb2.HubMessage] = []

    def dial(
        self,
        number: int,
        address: Address,
        metadata: Metadata,
        hello: worker_pb2.WorkerMessage,
        on_frame: OnFrame,
        on_closed: OnClosed,
    ) -> LoopbackHub:
        """Opens the stream and gives the assignment, with what was said before."""
        self._session_id, self._stream = hello.hello.session_id, number
        self._on_frame, self._on_closed = on_frame, on_closed
        welcome = worker_pb2.Welcome(
            session_id=self._session_id,
            stream=number,
            hub=NAME,
            max_payload_bytes=MAX_PAYLOAD_BYTES,
            max_state_bytes=self._max_state_bytes,
            held=[
                worker_pb2.HeldVerdict(run_id=held.run_id, fence=held.fence, keep=True)
                for held in hello.hello.held
            ],
        )
        waiting, self._waiting = self._waiting, []
        self.say(
            worker_pb2.HubMessage(welcome=welcome),
            worker_pb2.HubMessage(assignment=self._assignment),
            *waiting,
        )
        return self

    @property
    def waiting(self) -> int:
        """Nothing ever waits."""
        return 0

    def say(self, *messages: worker_pb2.HubMessage) -> None:
        """Says something to the worker, in one frame. Safe in threads."""
        if self._on_frame is None:
            self._waiting.extend(messages)
        else:
            self._on_frame(self._stream, worker_pb2.HubFrame(messages=messages))

    def send(self, messages: Sequence[worker_pb2.WorkerMessage]) -> None:
        """Hears what the worker says, and acknowledges its reports."""
        for message in messages:
            self._hear(message)

    def _hear(self, message: worker_pb2.WorkerMessage) -> None:
        kind = message.WhichOneof("message")
        if kind is None:
            return
        body: Any = getattr(message, kind)
        kept = self._listener(kind, body)
        if kind in REPORTS:
            self.say(*self._acknowledged(kind, body, kept))

    def half_close(self) -> None:
        """The worker has said Goodbye."""
        if self._on_closed is not None:
            self._on_closed(self._stream, "OK", "")

    def hang_up(self) -> None:
        """Nothing is open."""

    def _acknowledged(self, kind: str, body: Any, kept: bool) -> Sequence[worker_pb2.HubMessage]:
        verdict = worker_pb2.REPORT_VERDICT_OK if kept else worker_pb2.REPORT_VERDICT_REFUSED
        item = worker_pb2.ReportAck.Item(
            run_id=body.run_id, fence=body.fence, verdict=verdict, seq=body.seq
        )
        said = [worker_pb2.HubMessage(report_ack=worker_pb2.ReportAck(items=[item]))]
        if kind in ENDS:
            # There will be no more work: the worker may end.
            said.append(worker_pb2.HubMessage(drain=worker_pb2.Drain()))
        return said


class LoopbackWorker(Worker):
    """A worker with one handler whose hub is in memory; `state` is what `ctx.state` is."""

    def __init__(self, handler: WatchedHandler, hub: LoopbackHub, state: Any) -> None:
        @asynccontextmanager
        async def lifespan(worker: Worker) -> AsyncGenerator[Any]:
            yield state

        # The address is never dialled.
        super().__init__("test-worker", hubs="127.0.0.1:1", admission=Fixed(1), lifespan=lifespan)
        self._add(handler)
        self._dial = hub.dial
