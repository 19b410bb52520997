"""What hubs tell about runs, workers and the fleet, as immutable records.

Made from wire messages here and nowhere else. Times are milliseconds since 1970 by the
store's clock, 0 where something has not happened.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from corral import encoding
from corral_proto.v1 import common_pb2, orchestrator_pb2


class RunStatus(StrEnum):
    """Where a run stands; terminal ones never change."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    DELAYED = "delayed"
    OFFERED = "offered"
    RUNNING = "running"
    PARKED = "parked"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """True for completed, failed and cancelled."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


_STATUSES = tuple(RunStatus)
_WIRE_STATUSES = {
    "pending": common_pb2.RUN_STATUS_PENDING,
    "delayed": common_pb2.RUN_STATUS_DELAYED,
    "offered": common_pb2.RUN_STATUS_OFFERED,
    "running": common_pb2.RUN_STATUS_RUNNING,
    "parked": common_pb2.RUN_STATUS_PARKED,
    "completed": common_pb2.RUN_STATUS_COMPLETED,
    "failed": common_pb2.RUN_STATUS_FAILED,
    "cancelled": common_pb2.RUN_STATUS_CANCELLED,
}
_DURABILITIES = ("unknown", "memory", "fsync", "replica")


class ErrorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run or an attempt failed; `code` is out of a closed set, e.g. `HANDLER`."""

    code: str
    type: str
    message: str
    retryable: bool
    retry_after_ms: int
    details: Any


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One ended attempt of a run."""

    number: int
    worker_id: str
    session_id: str
    hub: str
    fence: str
    started_at_ms: int
    ended_at_ms: int
    outcome: str
    error: ErrorRecord | None


class RunSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it stood when the hub answered.

    `input` and `attempts` are there in a description only, `output` in a description and
    at the end of a subscription.
    """

    run_id: str
    workflow: str
    workflow_version: int
    capability: str
    status: RunStatus
    priority: int
    input: Any
    output: Any
    error: ErrorRecord | None
    attempt: int
    lost: int
    fence: str
    session_id: str
    worker_id: str
    hub: str
    submitted_at_ms: int
    started_at_ms: int
    ended_at_ms: int
    deadline_at_ms: int
    due_at_ms: int
    last_event: int
    stopping: bool
    attempts: list[AttemptRecord]
    labels: dict[str, str]
    fairness_key: str
    device: int
    cancel_reason: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a run; numbers of a run grow by one from 1.

    Types `status.<status>` are changes of status, `input.<what>` are about questions, others
    are the handler's. `cursor` is where a new subscription goes on after this event. `fence` is
    that of the assignment whose handler emitted it, empty for what the hub says: an event of an
    attempt that was lost has another fence than the run's latest. `workflow` is there in a
    subscription of all runs only.
    """

    run_id: str
    number: int
    type: str
    payload: Any
    time_ms: int
    attempt: int
    cursor: str
    fence: str
    workflow: str


class GapInEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Stands in a subscription where events are gone for good.

    `first` and `last` are the missing numbers of a run, 0 in a subscription of all runs.
    `reason` is `trimmed` (beyond the bound of the feed) or `epoch` (the store lost its latest
    writes; in a run that went on since, other events have these numbers now, and follow).
    `type` is always `gap`.
    """

    run_id: str
    first: int
    last: int
    reason: str
    cursor: str
    type: str = "gap"


class WorkerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One worker with a live session."""

    worker_id: str
    session_id: str
    stream: int
    hub: str
    capabilities: list[str]
    tags: list[str]
    labels: dict[str, str]
    taints: list[str]
    admission: str
    in_flight: int
    stopping: int
    draining: bool
    connected: bool
    opened_at_ms: int
    sdk: str
    resident: dict[str, int]
    vram_used_mb: list[int]


class QueueRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for one kind in one band."""

    kind: str
    band: int
    waiting: int
    deficit: float


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of a namespace; `full` is true while submits are refused."""

    totals: dict[str, int]
    queues: list[QueueRecord]
    sessions: int
    hubs: list[str]
    epoch: int
    full: bool


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """A worker gets no new work; `in_flight` runs are still with it."""

    in_flight: int
    durability: str


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a listing; an empty `cursor` says that it was the last."""

    runs: list[RunSnapshot]
    cursor: str


def capability_text(wire: common_pb2.Capability) -> str:
    """Writes a capability as `kind@version` or `kind@*`."""
    return f"{wire.kind}@{wire.version or '*'}" if wire.kind else ""


def durability_text(value: int) -> str:
    """Names a level of durability; `unknown` for one that is newer than this SDK."""
    return _DURABILITIES[value] if 0 <= value < len(_DURABILITIES) else "unknown"


def status_from_wire(value: int) -> RunStatus:
    """Names a status; `unknown` for one that is newer than this SDK."""
    return _STATUSES[value] if 0 <= value < len(_STATUSES) else RunStatus.UNKNOWN


def status_to_wire(status: str) -> common_pb2.RunStatus:
    """Gives the wire form; raises `ValueError` naming the statuses."""
    if status not in _WIRE_STATUSES:
        known = ", ".join(_WIRE_STATUSES)
        raise ValueError(f"Status {status!r} is not known; use one of {known}.")
    return _WIRE_STATUSES[status]


def error_from_wire(wire: common_pb2.RunError) -> ErrorRecord:
    """Makes a record of an error."""
    try:
        code = common_pb2.ErrorCode.Name(wire.code).removeprefix("ERROR_CODE_")
    except ValueError:
        code = f"CODE_{int(wire.code)}"
    return ErrorRecord(
        code=code,
        type=wire.type,
        message=wire.message,
        retryable=wire.retryable,
        retry_after_ms=wire.retry_after_ms,
        details=encoding.decode(wire.details),
    )


def run_from_wire(wire: common_pb2.Run) -> RunSnapshot:
    """Makes a record of a run."""
    return RunSnapshot(
        run_id=wire.run_id,
        workflow=wire.workflow,
        workflow_version=wire.workflow_version,
        capability=capability_text(wire.capability),
        status=status_from_wire(wire.status),
        priority=wire.priority,
        input=encoding.decode(wire.input),
        output=encoding.decode(wire.output),
        error=error_from_wire(wire.error) if wire.HasField("error") else None,
        attempt=wire.attempt,
        lost=wire.lost,
        fence=wire.fence,
        session_id=wire.session_id,
        worker_id=wire.worker_id,
        hub=wire.hub,
        submitted_at_ms=wire.submitted_at_ms,
        started_at_ms=wire.started_at_ms,
        ended_at_ms=wire.ended_at_ms,
        deadline_at_ms=wire.deadline_at_ms,
        due_at_ms=wire.due_at_ms,
        last_event=wire.last_event,
        stopping=wire.stopping,
        attempts=[attempt_from_wire(attempt) for attempt in wire.attempts],
        labels=dict(wire.labels),
        fairness_key=wire.fairness_key,
        device=wire.device,
        cancel_reason=wire.cancel_reason,
    )


def attempt_from_wire(wire: common_pb2.Attempt) -> AttemptRecord:
    """Makes a record of an ended attempt."""
    return AttemptRecord(
        number=wire.number,
        worker_id=wire.worker_id,
        session_id=wire.session_id,
        hub=wire.hub,
        fence=wire.fence,
        started_at_ms=wire.started_at_ms,
        ended_at_ms=wire.ended_at_ms,
        outcome=wire.outcome,
        error=error_from_wire(wire.error) if wire.HasField("error") else None,
    )


def event_from_wire(wire: common_pb2.Event) -> Event:
    """Makes a record of an event."""
    return Event(
        run_id=wire.run_id,
        number=wire.number,
        type=wire.type,
        payload=encoding.decode(wire.payload),
        time_ms=wire.time_ms,
        attempt=wire.attempt,
        cursor=wire.cursor,
        fence=wire.fence,
        workflow=wire.workflow,
    )


def worker_from_wire(wire: orchestrator_pb2.WorkerInfo) -> WorkerRecord:
    """Makes a record of a worker."""
    return WorkerRecord(
        worker_id=wire.worker_id,
        session_id=wire.session_id,
        stream=wire.stream,
        hub=wire.hub,
        capabilities=[capability_text(capability) for capability in wire.capabilities],
        tags=list(wire.tags),
        labels=dict(wire.labels),
        taints=[_taint_text(taint) for taint in wire.taints],
        admission=_admission_text(wire.admission),
        in_flight=wire.in_flight,
        stopping=wire.stopping,
        draining=wire.draining,
        connected=wire.connected,
        opened_at_ms=wire.opened_at_ms,
        sdk=wire.sdk,
        resident={model.name: model.vram_mb for model in wire.resident},
        vram_used_mb=list(wire.vram_used_mb),
    )


def stats_from_wire(wire: orchestrator_pb2.GetStatsResponse) -> Stats:
    """Makes a record of the counters."""
    return Stats(
        totals=dict(wire.totals),
        queues=[
            QueueRecord(kind=q.kind, band=q.band, waiting=q.waiting, deficit=q.deficit)
            for q in wire.queues
        ],
        sessions=wire.sessions,
        hubs=list(wire.hubs),
        epoch=wire.epoch,
        full=wire.full,
    )


def _taint_text(wire: common_pb2.Taint) -> str:
    prefer = wire.effect == common_pb2.TAINT_EFFECT_PREFER_NO_SCHEDULE
    value = f"={wire.value}" if wire.value else ""
    return f"{wire.key}{value}:{'PreferNoSchedule' if prefer else 'NoSchedule'}"


def _admission_text(wire: common_pb2.Admission) -> str:
    match wire.WhichOneof("mode"):
        case "vram_budget":
            return f"VramBudget({', '.join(str(mb) for mb in wire.vram_budget.device_mb)})"
        case "reactive":
            return f"Reactive({wire.reactive.max_offers or 4})"
        case "fixed":
            return f"Fixed({wire.fixed.max_in_flight})"
        case _:
            return "Fixed(1)"
