"""What a handler is given beside its input: facts about the attempt, events, cancellation.

One object per attempt, usable from the user's loop and from threads. Says things by posting
them to the session; decides nothing about the run.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from corral import encoding
from corral.asking import Asking
from corral.errors import AttemptEnded, BadEvent, EventTooLarge
from corral.keeping import Keeping
from corral.loops import running_loop
from corral.records import capability_text
from corral.session.credit import Credit
from corral.session.lease import Horizon
from corral.session.messages import Remark
from corral.signalling import Flag
from corral.spool import Sink
from corral.streaming import RunLog, Streaming
from corral_proto.v1 import worker_pb2

MAX_EVENT_BYTES = 64 * 1024
EVENT_TYPE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Outlet(Protocol):
    """Where an attempt's events go: the session's thread."""

    credit: Credit
    horizon: Horizon

    def say_event(self, run_id: str, fence: str, type_: str, payload: bytes) -> None:
        """Hands an event to the session; never waits."""
        ...

    def say_remark(self, run_id: str, fence: str, remark: Remark) -> None:
        """Hands a remark to the session; never waits."""
        ...

    def spool(self, run_id: str, fence: str) -> Sink:
        """Gives where an attempt says what is not kept."""
        ...


@dataclass(frozen=True, slots=True)
class Trace:
    """W3C trace context as the submitter sent it; empty where it sent none."""

    traceparent: str = ""
    tracestate: str = ""


class Context(Asking, Keeping, Streaming):
    """One attempt of a run, as its handler sees it.

    `deadline_at_ms` is by the store's clock, 0 for none; `device` is the device to use or
    None; `model` the model asked for or empty; `state` what the worker's lifespan yielded.
    `fence` grows with every attempt: hand it to systems that must refuse a late writer.
    """

    def __init__(self, assignment: worker_pb2.Assignment, outlet: Outlet, state: Any) -> None:
        super().__init__(
            assignment,
            lambda remark: outlet.say_remark(assignment.run_id, assignment.fence, remark),
            outlet.horizon,
        )
        self.run_id: str = assignment.run_id
        self.fence: str = assignment.fence
        self.attempt: int = assignment.attempt
        self.workflow: str = assignment.workflow
        self.priority: int = assignment.priority
        self.deadline_at_ms: int = assignment.deadline_at_ms
        self.max_run_ms: int = assignment.max_run_ms
        self.device: int | None = assignment.device if assignment.device >= 0 else None
        self.model: str = assignment.model
        self.state: Any = state
        self.cancel_reason: str = ""
        self._sink: Sink | None = None
        self._outlet = outlet
        self._cancelled = Flag()
        self._draining = Flag()
        self._ended = False

    # What few handlers look at is made when one does. What refers back to the context must not
    # be made for each: only the garbage collector frees such a circle.

    @cached_property
    def capability(self) -> str:
        """The capability by which the worker was chosen, `kind@version`."""
        return capability_text(self._assignment.capability)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """The run's labels."""
        return dict(self._assignment.labels)

    @cached_property
    def trace(self) -> Trace:
        """The trace context that the submitter sent."""
        sent = self._assignment.trace
        return Trace(sent.traceparent, sent.tracestate)

    @cached_property
    def log(self) -> RunLog:
        """The log of the attempt: the worker's own, and for whoever follows the run."""
        extra: dict[str, object] = {
            "run_id": self.run_id,
            "attempt": self.attempt,
            "fence": self.fence,
        }
        return RunLog(self, self.workflow, extra)

    @property
    def sink(self) -> Sink:
        """Where goes what nobody keeps. Raises `AttemptEnded` when the attempt is over."""
        if self._ended:
            raise self._ended_already()
        if self._sink is None:
            self._sink = self._outlet.spool(self.run_id, self.fence)
        return self._sink

    @property
    def cancelled(self) -> bool:
        """True once the run was told to stop; `cancel_reason` says why. Look often in threads."""
        return self._cancelled.up

    async def wait_cancelled(self) -> None:
        """Waits until the run is told to stop."""
        await self._cancelled.wait()

    def wait_cancelled_sync(self, timeout: float | None = None) -> bool:
        """Waits in a thread until the run is told to stop, at most `timeout` seconds.

        Tells whether it was.
        """
        return self._cancelled.wait_sync(timeout)

    @property
    def draining(self) -> bool:
        """True once the worker takes no new work: it waits for this handler, and then ends."""
        return self._draining.up

    async def wait_draining(self) -> None:
        """Waits until the worker takes no new work."""
        await self._draining.wait()

    def on_drain(self, callback: Callable[[], None]) -> None:
        """Calls once when the worker takes no new work, at once when that is so already.

        The call is made on the handler's event loop; for a handler in a thread, on a thread of
        its own. What it raises is logged. Handlers in processes are not told.
        """
        loop = running_loop()

        def call() -> None:
            try:
                callback()
            except Exception as error:
                # The edge of user code: a failed reaction to the drain does not end the run.
                self.log.warning("The callback for draining raised.", exc_info=error)

        def hand_over() -> None:
            if loop is not None:
                try:
                    loop.call_soon_threadsafe(call)
                    return
                except RuntimeError:
                    # A handler in a thread had a loop for a while; it is closed.
                    pass
            threading.Thread(target=call, name="corral-on-drain", daemon=True).start()

        self._draining.call(hand_over)

    async def emit_event(self, type: str, payload: Any = None) -> None:
        """Says something about the run to its subscribers, durably and in order.

        Returns when the session has taken it; waits while 1024 events are on their way.
        `type` has 1 to 64 characters of [A-Za-z0-9._-] and does not begin with `status.`;
        `payload` is JSON of at most 64 KiB. Raises `BadEvent`, `EventTooLarge`, and
        `AttemptEnded` when the attempt is over.
        """
        data = self._check_event(type, payload)
        await self._outlet.credit.take()
        self._say(type, data)

    def emit_event_sync(self, type: str, payload: Any = None) -> None:
        """The same as `emit_event`, for handlers that run in a thread."""
        data = self._check_event(type, payload)
        self._outlet.credit.take_sync()
        self._say(type, data)

    async def begins(self) -> bool:
        """Waits until the run is certainly this worker's; false: it is not, or is to stop.

        Called by the executor.
        """
        try:
            await self.hold()
        except AttemptEnded:
            return False
        return not self.cancelled

    def begins_sync(self) -> bool:
        """The same as `begins`, in a thread. Called by the executor."""
        try:
            self.hold_sync()
        except AttemptEnded:
            return False
        return not self.cancelled

    def tell_cancelled(self, reason: str) -> None:
        """Marks the attempt as told to stop. Called by the executor."""
        self.cancel_reason = self.cancel_reason or reason
        self._cancelled.raise_()
        self.tell_stop(reason)

    def tell_draining(self) -> None:
        """Marks the worker as draining. Called by the dispatcher."""
        self._draining.raise_()

    def tell_ended(self) -> None:
        """Marks the attempt as over; nothing more can be said. Called by the executor."""
        self._ended = True
        self.tell_over()

    def _say(self, type_: str, data: bytes) -> None:
        if self._ended:
            self._outlet.credit.give()
            raise self._ended_already()
        self._outlet.say_event(self.run_id, self.fence, type_, data)

    def _ended_already(self) -> AttemptEnded:
        return AttemptEnded(
            f"Attempt {self.attempt} of run {self.run_id} is over; emit events before the "
            "handler returns."
        )

    def _check_event(self, type_: str, payload: Any) -> bytes:
        if self._ended:
            raise self._ended_already()
        if not EVENT_TYPE.fullmatch(type_) or type_.startswith("status."):
            raise BadEvent(
                f"Event type {type_!r} is not accepted; use 1 to 64 characters of "
                "[A-Za-z0-9._-], not beginning with 'status.'."
            )
        try:
            data = encoding.encode(payload)
        except (TypeError, ValueError) as error:
            raise BadEvent(
                f"The payload of event {type_!r} cannot be written as JSON: {error}. Use plain "
                "values, a dataclass or a msgspec.Struct."
            ) from error
        if len(data) > MAX_EVENT_BYTES:
            raise EventTooLarge(
                f"The payload of event {type_!r} has {len(data)} bytes, the limit is "
                f"{MAX_EVENT_BYTES}. Store it elsewhere and emit a reference."
            )
        return data
