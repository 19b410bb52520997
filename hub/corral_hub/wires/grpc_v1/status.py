"""Errors of the hub as gRPC statuses, with an ErrorDetail in the trailing metadata."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc

from corral_hub.errors import HubError
from corral_proto.v1 import orchestrator_pb2 as pb

DETAIL_KEY = "corral-error-bin"

CODES = {
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "exists": grpc.StatusCode.ALREADY_EXISTS,
    "not_found": grpc.StatusCode.NOT_FOUND,
    "precondition": grpc.StatusCode.FAILED_PRECONDITION,
    "exhausted": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "unimplemented": grpc.StatusCode.UNIMPLEMENTED,
    "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
    "denied": grpc.StatusCode.PERMISSION_DENIED,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "failed": grpc.StatusCode.INTERNAL,
    "internal": grpc.StatusCode.INTERNAL,
}


def detail_of(error: HubError) -> pb.ErrorDetail:
    """The error as it travels."""
    return pb.ErrorDetail(
        name=error.name,
        message=error.message,
        field=error.field,
        limit=error.limit,
        run_id=error.run_id,
        retryable=error.retryable,
    )


async def abort(context: Any, error: HubError) -> NoReturn:
    """Ends the call with the error's status."""
    detail = detail_of(error).SerializeToString()
    await context.abort(CODES[error.kind], error.message, ((DETAIL_KEY, detail),))
    raise AssertionError("abort returns never")
