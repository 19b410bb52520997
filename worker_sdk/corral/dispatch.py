"""From an assignment to its handler, and from the handler's end back to the session.

Owns the contexts of the attempts that execute. Called by one thread of the session at a time;
never waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from corral.context import Context, Outlet
from corral.executors.considering import Considering
from corral.executors.inline import InlineExecutor
from corral.executors.outcomes import bad_input, failure_of, final_by_policy, no_handler
from corral.executors.process import ProcessExecutor
from corral.executors.thread import ThreadExecutor
from corral.handlers import Handler
from corral.records import capability_text
from corral.session.messages import GONE, Answered, Outcome, Told
from corral.terms import Capability
from corral_proto.v1 import worker_pb2

logger = logging.getLogger("corral.handlers")

Handlers = Mapping[Capability, Handler[..., Any, Any]]


class Dispatcher:
    """Starts and stops handlers for one worker."""

    def __init__(
        self,
        handlers: Handlers,
        inline: InlineExecutor,
        threads: ThreadExecutor,
        processes: ProcessExecutor,
        considering: Considering,
        outlet: Outlet,
        report: Callable[[str, str, Outcome], None],
        state: Any,
    ) -> None:
        self._handlers = {(c.kind, c.version): handler for c, handler in handlers.items()}
        self._known = [str(capability) for capability in handlers]
        self._inline = inline
        self._threads = threads
        self._processes = processes
        self._considering = considering
        self._draining = False
        self._outlet = outlet
        self._report = report
        self._state = state
        self._contexts: dict[tuple[str, str], tuple[Context, Handler[..., Any, Any]]] = {}

    def start(self, assignment: worker_pb2.Assignment) -> None:
        """Executes an assignment; its outcome is reported whatever happens."""
        key = (assignment.run_id, assignment.fence)
        wanted = assignment.capability
        handler = self._handlers.get((wanted.kind, wanted.version))
        if handler is None:
            needed = capability_text(wanted)
            self._report(*key, no_handler(assignment.workflow, needed, self._known))
            return
        context = Context(assignment, self._outlet, self._state)
        if self._draining:
            # Claimed before the drain, and started in it.
            context.tell_draining()

        def done(outcome: Outcome) -> None:
            self._contexts.pop(key, None)
            self._report(*key, final_by_policy(handler, outcome))

        if handler.executor == "process":
            self._contexts[key] = (context, handler)
            self._processes.start(handler, context, assignment, done)
            return
        try:
            value = handler.read_input(assignment.input)
        except ValueError as error:
            self._report(*key, bad_input(handler, error))
            return
        except Exception as error:
            # The edge of user code: a type's own checks may raise anything.
            logger.info("Run %s: reading the input raised.", key[0], exc_info=error)
            self._report(*key, failure_of(error))
            return
        self._contexts[key] = (context, handler)
        executor = self._inline if handler.executor == "inline" else self._threads
        executor.start(handler, context, value, done)

    def consider(self, offer: worker_pb2.Offer) -> None:
        """Asks the hook about an offer."""
        self._considering.start(offer)

    def told(self, told: Told) -> None:
        """Tells a handler what became of a remark; nothing happens when it has ended."""
        context, handler = self._contexts.get((told.run_id, told.fence), (None, None))
        if context is None or handler is None:
            return
        if handler.executor == "process":
            until_ms = self._outlet.horizon.until_ms
            words = (told.ticket, told.word, told.detail, told.limit, until_ms)
            self._processes.tell(context, ("told", told.fence, *words))
        else:
            context.tell_word(told)

    def answered(self, answered: Answered) -> None:
        """Tells a handler what people have answered; nothing happens when it has ended."""
        context, handler = self._contexts.get((answered.run_id, answered.fence), (None, None))
        if context is None or handler is None:
            return
        if handler.executor == "process":
            answers = (answer.SerializeToString() for answer in answered.answers)
            self._processes.tell(context, ("answers", answered.fence, *answers))
        else:
            context.tell_answers(answered.answers)

    def drain_began(self) -> None:
        """Tells every handler that the worker takes no new work."""
        self._draining = True
        for context, _ in list(self._contexts.values()):
            context.tell_draining()

    def stop(self, run_id: str, fence: str, reason: str) -> None:
        """Tells a handler, or the hook, to stop; nothing happens when it has ended."""
        self._considering.stop(run_id, fence)
        found = self._contexts.get((run_id, fence))
        if found is not None:
            context, handler = found
            told = context.cancelled
            context.tell_cancelled(reason)
            if told and reason in GONE:
                # It knows; while it cleans up it may await.
                return
            if handler.executor == "inline":
                self._inline.stop(context)
            elif handler.executor == "process":
                self._processes.stop(context)

    def stop_all(self, reason: str) -> None:
        """Tells every handler to stop: the session is over."""
        for (run_id, fence), (context, _) in list(self._contexts.items()):
            self.stop(run_id, fence, reason)
            # Nobody answers any more: threads must not wait for it.
            context.tell_over()
