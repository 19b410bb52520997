"""Handlers for tests: any function as one, and a handler whose exceptions are kept.

Executes nothing; the executors of a worker do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any

from corral.context import Context
from corral.errors import BadHandler
from corral.handlers import WORKFLOW_PREFIX, Handler
from corral.terms import Capability

AnyHandler = Handler[..., Any, Any]


def handler_of(target: Callable[..., Any]) -> AnyHandler:
    """The handler itself, or one that is made of a plain function under its own name.

    Raises `BadHandler` for what is no function, and as a worker's decorators do.
    """
    if isinstance(target, Handler):
        return target
    name: Any = getattr(target, "__name__", None)
    if not isinstance(name, str):
        raise BadHandler(f"{target!r} is neither a handler nor a function; pass one of these.")
    capability = Capability(f"{WORKFLOW_PREFIX}{name}", 1)
    return Handler(target, workflow=name, capability=capability, is_workflow=True)


class WatchedHandler(AnyHandler):
    """A handler that executes in this process, and says what it raised."""

    def __init__(self, handler: AnyHandler, raised: Callable[[BaseException], None]) -> None:
        # All that the handler is; its signature has been read, and found to be good.
        self.__dict__.update(handler.__dict__)
        self._raised = raised
        if self.executor == "process":
            self.executor = "thread"

    def invoke(self, context: Context, value: Any) -> Any:
        """Calls the function; what it raises is kept and goes on its way."""
        call = functools.partial(super().invoke, context, value)
        if self.is_async:
            return self._await(call)
        try:
            return call()
        except BaseException as error:
            self._raised(error)
            raise

    async def _await(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        try:
            return await call()
        except BaseException as error:
            self._raised(error)
            raise
