"""What submitters ask for, without any wire's types, and its way to the store's record."""

from __future__ import annotations

import os

import msgspec

from corral_hub import jobs, names
from corral_hub.errors import InvalidRequest, PayloadTooLarge
from corral_store.digests import class_of, idem_digest, plain_class, request_digest
from corral_store.records import Constraints, NewRun

MAX_MS = 10 * 365 * 86_400_000
MAX_LABELS = 16
MAX_TERMS = 32
# Numbers of a request and what is possible.
BOUNDS = {
    "priority": (0, 255),
    "weight": (1, 1000),
    "version": (0, 1_000_000),
    "workflow_version": (0, 1_000_000),
    "max_lost": (0, 100),
    "vram_mb": (0, 10_000_000),
    "deadline_ms": (0, MAX_MS),
    "queue_wait_ms": (0, MAX_MS),
    "run_ms": (0, MAX_MS),
    "delay_ms": (0, MAX_MS),
    "retention_ms": (0, MAX_MS),
}
# What submitters call the fields that have shorter names here.
SAID = {
    "weight": "fairness.weight",
    "version": "capability.version",
    "vram_mb": "resource_hint.vram_mb",
    "queue_wait_ms": "max_queue_wait_ms",
    "run_ms": "max_run_ms",
    "delay_ms": "start_delay_ms",
    "tags": "required_tags",
    "required": "selector.required",
    "forbidden": "selector.forbidden",
    "preferred": "selector.preferred",
}


class RetryPolicy(msgspec.Struct, omit_defaults=True):
    """When a failure is followed by another attempt; times in milliseconds."""

    max_attempts: int = 1
    initial_ms: int = 1000
    multiplier: float = 2.0
    maximum_ms: int = 60_000
    jitter: float = 0.0
    no_retry: list[str] = []


class SubmitRequest(msgspec.Struct, omit_defaults=True):
    """One run as asked for; 0 and "" are "not said"."""

    workflow: str = ""
    input: bytes = b""
    run_id: str = ""
    workflow_version: int = 0
    kind: str = ""
    version: int = 0
    tags: list[str] = []
    required: dict[str, str] = {}
    forbidden: dict[str, str] = {}
    preferred: dict[str, str] = {}
    tolerations: list[tuple[str, str, str]] = []
    priority: int = 128
    idempotency_key: str = ""
    deadline_ms: int = 0
    queue_wait_ms: int = 0
    run_ms: int = 0
    delay_ms: int = 0
    wait_for_worker: bool = True
    vram_mb: int = 0
    model: str = ""
    flow: str = ""
    weight: int = 1
    retry: RetryPolicy | None = None
    max_lost: int = 3
    retention_ms: int = 0
    labels: dict[str, str] = {}
    traceparent: str = ""
    tracestate: str = ""
    # No further attempt once a part of the answer has been relayed.
    once: bool = False


def to_run(request: SubmitRequest, max_payload: int, retention_ms: int) -> NewRun:
    """The store's record of a request.

    Raises InvalidRequest or PayloadTooLarge, naming the field, the value and the limit.
    """
    _check(request, max_payload)
    parsed = jobs.parse_json(request.input or b"null", "input")
    kind = request.kind or f"workflow:{request.workflow}"
    version = request.version if request.kind else request.workflow_version
    model = request.model or _model_of(parsed)
    class_id, class_json = _class(request, kind, version)
    job = jobs.Job(
        workflow=request.workflow,
        input=msgspec.Raw(request.input or b"null"),
        workflow_version=request.workflow_version,
        kind=kind,
        version=version,
        priority=request.priority,
        labels=request.labels,
        model=model,
        max_run_ms=request.run_ms,
        traceparent=request.traceparent,
        tracestate=request.tracestate,
        # A plain class follows from kind and version; as text it is larger than most inputs.
        class_json="" if class_id == plain_class(kind, version)[0] else class_json,
    )
    return NewRun(
        run=request.run_id or os.urandom(16).hex(),
        job=jobs.encode(job).decode(),
        request=_request_digest(request),
        idem=idem_digest(request.idempotency_key) if request.idempotency_key else "",
        kind=kind,
        version=version,
        class_=class_id,
        class_json=class_json,
        priority=request.priority,
        flow=request.flow or "-",
        weight=request.weight or 1,
        vram_mb=request.vram_mb,
        model=model,
        workflow=request.workflow,
        deadline_ms=request.deadline_ms,
        queue_wait_ms=request.queue_wait_ms,
        run_ms=request.run_ms,
        delay_ms=request.delay_ms,
        wait=int(request.wait_for_worker),
        retry=_retry(request.retry),
        max_lost=request.max_lost or 3,
        retention_ms=request.retention_ms or retention_ms,
        labels=jobs.dumps(request.labels) if request.labels else "",
        once=int(request.once),
    )


def class_text(job: jobs.Job) -> str:
    """The JSON of the class of a job, which says it only when the class is not a plain one."""
    return job.class_json or plain_class(job.kind, job.version)[1]


def _class(request: SubmitRequest, kind: str, version: int) -> tuple[str, str]:
    if not _placed(request):
        return plain_class(kind, version)
    return class_of(
        Constraints(
            kind, version, [names.tag(tag, "required_tags") for tag in request.tags],
            request.required, request.forbidden, request.preferred, request.tolerations,
            request.vram_mb,
        )
    )  # fmt: skip


def _model_of(parsed: object) -> str:
    if isinstance(parsed, dict):
        for key in ("model", "model_name"):
            value = parsed.get(key)
            if isinstance(value, str) and names.MODEL.fullmatch(value):
                return value
    return ""


# What is not said is left out, so that a field of a later release changes no digest.
_digested = msgspec.msgpack.Encoder(order="sorted")


def _request_digest(request: SubmitRequest) -> str:
    """By this a repeated request is told from another one with the same id or key."""
    asked = msgspec.structs.replace(
        request, run_id="", idempotency_key="", traceparent="", tracestate=""
    )
    return request_digest(_digested.encode(asked))


def _retry(policy: RetryPolicy | None) -> str:
    if policy is None or policy.max_attempts <= 1:
        return ""
    return jobs.dumps(
        [
            policy.max_attempts, policy.initial_ms or 1000, policy.multiplier or 2.0,
            policy.maximum_ms or 60_000, policy.jitter, policy.no_retry,
        ]
    )  # fmt: skip


def _bounded(value: float, low: float, high: float, field: str) -> None:
    if not low <= value <= high:
        raise InvalidRequest(
            f"{field} is {value}; {low} to {high} is possible", field=field, limit=f"{low}..{high}"
        )


def _check(request: SubmitRequest, max_payload: int) -> None:
    """Raises InvalidRequest or PayloadTooLarge for the first field that is wrong."""
    names.require(names.WORKFLOW, request.workflow, "workflow")
    if request.run_id:
        names.require(names.RUN_ID, request.run_id, "run_id")
    if request.kind:
        names.require(names.KIND, request.kind, "capability.kind")
    if request.flow:
        names.require(names.FLOW, request.flow, "fairness.key")
    if request.model:
        names.require(names.MODEL, request.model, "resource_hint.model")
    if len(request.input) > max_payload:
        raise PayloadTooLarge(
            f"input has {len(request.input)} bytes; the limit is {max_payload}: store the data "
            "elsewhere and submit a reference to it",
            field="input",
            limit=str(max_payload),
        )
    if len(request.idempotency_key) > 256:
        raise InvalidRequest(
            "idempotency_key is longer than 256 characters", field="idempotency_key", limit="256"
        )
    for name, (low, high) in BOUNDS.items():
        # Looked at here, as a call for each is what a check costs.
        if not low <= getattr(request, name) <= high:
            _bounded(getattr(request, name), low, high, SAID.get(name, name))
    if _placed(request):
        _terms(request)
    _told(request)
    if request.retry is not None:
        _bounded(request.retry.max_attempts, 0, 100, "retry.max_attempts")
        _bounded(request.retry.jitter, 0, 1, "retry.jitter")
        if request.retry.multiplier:
            _bounded(request.retry.multiplier, 1, 100, "retry.multiplier")
        _bounded(request.retry.initial_ms, 0, MAX_MS, "retry.initial_backoff_ms")
        _bounded(request.retry.maximum_ms, 0, MAX_MS, "retry.max_backoff_ms")
        _bounded(len(request.retry.no_retry), 0, MAX_TERMS, "retry.no_retry_types")


def _placed(request: SubmitRequest) -> bool:
    """True when not any worker with the capability will do."""
    return bool(
        request.tags or request.required or request.forbidden or request.preferred
        or request.tolerations or request.vram_mb
    )  # fmt: skip


def _terms(request: SubmitRequest) -> None:
    for name in ("tags", "required", "forbidden", "preferred", "tolerations"):
        _bounded(len(getattr(request, name)), 0, MAX_TERMS, SAID.get(name, name))
    for name in ("required", "forbidden", "preferred"):
        for key, value in getattr(request, name).items():
            names.require(names.TAG_KEY, key, f"selector.{name}")
            names.require(names.VALUE, value, f"selector.{name}")
    for key, value, _ in request.tolerations:
        names.require(names.TAG_KEY, key, "tolerations.key")
        names.require(names.VALUE, value, "tolerations.value")


def _told(request: SubmitRequest) -> None:
    """Checks what a run carries for those who look at it."""
    _bounded(len(request.labels), 0, MAX_LABELS, "labels")
    for key, value in request.labels.items():
        names.require(names.TAG_KEY, key, "labels")
        if len(value) > 256:
            raise InvalidRequest(
                f"label {key!r} is longer than 256 characters", field="labels", limit="256"
            )
    for name, limit in (("traceparent", 128), ("tracestate", 512)):
        if len(getattr(request, name)) > limit:
            raise InvalidRequest(
                f"trace.{name} is longer than {limit} characters", field=f"trace.{name}",
                limit=str(limit),
            )  # fmt: skip
