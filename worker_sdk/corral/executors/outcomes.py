"""From what a handler did to what is reported: outputs and errors, in one place.

Knows handlers' exceptions and the wire's error; executes nothing.
"""

from __future__ import annotations

from typing import Any

from corral import encoding
from corral.errors import BadChunk, BadOutput, Fail, Retry
from corral.handlers import Handler
from corral.memory import Parked
from corral.session.messages import Failure, Outcome, Output, Park
from corral_proto.v1 import common_pb2

TYPE_CHARS = 128
MESSAGE_CHARS = 4096


def output_of(value: Any) -> Outcome:
    """Writes what a handler returned; a value without JSON form is a failure."""
    try:
        return Output(encoding.encode(value))
    except (TypeError, ValueError) as error:
        return _failure(
            common_pb2.ERROR_CODE_BAD_OUTPUT,
            type(error).__name__,
            f"The output, a {type(value).__name__}, cannot be written as JSON: {error}. Return "
            "plain values, a dataclass or a msgspec.Struct.",
        )


def bad_input(handler: Handler[..., Any, Any], error: ValueError) -> Outcome:
    """The failure of a run whose input does not fit the handler's type."""
    return _failure(
        common_pb2.ERROR_CODE_BAD_INPUT,
        "ValidationError",
        f"The input does not fit {handler.workflow}, which takes "
        f"{_type_name(handler.input_type)}: {error}. Correct it and submit it again.",
    )


def no_handler(workflow: str, capability: str, known: list[str]) -> Outcome:
    """The failure of a run that this worker has no handler for."""
    return _failure(
        common_pb2.ERROR_CODE_NO_HANDLER,
        "NoHandler",
        f"No handler here takes {capability} for workflow {workflow!r}; this worker has "
        f"{', '.join(known)}. Submit for one of these, or add a handler.",
    )


def executor_died(how: str) -> Outcome:
    """The failure of a run whose child process ended under it."""
    return _failure(
        common_pb2.ERROR_CODE_EXECUTOR_DIED,
        "ExecutorDied",
        f"The process that executed the attempt {how}. Look for its last words on the worker's "
        "stderr, and at the memory of the machine.",
        retryable=True,
    )


def final_by_policy(handler: Handler[..., Any, Any], outcome: Outcome) -> Outcome:
    """Makes an error final when the handler's retry policy names its type."""
    if not isinstance(outcome, Failure) or handler.retry is None:
        return outcome
    if outcome.error.type not in handler.retry.no_retry_types:
        return outcome
    final = common_pb2.RunError()
    final.CopyFrom(outcome.error)
    final.retryable = False
    return Failure(final)


def park_of(error: BaseException) -> Outcome | None:
    """The parking that an exception, or one within a group, stands for; None: another end."""
    if isinstance(error, Parked):
        return Park(error.request_id)
    if isinstance(error, BaseExceptionGroup):
        group: BaseExceptionGroup[BaseException] = error
        parks = [park for inner in group.exceptions if (park := park_of(inner)) is not None]
        return parks[0] if parks else None
    return None


def failure_of(error: BaseException) -> Outcome:
    """The failure that an exception of a handler stands for."""
    if isinstance(error, Fail):
        return _failure(
            common_pb2.ERROR_CODE_HANDLER, _cause(error), error.message, details=error.details
        )
    if isinstance(error, BadChunk | BadOutput):
        return _failure(common_pb2.ERROR_CODE_BAD_OUTPUT, type(error).__name__, str(error))
    if isinstance(error, Retry):
        return _failure(
            common_pb2.ERROR_CODE_HANDLER,
            _cause(error),
            error.message,
            retryable=True,
            retry_after_ms=error.after_ms,
            details=error.details,
        )
    return _failure(
        common_pb2.ERROR_CODE_HANDLER, type(error).__name__, _text(error), retryable=True
    )


def _failure(
    code: common_pb2.ErrorCode,
    type_: str,
    message: str,
    *,
    retryable: bool = False,
    retry_after_ms: int = 0,
    details: Any = None,
) -> Failure:
    try:
        written = b"" if details is None else encoding.encode(details)
    except (TypeError, ValueError) as error:
        written = encoding.encode(f"details could not be written as JSON: {error}")
    return Failure(
        common_pb2.RunError(
            code=code,
            type=type_[:TYPE_CHARS],
            message=_clean(message)[:MESSAGE_CHARS],
            retryable=retryable,
            retry_after_ms=retry_after_ms,
            details=written,
        )
    )


def _cause(error: BaseException) -> str:
    """`raise Fail(...) from error` keeps the type of the error that was the reason."""
    return type(error.__cause__ or error).__name__


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        # An exception of the user's whose __str__ raises must still be reported.
        return f"{type(error).__name__}, whose text cannot be read: {type(broken).__name__}"


def _clean(text: str) -> str:
    # Lone surrogates, e.g. from undecodable file names, are no valid protobuf text.
    return text.encode("utf-8", "replace").decode("utf-8")


def _type_name(type_: Any) -> str:
    return type_.__name__ if isinstance(type_, type) else str(type_)
