"""What a child process does with one run: reads its input, calls the handler, writes the end.

Runs in the child, after the user's module was imported. Gives frames for the pipe.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from typing import Any

from corral.context import Context
from corral.executors.outcomes import bad_input, failure_of, output_of, park_of
from corral.handlers import Handler
from corral.memory import Parked
from corral.session.credit import Credit
from corral.session.lease import Horizon
from corral.session.messages import Abandoned, Failure, Outcome, Output, Park, Remark, Told
from corral.terms import Capability
from corral_proto.v1 import common_pb2, worker_pb2

logger = logging.getLogger("corral.handlers")

Frame = tuple[Any, ...]
# Takes what the worker says while a handler runs.
Hear = Callable[[Frame], None]
STOPPED = 128 + signal.SIGTERM


class PipeSink:
    """Hands on what is not kept; a full pipe holds the handler back."""

    def __init__(self, send: Callable[[Frame], None]) -> None:
        self._send = send

    async def put(self, payload: bytes) -> None:
        """Writes a part of the answer to the pipe."""
        self._send(("chunk", payload))

    def put_sync(self, payload: bytes) -> None:
        """Writes a part of the answer to the pipe."""
        self._send(("chunk", payload))

    def log(self, payload: bytes) -> None:
        """Writes a line of the log to the pipe."""
        self._send(("log", payload))

    def progress(self, payload: bytes) -> None:
        """Writes to the pipe how far the attempt is."""
        self._send(("progress", payload))


class PipeOutlet:
    """Hands events to the pipe; a full pipe holds the handler back, so credit is not counted."""

    def __init__(self, send: Callable[[Frame], None], horizon: Horizon) -> None:
        self.credit = Credit(1)
        self.credit.open()
        self.horizon = horizon
        self._send = send

    def say_event(self, run_id: str, fence: str, type_: str, payload: bytes) -> None:
        """Writes an event to the pipe."""
        self._send(("event", type_, payload))

    def spool(self, run_id: str, fence: str) -> PipeSink:
        """Gives the pipe, for what is not kept."""
        return PipeSink(self._send)

    def say_remark(self, run_id: str, fence: str, remark: Remark) -> None:
        """Writes a remark to the pipe."""
        if remark.saying is None:
            self._send(("unsure", remark.ticket))
            return
        name = type(remark.saying).__name__
        self._send(("remark", remark.ticket, name, remark.saying.SerializeToString()))


def execute(
    found: Any,
    assignment: bytes,
    until_ms: float,
    send: Callable[[Frame], None],
    attend: Callable[[Hear | None], None],
) -> Frame:
    """Executes an assignment by what a module has under the handler's name.

    `until_ms`: until then the worker's lease certainly holds. `attend` is given who takes what
    the worker says meanwhile.
    """
    wire = worker_pb2.Assignment.FromString(assignment)
    while isinstance(found, Handler):
        found = found.fn
    capability = Capability(wire.capability.kind, wire.capability.version)
    handler: Handler[..., Any, Any] = Handler(
        found, workflow=wire.workflow, capability=capability, is_workflow=True
    )
    return _frame(_outcome(handler, wire, Horizon(until_ms), send, attend))


def not_loaded(module: str, error: Exception | None) -> Frame:
    """The end of a run whose module cannot be imported in a child."""
    logger.info("Module %s cannot be imported in a child process.", module, exc_info=error)
    return _frame(failure_of(error or ImportError(module)))


def _outcome(
    handler: Handler[..., Any, Any],
    assignment: worker_pb2.Assignment,
    horizon: Horizon,
    send: Callable[[Frame], None],
    attend: Callable[[Hear | None], None],
) -> Outcome:
    try:
        value = handler.read_input(assignment.input)
    except ValueError as error:
        return bad_input(handler, error)
    except Exception as error:
        # The edge of user code: a type's own checks may raise anything.
        return failure_of(error)
    context = Context(assignment, PipeOutlet(send, horizon), None)
    attend(lambda frame: _hear(context, horizon, frame))
    try:
        if not context.begins_sync():
            return Abandoned()
        return output_of(handler.invoke(context, value))
    except SystemExit as error:
        if error.code == STOPPED:
            raise
        return failure_of(error)
    except (Exception, Parked, BaseExceptionGroup) as error:
        # The edge of user code: reported as the run's error, and logged with its place.
        park = park_of(error)
        if park is None:
            logger.info("Run %s: the handler raised.", context.run_id, exc_info=error)
        return park or failure_of(error)
    finally:
        attend(None)
        context.tell_ended()


def _hear(context: Context, horizon: Horizon, frame: Frame) -> None:
    match frame:
        case (_, fence, *_) if fence != context.fence:
            # A late word about the run before.
            return
        case ("told", _, int(ticket), word, str(detail), int(limit), float(until_ms)):
            horizon.until_ms = until_ms
            context.tell_word(
                Told(context.run_id, context.fence, ticket, word, detail=detail, limit=limit)
            )
        case ("answers", _, *answers):
            context.tell_answers([common_pb2.InputAnswer.FromString(data) for data in answers])
        case _:
            logger.warning("The worker said what no worker says: %r", frame)


def _frame(outcome: Outcome) -> Frame:
    match outcome:
        case Output(data):
            return ("output", data)
        case Failure(error):
            return ("error", error.SerializeToString())
        case Park(request_id):
            return ("park", request_id)
        case _:
            return ("abandoned",)
