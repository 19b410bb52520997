"""Handlers: functions that execute runs, with what their signatures say about types.

Reads a signature once, when the function is decorated, and complains there. Runs nothing:
executors do.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import typing
from collections.abc import Callable
from typing import Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, Unpack

from corral import encoding
from corral.context import Context
from corral.errors import BadHandler, WrongType
from corral.shapes import check_options
from corral.streaming import last_of, last_of_sync, result_type
from corral.terms import Capability, RetryPolicy

P = ParamSpec("P")
CallT = TypeVar("CallT")
OutT = TypeVar("OutT")

WORKFLOW_PREFIX = "workflow:"
ABSENT: Any = object()
RECYCLE_AFTER = 100
STOP_GRACE_MS = 5000


class HandlerOptions(TypedDict, total=False):
    """How a handler is executed. Everything has a default."""

    # Where a plain function runs: "thread" (default), or "process" for what may crash, must be
    # stoppable, or holds the GIL. A coroutine always runs on the worker's event loop.
    executor: Literal["thread", "process"]
    # Retry policy of runs that are submitted with the handler; errors of its `no_retry_types`
    # are final. Default: none.
    retry: RetryPolicy
    # Runs after which a process is replaced; default 100.
    recycle_after: int
    # Milliseconds from SIGTERM to SIGKILL for a process that is told to stop; default 5000.
    stop_grace_ms: int


class Handler(Generic[P, CallT, OutT]):
    """A function that executes runs; calling it calls the function.

    `capability` is what the worker advertises for it, `workflow` the name under which it is
    submitted, `version` its version, `input_type` and `output_type` what its annotations say
    (`Any` where they say nothing). `executor` is `inline`, `thread` or `process`.
    """

    def __init__(
        self,
        fn: Callable[P, CallT],
        *,
        workflow: str,
        capability: Capability,
        is_workflow: bool,
        **options: Unpack[HandlerOptions],
    ) -> None:
        if not callable(fn):
            raise BadHandler(f"{fn!r} is no function; decorate the function that executes runs.")
        self.fn = fn
        self.workflow = workflow
        self.capability = capability
        self.version = capability.version
        self.is_workflow = is_workflow
        self.is_stream = inspect.isasyncgenfunction(fn) or inspect.isgeneratorfunction(fn)
        self.is_async = inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)
        unknown = sorted(set(options) - HandlerOptions.__annotations__.keys())
        if unknown:
            raise BadHandler(
                f"{_name(fn)} has unknown options {', '.join(unknown)}; known are "
                f"{', '.join(sorted(HandlerOptions.__annotations__))}."
            )
        self.executor = _executor(fn, self.is_async, options)
        _check_types(fn, options)
        self.retry = options.get("retry")
        self.recycle_after = _positive(fn, "recycle_after", options.get("recycle_after"))
        self.stop_grace_ms = _positive(fn, "stop_grace_ms", options.get("stop_grace_ms"))
        signature = _Signature(fn)
        self.input_type = signature.input_type
        self.output_type = signature.output_type
        self._context_name = signature.context_name
        self._input_name = signature.input_name
        self._context_first = signature.context_first
        self._input_optional = signature.input_optional
        functools.update_wrapper(self, fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> CallT:
        """Calls the function as it was written, on this machine, for tests."""
        return self.fn(*args, **kwargs)

    @property
    def place(self) -> tuple[str, str]:
        """Module and name under which another process finds the function."""
        return _module_name(self.fn), self.fn.__qualname__

    def invoke(self, context: Context, value: Any) -> Any:
        """Calls the function with a context and an input, each where its signature has it.

        What a generator yields is streamed; it gives the value of its `Result`.
        """
        called = self._call(context, value)
        if not self.is_stream:
            return called
        if self.is_async:
            return last_of(called, context)
        return last_of_sync(called, context, lambda: context.cancelled)

    def _call(self, context: Context, value: Any) -> Any:
        call: Callable[..., Any] = self.fn
        args: list[Any] = []
        if self._input_name is not None and value is not ABSENT:
            args.append(value)
        if self._context_name is not None:
            if not self._context_first and not args:
                return call(**{self._context_name: context})
            args.insert(0 if self._context_first else 1, context)
        return call(*args)

    def read_input(self, data: bytes) -> Any:
        """Reads an input as the handler's type; raises `ValueError` naming the field.

        Gives `ABSENT` where the function takes no input, or has a default for a null one.
        """
        if self._input_name is None or (self._input_optional and data in (b"", b"null")):
            return ABSENT
        return encoding.decode(data, self.input_type)

    def __repr__(self) -> str:
        return f"<Handler {self.workflow} for {self.capability}>"


class _Signature:
    """What the parameters and annotations of a function say."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.context_name: str | None = None
        self.input_name: str | None = None
        self.input_type: Any = Any
        self.input_optional = False
        self.context_first = True
        for parameter in inspect.signature(fn).parameters.values():
            self._take(fn, parameter)
        self.output_type = self._annotation(fn, "return")

    def _take(self, fn: Callable[..., Any], parameter: inspect.Parameter) -> None:
        positional = parameter.kind in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        )
        if not positional:
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY and (
                parameter.default is inspect.Parameter.empty
            ):
                raise BadHandler(
                    f"{_name(fn)} wants the keyword {parameter.name!r}, which no run gives; "
                    "use (ctx, input)."
                )
            return
        if self.context_name is None and _is_context(parameter):
            self.context_name = parameter.name
            self.context_first = self.input_name is None
        elif self.input_name is None:
            self.input_name = parameter.name
            self.input_optional = parameter.default is not inspect.Parameter.empty
            self.input_type = self._annotation(fn, parameter.name)
        elif parameter.default is inspect.Parameter.empty:
            raise BadHandler(
                f"{_name(fn)} wants {parameter.name!r} beside a context and {self.input_name!r}; "
                "a handler takes (ctx, input), either one, or none. Put more into the input."
            )

    def _annotation(self, fn: Callable[..., Any], name: str) -> Any:
        raw = getattr(fn, "__annotations__", {}).get(name, Any)
        if raw is inspect.Parameter.empty:
            return Any
        # Only the one annotation: others may name things that exist for type checkers alone.
        holder = type("_Holder", (), {"__annotations__": {name: raw}})
        try:
            resolved = typing.get_type_hints(
                holder, getattr(fn, "__globals__", {}), include_extras=True
            )[name]
        except NameError as error:
            raise BadHandler(
                f"The type {raw!r} of {name!r} in {_name(fn)} cannot be found ({error}). Define "
                "it in the module, outside of functions, before the handler."
            ) from error
        if name == "return" and resolved is type(None):
            return None
        if name == "return" and (inspect.isasyncgenfunction(fn) or inspect.isgeneratorfunction(fn)):
            resolved = result_type(resolved)
        if not encoding.has_json_form(resolved):
            raise BadHandler(
                f"The type {resolved!r} of {name!r} in {_name(fn)} has no JSON form. Use plain "
                "values, a dataclass, a TypedDict or a msgspec.Struct."
            )
        return resolved


def _is_context(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    if isinstance(annotation, str):
        return annotation.split(".")[-1] == "Context" or parameter.name == "ctx"
    return annotation is Context or parameter.name == "ctx"


def _name(fn: Callable[..., Any]) -> str:
    return f"{getattr(fn, '__qualname__', repr(fn))}()"


def _check_types(fn: Callable[..., Any], options: HandlerOptions) -> None:
    given = {name: value for name, value in options.items() if value is not None}
    try:
        check_options(given, HandlerOptions)
    except WrongType as error:
        raise BadHandler(f"{_name(fn)}: {error}") from error


def _positive(fn: Callable[..., Any], option: str, given: int | None) -> int:
    if given is None:
        return RECYCLE_AFTER if option == "recycle_after" else STOP_GRACE_MS
    if given < 1:
        raise BadHandler(f"{_name(fn)} has {option}={given}; give at least 1.")
    return given


def _executor(
    fn: Callable[..., Any], is_async: bool, options: HandlerOptions
) -> Literal["inline", "thread", "process"]:
    wanted = options.get("executor")
    if wanted not in (None, "thread", "process"):
        raise BadHandler(f"{_name(fn)} has executor={wanted!r}; use 'thread' or 'process'.")
    if wanted != "process":
        stray = sorted({"recycle_after", "stop_grace_ms"} & set(options))
        if stray:
            raise BadHandler(
                f"{_name(fn)} has {' and '.join(stray)}, which only processes have; add "
                "executor='process' or leave it out."
            )
    if is_async:
        if wanted is not None:
            raise BadHandler(
                f"{_name(fn)} is a coroutine, which runs on the worker's event loop, and has "
                f"executor={wanted!r}. Make it a plain function, or leave the executor out."
            )
        return "inline"
    if wanted == "process":
        _check_process(fn)
    return wanted or "thread"


def _check_process(fn: Callable[..., Any]) -> None:
    if os.name != "posix":
        raise BadHandler(
            f"{_name(fn)} has executor='process', which this system does not have. Use threads."
        )
    name = getattr(fn, "__qualname__", "<none>")
    if "<" in name:
        raise BadHandler(
            f"{_name(fn)} is defined inside of a function, where another process cannot find "
            "it. Define it at the top of a module."
        )
    if _module_name(fn) == "__main__" and not hasattr(sys.modules["__main__"], "__file__"):
        raise BadHandler(
            f"{_name(fn)} was typed in or came from stdin, where another process cannot find "
            "it. Define it in a file."
        )


def _module_name(fn: Callable[..., Any]) -> str:
    """The name under which a child imports the function's module."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if fn.__module__ == "__main__" and spec is not None:
        return spec.name
    return fn.__module__
