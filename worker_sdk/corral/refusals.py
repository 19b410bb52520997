"""From a hub's refusal to an exception: one table by name, one by gRPC code.

The name in the error's detail decides; the gRPC code does for hubs that are newer than
this SDK and for answers that no hub gave.
"""

from __future__ import annotations

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from corral import errors
from corral_proto.v1 import orchestrator_pb2

ERROR_METADATA = "corral-error-bin"

# Codes that say nothing definite, whoever gives them.
_INDEFINITE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
    }
)

_NAMED: tuple[type[errors.HubError], ...] = (
    errors.Unavailable,
    errors.Unauthenticated,
    errors.PermissionDenied,
    errors.InvalidRequest,
    errors.PayloadTooLarge,
    errors.RunNotFound,
    errors.InputNotFound,
    errors.AlreadyAnswered,
    errors.InputLapsed,
    errors.BadAnswer,
    errors.WorkerNotFound,
    errors.NotImplementedByHub,
    errors.InternalHubError,
    errors.SubmitRefused,
    errors.AlreadyExists,
    errors.NoMatchingWorker,
    errors.ResourceExhausted,
    errors.StoreFull,
    errors.QueueFull,
    errors.RateLimited,
)
_BY_NAME: dict[str, type[errors.HubError]] = {
    # Here a run that ended is what `result` raises, whoever asked.
    "RunEnded": errors.RunAlreadyEnded,
    **{cls.__name__: cls for cls in _NAMED},
}

# Of the calls only a submit has ids that are made for it.
_REPEAT = "Repeat the call, a submit with the same ids."

_BY_CODE: dict[grpc.StatusCode, tuple[type[errors.HubError], str]] = {
    grpc.StatusCode.UNAVAILABLE: (errors.Unavailable, "Check the hub and try again."),
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        errors.Unavailable,
        f"The outcome is unknown. {_REPEAT}",
    ),
    grpc.StatusCode.CANCELLED: (errors.Unavailable, _REPEAT),
    grpc.StatusCode.ABORTED: (errors.Unavailable, _REPEAT),
    grpc.StatusCode.UNAUTHENTICATED: (errors.Unauthenticated, "Set CORRAL_TOKEN or token=."),
    grpc.StatusCode.PERMISSION_DENIED: (
        errors.PermissionDenied,
        "Use a token that may do this, or another namespace.",
    ),
    grpc.StatusCode.INVALID_ARGUMENT: (errors.InvalidRequest, "Correct the request."),
    grpc.StatusCode.OUT_OF_RANGE: (errors.InvalidRequest, "Correct the request."),
    grpc.StatusCode.NOT_FOUND: (errors.RunNotFound, "Check the id and the namespace."),
    grpc.StatusCode.ALREADY_EXISTS: (
        errors.AlreadyExists,
        "Use another run id or idempotency key, or send the same request.",
    ),
    grpc.StatusCode.FAILED_PRECONDITION: (
        errors.NoMatchingWorker,
        "Submit with wait_for_worker=True to queue it.",
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        errors.ResourceExhausted,
        "Make the request smaller, or try again later.",
    ),
    grpc.StatusCode.UNIMPLEMENTED: (
        errors.NotImplementedByHub,
        "Check that the address is that of a hub, and its version.",
    ),
}


def from_hub(error: grpc.aio.AioRpcError) -> bool:
    """Tells whether a hub said this, and not gRPC or a proxy on the way."""
    return any(key == ERROR_METADATA for key, _ in error.trailing_metadata() or ())


def repeatable(error: grpc.aio.AioRpcError) -> bool:
    """Tells whether the same call goes to the next hub, as nothing definite was said."""
    # A load balancer resets a stream whose hub has died, which gRPC calls INTERNAL.
    cut = error.code() is grpc.StatusCode.INTERNAL and not from_hub(error)
    return cut or error.code() in _INDEFINITE


def from_rpc_error(error: grpc.aio.AioRpcError, *, hub: str) -> errors.HubError:
    """Makes the exception for a call that did not end OK."""
    # Untyped in grpc: a metadata pair sequence, absent when no server answered.
    for key, value in error.trailing_metadata() or ():
        if key == ERROR_METADATA and isinstance(value, bytes):
            detail = orchestrator_pb2.ErrorDetail()
            try:
                detail.ParseFromString(value)
            except DecodeError:
                break
            return from_detail(detail, code=error.code())
    cls, step = _BY_CODE.get(
        error.code(), (errors.InternalHubError, "See the hub's log, and repeat the call.")
    )
    said = (error.details() or error.code().name).rstrip(". ")
    return cls(f"{hub} answered {error.code().name}: {said}. {step}")


def from_detail(
    detail: orchestrator_pb2.ErrorDetail,
    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
) -> errors.HubError:
    """Makes the exception for an error that the hub described."""
    cls = _BY_NAME.get(detail.name)
    if cls is None:
        cls = _BY_CODE.get(code, (errors.InternalHubError, ""))[0]
    return cls(
        detail.message,
        field=detail.field,
        limit=detail.limit,
        run_id=detail.run_id,
        retryable=detail.retryable,
    )
