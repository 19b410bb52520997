"""Offers: work that a reactive worker may take or leave, as its hook sees them.

Values only; when a hook is asked, and for how long, is decided in `session/`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from corral import encoding
from corral.errors import InvalidRequest
from corral.records import capability_text
from corral_proto.v1 import worker_pb2

DeclineReason = Literal[
    "no_capacity", "insufficient_vram", "model_unavailable", "draining", "other"
]
DETAIL_CHARS = 256

_REASONS: dict[DeclineReason, worker_pb2.DeclineReason] = {
    "no_capacity": worker_pb2.DECLINE_REASON_NO_CAPACITY,
    "insufficient_vram": worker_pb2.DECLINE_REASON_INSUFFICIENT_VRAM,
    "model_unavailable": worker_pb2.DECLINE_REASON_MODEL_UNAVAILABLE,
    "draining": worker_pb2.DECLINE_REASON_DRAINING,
    "other": worker_pb2.DECLINE_REASON_OTHER,
}


@dataclass(frozen=True, slots=True)
class Decline:
    """An offer is not taken. `detail`, for people, is cut at 256 characters."""

    reason: DeclineReason = "other"
    detail: str = ""

    def __post_init__(self) -> None:
        if self.reason not in _REASONS:
            raise InvalidRequest(
                f"Decline reason {self.reason!r} is not known; use one of {', '.join(_REASONS)}.",
                field="reason",
            )

    def to_wire(self, run_id: str, fence: str, seq: int) -> worker_pb2.Decline:
        """Gives the wire form."""
        return worker_pb2.Decline(
            run_id=run_id,
            fence=fence,
            reason=_REASONS[self.reason],
            detail=self.detail.encode("utf-8", "replace").decode()[:DETAIL_CHARS],
            seq=seq,
        )


class Offer:
    """A run that the worker may take.

    `attempt`, `labels`, `priority`, `model` and `device` (None: none is named) are as the
    handler would get them; `ttl_ms` is how long the answer is waited for.
    """

    def __init__(self, wire: worker_pb2.Offer) -> None:
        run = wire.assignment
        self.run_id: str = run.run_id
        self.fence: str = run.fence
        self.attempt: int = run.attempt
        self.workflow: str = run.workflow
        self.capability: str = capability_text(run.capability)
        self.priority: int = run.priority
        self.labels: Mapping[str, str] = dict(run.labels)
        self.deadline_at_ms: int = run.deadline_at_ms
        self.model: str = run.model
        self.device: int | None = run.device if run.device >= 0 else None
        self.ttl_ms: int = wire.ttl_ms
        self._input = run.input

    @property
    def input(self) -> Any:
        """The input as plain JSON values; raises `ValueError` when it is none."""
        return encoding.decode(self._input)

    def __repr__(self) -> str:
        return f"<Offer of run {self.run_id}, {self.workflow}, for {self.ttl_ms} ms>"


# True takes the offer, False declines it for want of room.
OfferHook = Callable[[Offer], Awaitable[bool | Decline]]
