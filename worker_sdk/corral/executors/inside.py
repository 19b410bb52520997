"""What a child process does with one run: reads its input, calls the handler, writes the end.

Runs in the child, after the user's module was imported. Gives frames for the pipe.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from typing import Any

from corral.context import Context
from corral.executors.outcomes import bad_input, failure_of, output_of
from corral.handlers import Handler
from corral.session.credit import Credit
from corral.session.messages import Failure, Outcome, Output
from corral.terms import Capability
from corral_proto.v1 import worker_pb2

logger = logging.getLogger("corral.handlers")

Frame = tuple[Any, ...]
STOPPED = 128 + signal.SIGTERM


class PipeOutlet:
    """Hands events to the pipe; a full pipe holds the handler back, so credit is not counted."""

    def __init__(self, send: Callable[[Frame], None]) -> None:
        self.credit = Credit(1)
        self.credit.open()
        self._send = send

    def say_event(self, run_id: str, fence: str, type_: str, payload: bytes) -> None:
        """Writes an event to the pipe."""
        self._send(("event", type_, payload))


def execute(found: Any, assignment: bytes, send: Callable[[Frame], None]) -> Frame:
    """Executes an assignment by what a module has under the handler's name."""
    wire = worker_pb2.Assignment.FromString(assignment)
    while isinstance(found, Handler):
        found = found.fn
    capability = Capability(wire.capability.kind, wire.capability.version)
    handler: Handler[..., Any, Any] = Handler(
        found, workflow=wire.workflow, capability=capability, is_workflow=True
    )
    return _frame(_outcome(handler, wire, send))


def not_loaded(module: str, error: Exception | None) -> Frame:
    """The end of a run whose module cannot be imported in a child."""
    logger.info("Module %s cannot be imported in a child process.", module, exc_info=error)
    return _frame(failure_of(error or ImportError(module)))


def _outcome(
    handler: Handler[..., Any, Any],
    assignment: worker_pb2.Assignment,
    send: Callable[[Frame], None],
) -> Outcome:
    try:
        value = handler.read_input(assignment.input)
    except ValueError as error:
        return bad_input(handler, error)
    except Exception as error:
        # The edge of user code: a type's own checks may raise anything.
        return failure_of(error)
    context = Context(assignment, PipeOutlet(send), None)
    try:
        return output_of(handler.invoke(context, value))
    except SystemExit as error:
        if error.code == STOPPED:
            raise
        return failure_of(error)
    except Exception as error:
        # The edge of user code: reported as the run's error, and logged with its place.
        logger.info("Run %s: the handler raised.", context.run_id, exc_info=error)
        return failure_of(error)
    finally:
        context.tell_ended()


def _frame(outcome: Outcome) -> Frame:
    match outcome:
        case Output(data):
            return ("output", data)
        case Failure(error):
            return ("error", error.SerializeToString())
        case _:
            return ("abandoned",)
