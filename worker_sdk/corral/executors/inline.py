"""Handlers that are coroutines: tasks on the user's event loop.

Told to stop, a task is cancelled once, as asyncio does it, so that the handler may still await
while it cleans up. The tasks are kept here and not in a task group, whose share in an empty
handler was a sixth of the worker's time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from corral.context import Context
from corral.executors.outcomes import failure_of, output_of, park_of
from corral.handlers import Handler
from corral.session.messages import Abandoned, Outcome, Park

logger = logging.getLogger("corral.handlers")

Done = Callable[[Outcome], None]


class InlineExecutor:
    """Runs coroutines on one loop. `start` and `stop` may be called from any thread.

    `ctrl_c`: a KeyboardInterrupt in a handler may be the user's, so it ends the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, ctrl_c: bool = True) -> None:
        self._loop = loop
        self._ctrl_c = ctrl_c
        self._tasks: dict[Context, asyncio.Task[None]] = {}
        # Handlers to begin. The loop is woken once for all that come together, as each
        # wake-up is a system call.
        self._wanted: deque[tuple[Handler[..., Any, Any], Context, Any, Done]] = deque()
        self._woken = False

    def start(
        self, handler: Handler[..., Any, Any], context: Context, value: Any, done: Done
    ) -> None:
        """Begins a handler; `done` is called on the loop when it has ended."""
        self._wanted.append((handler, context, value, done))
        if self._woken:
            return
        # Before the call: the loop may get to it before this thread goes on.
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._begin_wanted)
        except RuntimeError:
            self._woken = False
            raise

    def stop(self, context: Context) -> None:
        """Cancels a handler; nothing happens when it has ended."""
        self._loop.call_soon_threadsafe(self._cancel, context)

    async def close(self) -> None:
        """Waits for the end of all handlers, which were told to stop; when the caller is cancelled
        meanwhile, they are too."""
        cancelled = False
        while True:
            try:
                # What was asked for until now, to begin or to stop, comes first.
                await asyncio.sleep(0)
                while self._tasks:
                    await asyncio.wait(self._tasks.values())
                break
            except asyncio.CancelledError:
                for context in () if cancelled else self._tasks:
                    self._cancel(context)
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError

    def _begin_wanted(self) -> None:
        # First, so that what comes from here on wakes the loop again.
        self._woken = False
        while self._wanted:
            self._begin(*self._wanted.popleft())

    def _begin(
        self, handler: Handler[..., Any, Any], context: Context, value: Any, done: Done
    ) -> None:
        context.unwind_by(self.stop)
        task = self._loop.create_task(
            self._execute(handler, context, value, done), name=f"corral run {context.run_id}"
        )
        # It may have ended already, where tasks start eagerly.
        if not task.done():
            self._tasks[context] = task

    def _cancel(self, context: Context) -> None:
        task = self._tasks.get(context)
        if task is not None:
            # Behind its first step: a task that never began cannot tell its end.
            self._loop.call_soon(task.cancel)

    async def _execute(
        self, handler: Handler[..., Any, Any], context: Context, value: Any, done: Done
    ) -> None:
        outcome: Outcome = Abandoned()
        try:
            if await context.begins():
                outcome = output_of(await handler.invoke(context, value))
        except asyncio.CancelledError:
            if context.parked_for and not context.cancelled:
                outcome = Park(context.parked_for)
        except GeneratorExit:
            raise
        except BaseException as error:
            if self._ctrl_c and isinstance(error, KeyboardInterrupt):
                raise
            # The edge of user code: reported as the run's error, and logged with its place.
            park = park_of(error)
            if park is None:
                logger.info("Run %s: the handler raised.", context.run_id, exc_info=error)
            outcome = park or failure_of(error)
        finally:
            self._tasks.pop(context, None)
            context.tell_ended()
        done(outcome)
