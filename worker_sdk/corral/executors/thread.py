"""Handlers that are plain functions: threads of a pool.

A thread cannot be stopped from outside: told to stop, a handler must look at `ctx.cancelled`,
and it counts as running until it has returned. Code that holds the GIL for long (native
code that does not release it) also holds back the session's pongs, which the lease survives
for half its length; such handlers belong into processes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from corral.context import Context
from corral.executors.outcomes import failure_of, output_of, park_of
from corral.handlers import Handler
from corral.session.messages import Abandoned, Outcome

logger = logging.getLogger("corral.handlers")

Done = Callable[[Outcome], None]


class ThreadExecutor:
    """Runs functions in at most `threads` threads. Safe in threads."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="corral-handler")

    def start(
        self, handler: Handler[..., Any, Any], context: Context, value: Any, done: Done
    ) -> None:
        """Begins a handler as soon as a thread is free; `done` is called in its thread."""
        self._pool.submit(self._execute, handler, context, value, done)

    def close(self) -> None:
        """Waits until every handler has returned."""
        self._pool.shutdown()

    def _execute(
        self, handler: Handler[..., Any, Any], context: Context, value: Any, done: Done
    ) -> None:
        outcome: Outcome = Abandoned()
        try:
            if context.begins_sync():
                outcome = output_of(handler.invoke(context, value))
        except BaseException as error:
            # The edge of user code: reported as the run's error, and logged with its place.
            # Whatever it is, as nobody else hears of it in this thread.
            park = park_of(error)
            if park is None:
                logger.info("Run %s: the handler raised.", context.run_id, exc_info=error)
            outcome = park or failure_of(error)
        context.tell_ended()
        done(outcome)
