"""The handlers of a worker: the decorators that users write, and what they have gathered.

Complains where something is declared, not where it would go wrong later. Runs nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar, Unpack, overload

from corral.errors import BadHandler
from corral.handlers import WORKFLOW_PREFIX, Handler, HandlerOptions
from corral.offers import OfferHook
from corral.shapes import check
from corral.streaming import Result
from corral.terms import Capability

P = ParamSpec("P")
ChunkT = TypeVar("ChunkT")
OutT = TypeVar("OutT")
HookT = TypeVar("HookT", bound=OfferHook)


class Decorator(Protocol):
    """Turns a function into a `Handler` that keeps its types."""

    @overload
    def __call__(
        self, fn: Callable[P, AsyncIterator[ChunkT | Result[OutT]]]
    ) -> Handler[P, AsyncIterator[ChunkT | Result[OutT]], OutT]: ...
    @overload
    def __call__(
        self, fn: Callable[P, Iterator[ChunkT | Result[OutT]]]
    ) -> Handler[P, Iterator[ChunkT | Result[OutT]], OutT]: ...
    @overload
    def __call__(
        self, fn: Callable[P, Coroutine[Any, Any, OutT]]
    ) -> Handler[P, Coroutine[Any, Any, OutT], OutT]: ...
    @overload
    def __call__(self, fn: Callable[P, OutT]) -> Handler[P, OutT, OutT]: ...


class Registry:
    """What a worker can execute. Base of `Worker`."""

    def __init__(self) -> None:
        self._handlers: dict[Capability, Handler[..., Any, Any]] = {}
        self._offer_hook: OfferHook | None = None
        # Hubs are told what there is as a session begins, and not again.
        self._declared = False

    @property
    def handlers(self) -> Mapping[Capability, Handler[..., Any, Any]]:
        """What this worker executes, by the capability that it advertises."""
        return dict(self._handlers)

    @overload
    def workflow(
        self, name: Callable[P, AsyncIterator[ChunkT | Result[OutT]]], /
    ) -> Handler[P, AsyncIterator[ChunkT | Result[OutT]], OutT]: ...
    @overload
    def workflow(
        self, name: Callable[P, Iterator[ChunkT | Result[OutT]]], /
    ) -> Handler[P, Iterator[ChunkT | Result[OutT]], OutT]: ...
    @overload
    def workflow(
        self, name: Callable[P, Coroutine[Any, Any, OutT]], /
    ) -> Handler[P, Coroutine[Any, Any, OutT], OutT]: ...
    @overload
    def workflow(self, name: Callable[P, OutT], /) -> Handler[P, OutT, OutT]: ...
    @overload
    def workflow(
        self, name: str | None = None, *, version: int = 1, **options: Unpack[HandlerOptions]
    ) -> Decorator: ...
    def workflow(
        self,
        name: Callable[..., Any] | str | None = None,
        *,
        version: int = 1,
        **options: Unpack[HandlerOptions],
    ) -> Any:
        """Makes a function the handler of a workflow; advertises `workflow:<name>@<version>`.

        The name defaults to that of the function. The function takes `(ctx, input)`, either
        one, or nothing; a generator streams what it yields, and yields a `Result` last.
        Options are in `HandlerOptions`: with `executor="process"` it runs in a process that
        imports its module, where `ctx.state` is None, a stop comes as SIGTERM (SystemExit),
        and events go by `ctx.emit_event_sync`. Whatever a handler raises fails its run alone,
        SystemExit too; only a KeyboardInterrupt on a loop that you run yourself ends that, as it
        may be Ctrl-C. Raises `BadHandler` when it cannot be a handler.
        """

        check("name", name, Callable[..., Any] | str | None)

        def decorate(fn: Callable[..., Any]) -> Handler[..., Any, Any]:
            workflow = name if isinstance(name, str) else fn.__name__
            capability = _version(f"{WORKFLOW_PREFIX}{workflow}", version)
            return self._add(
                Handler(fn, workflow=workflow, capability=capability, is_workflow=True, **options)
            )

        return decorate(name) if callable(name) else decorate

    def capability(
        self, capability: str | Capability, **options: Unpack[HandlerOptions]
    ) -> Decorator:
        """Makes a function the handler of every run that is matched by a capability.

        `kind@version`, or `kind`, which is version 1; options as of `workflow`. Raises
        `BadHandler` and `InvalidRequest`.
        """
        wanted = Capability.parse(capability)
        wanted = _version(wanted.kind, wanted.version)

        def decorate(fn: Callable[..., Any]) -> Any:
            return self._add(
                Handler(fn, workflow=fn.__name__, capability=wanted, is_workflow=False, **options)
            )

        return decorate

    def on_offer(self, hook: HookT) -> HookT:
        """Makes a coroutine function the one that is asked about each offer (`Reactive`).

        It gets an `Offer` and answers True (taken), False, or a `Decline` with a reason. One
        that raises, or does not answer within the life of the offer, declines. A run that is
        taken starts when the hub has confirmed it. Raises `BadHandler` for a plain function,
        and for a second hook.
        """
        if not inspect.iscoroutinefunction(hook):
            raise BadHandler(f"{hook!r} is no coroutine function; write async def hook(offer).")
        self._check_undeclared(f"The hook {hook.__qualname__}()")
        if self._offer_hook is not None:
            raise BadHandler("The worker has a hook for offers already; decide in one place.")
        self._offer_hook = hook
        return hook

    def _add(self, handler: Handler[..., Any, Any]) -> Handler[..., Any, Any]:
        self._check_undeclared(repr(handler))
        other = self._handlers.get(handler.capability)
        if other is not None:
            raise BadHandler(
                f"Both {other.workflow} and {handler.workflow} are handlers of "
                f"{handler.capability}; give one another name or version."
            )
        self._handlers[handler.capability] = handler
        return handler

    def _check_undeclared(self, what: str) -> None:
        if self._declared:
            raise BadHandler(
                f"{what} comes too late: the worker runs, and hubs know what it offers. Declare "
                "it before run(), or at the latest in the lifespan."
            )


def _version(kind: str, version: int) -> Capability:
    check("version", version, int)
    if version < 1:
        raise BadHandler(f"A handler needs a version of at least 1; {kind} has {version}.")
    return Capability(kind, version)
