"""What a hub's Reject means to a worker: which ones are final, and as which error."""

from __future__ import annotations

from corral.errors import SessionError, SessionSuperseded, WorkerIdInUse, WorkerRejected
from corral_proto.v1 import worker_pb2


def name(reason: worker_pb2.RejectReason) -> str:
    """Gives a reason's name, e.g. `SESSION_LOST`; a number for one newer than this SDK."""
    try:
        return worker_pb2.RejectReason.Name(reason).removeprefix("REJECT_REASON_")
    except ValueError:
        return str(int(reason))


def final_error(reject: worker_pb2.Reject, hub: str, worker_id: str) -> SessionError | None:
    """Gives the error of a reject after which the worker cannot go on; None: it may."""
    said = f"{hub}: {reject.detail.rstrip('. ')}."
    match reject.reason:
        case worker_pb2.REJECT_REASON_SUPERSEDED:
            return SessionSuperseded(
                f"Another process has taken worker id {worker_id!r} over. {said} Give each "
                "process a worker id of its own."
            )
        case worker_pb2.REJECT_REASON_BAD_HELLO:
            step = f"Correct {reject.field}." if reject.field else "Correct the worker."
            return WorkerRejected(f"{said} {step}", field=reject.field)
        case worker_pb2.REJECT_REASON_UNSUPPORTED_VERSION:
            return WorkerRejected(
                f"{said} Install the SDK of the hub's release.", field=reject.field
            )
        case worker_pb2.REJECT_REASON_NOT_ENROLLED:
            return WorkerRejected(said, field=reject.field)
        case worker_pb2.REJECT_REASON_NOT_YOURS:
            return WorkerRejected(
                f"{said} Use the token with which worker {worker_id!r} began.", field="session_id"
            )
        case _:
            return None


def in_use(reject: worker_pb2.Reject, worker_id: str, waited_ms: int) -> WorkerIdInUse:
    """Gives the error for a worker id that was not given up in time."""
    return WorkerIdInUse(
        f"Worker id {worker_id!r} belongs to another living process, after {waited_ms} ms of "
        f"waiting. {reject.detail.rstrip('. ')}. Give each process a worker id of its own."
    )
