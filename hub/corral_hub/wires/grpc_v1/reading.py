"""From messages of corral.v1 to the hub's records; what is not built is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from corral_hub import filters, names
from corral_hub.errors import HubError, InvalidRequest, NotImplementedByHub
from corral_hub.jobs import dumps, parse_json
from corral_hub.requests import RetryPolicy, SubmitRequest
from corral_hub.session.messages import (
    ChallengeResponse,
    Draining,
    Goodbye,
    Hello,
    Incoming,
    Odd,
    Pong,
    Resident,
    Said,
)
from corral_hub.wires.grpc_v1 import relaying, remembering
from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from corral_store.filters import RunFilter, WorkerFilter
from corral_store.records import Declaration, Held, Report

EVENT_BYTES = 65_536
# What is wrong with these is told, and the session goes on.
HARMLESS = frozenset({"event", "ephemeral", "input_request", "checkpoint", "step"})
PROTOCOL = 1
EFFECTS = {0: "NoSchedule", 1: "NoSchedule", 2: "PreferNoSchedule"}
LATER = ("parent_run_id", "affinity_key", "limits", "waiter_lease_ms")


def submit_request(request: pb.SubmitWorkflowRequest) -> SubmitRequest:
    """A submit as the hub sees it. Raises NotImplementedByHub for reserved fields."""
    said: dict[str, Any] = {}
    # Only what was set: of some thirty fields most requests have four.
    for field, value in request.ListFields():
        name = field.name
        if plain := PLAIN.get(name):
            said[plain] = value
        elif name in LATER:
            raise NotImplementedByHub(
                f"{name} is reserved and not built in this release; leave it empty", field=name
            )
        else:
            said.update(COMPOSED[name](value))
    return SubmitRequest(**said)


# Fields that are taken as they are, and what they are called here.
PLAIN = {
    "workflow": "workflow",
    "input": "input",
    "run_id": "run_id",
    "workflow_version": "workflow_version",
    "priority": "priority",
    "idempotency_key": "idempotency_key",
    "deadline_ms": "deadline_ms",
    "max_queue_wait_ms": "queue_wait_ms",
    "max_run_ms": "run_ms",
    "start_delay_ms": "delay_ms",
    "wait_for_worker": "wait_for_worker",
    "max_lost": "max_lost",
    "retention_ms": "retention_ms",
    "no_retry_after_chunk": "once",
}


def _tolerations(tolerations: Iterable[common.Toleration]) -> dict[str, Any]:
    effects = ((t.key, t.value, t.effect) for t in tolerations)
    return {"tolerations": [(k, v, "" if e == 0 else EFFECTS.get(e, "")) for k, v, e in effects]}


def _retry(policy: common.RetryPolicy) -> dict[str, Any]:
    return {
        "retry": RetryPolicy(
            policy.max_attempts, policy.initial_backoff_ms, policy.multiplier,
            policy.max_backoff_ms, policy.jitter, list(policy.no_retry_types),
        )
    }  # fmt: skip


COMPOSED: dict[str, Callable[[Any], dict[str, Any]]] = {
    "capability": lambda c: {"kind": c.kind, "version": c.version},
    "required_tags": lambda tags: {"tags": list(tags)},
    "selector": lambda s: {
        "required": dict(s.required), "forbidden": dict(s.forbidden), "preferred": dict(s.preferred)
    },
    "tolerations": _tolerations,
    "resource_hint": lambda hint: {"vram_mb": hint.vram_mb, "model": hint.model},
    "fairness": lambda f: {"flow": f.key, "weight": f.weight or 1},
    "retry": _retry,
    "labels": lambda labels: {"labels": dict(labels)},
    "trace": lambda t: {"traceparent": t.traceparent, "tracestate": t.tracestate},
}  # fmt: skip


def run_filter(message: pb.RunFilter) -> RunFilter:
    """A filter of runs. Raises InvalidRequest for a condition that can never hold."""
    return filters.run_filter(
        statuses(message.statuses), message.workflow, message.labels, message.kind,
        message.worker_id, message.worker_tags,
    )  # fmt: skip


def worker_filter(message: pb.WorkerFilter) -> WorkerFilter:
    """A filter of workers. Raises InvalidRequest for a condition that can never hold."""
    return filters.worker_filter(message.worker_ids, message.kind, message.tags, message.labels)


def statuses(numbers: Iterable[int]) -> tuple[str, ...]:
    """Statuses as the store names them. Raises InvalidRequest."""
    out: list[str] = []
    for number in numbers:
        known = common.RunStatus.DESCRIPTOR.values_by_number.get(number)
        if known is None or number == 0:
            raise InvalidRequest(f"statuses: {number} is no status", field="statuses")
        out.append(known.name.removeprefix("RUN_STATUS_").lower())
    return tuple(out)


def hello(message: wk.Hello) -> Hello:
    """A Hello, checked. Raises InvalidRequest or NotImplementedByHub."""
    names.require(names.WORKER_ID, message.worker_id, "worker_id")
    names.require(names.SESSION_ID, message.instance, "instance")
    names.require(names.SESSION_ID, message.session_id, "session_id")
    for field, count, limit in (
        ("capabilities", len(message.capabilities), 64),
        ("tags", len(message.tags), 32),
        ("labels", len(message.labels), 32),
        ("taints", len(message.taints), 16),
        ("resident", len(message.resident), 64),
        ("held", len(message.held), 100_000),
    ):
        if count > limit:
            raise InvalidRequest(
                f"{field} has {count} entries; {limit} at most", field=field, limit=str(limit)
            )
    if not message.capabilities:
        raise InvalidRequest(
            "capabilities is empty: a worker offers at least one", field="capabilities"
        )
    declaration = Declaration(
        capabilities=[_capability(c) for c in message.capabilities],
        tags=dict(names.tag(tag, "tags") for tag in message.tags),
        labels={
            names.require(names.TAG_KEY, k, "labels"): names.require(names.VALUE, v, "labels")
            for k, v in message.labels.items()
        },
        taints=[
            (
                names.require(names.TAG_KEY, t.key, "taints"),
                names.require(names.VALUE, t.value, "taints"),
                EFFECTS.get(t.effect, "NoSchedule"),
            )
            for t in message.taints
        ],
    )
    _admission(message.admission, declaration)
    return Hello(
        worker=message.worker_id,
        instance=message.instance,
        session=message.session_id,
        declaration=declaration,
        models=models(message.resident),
        sdk=message.sdk,
        held=tuple(
            Held(names.require(names.RUN_ID, h.run_id, "held.run_id"), names.fence(h.fence))
            for h in message.held
        ),
        resume=message.resume,
        enrolment_key=message.enrolment_key,
    )


def _capability(capability: common.Capability) -> tuple[str, int]:
    names.require(names.KIND, capability.kind, "capabilities.kind")
    if capability.version > 1_000_000:
        raise InvalidRequest(
            f"capabilities.version is {capability.version}; 1 to 1000000 is possible",
            field="capabilities.version",
            limit="1..1000000",
        )
    return capability.kind, capability.version or 1


def _admission(admission: common.Admission, declaration: Declaration) -> None:
    mode = admission.WhichOneof("mode")
    if mode == "reactive":
        declaration.admission = "reactive"
        declaration.max = admission.reactive.max_offers or 4
        if declaration.max > 4:
            raise InvalidRequest(
                f"admission.reactive.max_offers is {declaration.max}; 1 to 4 is possible",
                field="admission.reactive.max_offers",
                limit="1..4",
            )
        return
    if mode == "vram_budget":
        declaration.admission, declaration.max = "vram", 0
        declaration.devices = list(admission.vram_budget.device_mb)
        if not 1 <= len(declaration.devices) <= 64 or not all(declaration.devices):
            raise InvalidRequest(
                "admission.vram_budget.device_mb: 1 to 64 devices, each above 0 MB",
                field="admission.vram_budget.device_mb",
            )
        return
    declaration.max = admission.fixed.max_in_flight if mode == "fixed" else 1
    if not 1 <= declaration.max <= 100_000:
        raise InvalidRequest(
            f"admission.fixed.max_in_flight is {declaration.max}; 1 to 100000 is possible",
            field="admission.fixed.max_in_flight",
            limit="1..100000",
        )


def models(resident: Iterable[common.ResidentModel]) -> tuple[str, ...]:
    """Names of loaded models. Raises InvalidRequest."""
    return tuple(names.require(names.MODEL, model.name, "resident.name") for model in resident)


def incoming(kind: str, message: wk.WorkerMessage, max_payload: int) -> Incoming | list[Incoming]:
    """One message of a worker, which is of a kind ("" of none that is known); what it gets
    wrong becomes Odd and kills nothing else."""
    try:
        return _incoming(kind, message, max_payload)
    except HubError as error:
        run = getattr(getattr(message, kind, None), "run_id", "")
        return Odd(kind, error.message, run, fatal=kind not in HARMLESS)


def _incoming(kind: str, message: wk.WorkerMessage, max_payload: int) -> Incoming | list[Incoming]:
    match kind:
        case "hello":
            return hello(message.hello)
        case "pong":
            return Pong(message.pong.number, message.pong.clock_ms)
        case "mail_ack":
            return [
                Said(Report("ack", _run(i.run_id), names.fence(i.fence), 0, i.word))
                for i in message.mail_ack.items
            ]
        case "event":
            return _event(message.event)
        case "result":
            return _result(message.result, max_payload)
        case "ephemeral":
            return relaying.batch(message.ephemeral)
        case "stopped":
            said = message.stopped
            return Said(Report("stopped", _run(said.run_id), names.fence(said.fence), said.seq))
        case "give_back":
            said = message.give_back
            return Said(
                Report(
                    "give_back", _run(said.run_id), names.fence(said.fence), said.seq,
                    dumps(said.reason[:256]),
                )
            )  # fmt: skip
        case "input_request":
            return Said(remembering.question(message.input_request))
        case "checkpoint":
            return Said(remembering.checkpoint(message.checkpoint))
        case "step":
            return Said(remembering.step(message.step))
        case "park":
            return Said(remembering.park(message.park))
        case "claim":
            said = message.claim
            return Said(Report("claim", _run(said.run_id), names.fence(said.fence), said.seq))
        case "decline":
            said = message.decline
            reason = wk.DeclineReason.DESCRIPTOR.values_by_number.get(said.reason)
            why = reason.name.removeprefix("DECLINE_REASON_").lower() if reason else "other"
            text = dumps(f"{why}: {said.detail[:256]}" if said.detail else why)
            return Said(
                Report("decline", _run(said.run_id), names.fence(said.fence), said.seq, text)
            )
        case "update":
            return Resident(models(message.update.resident))
        case "challenge_response":
            return ChallengeResponse(message.challenge_response.signature)
        case "draining":
            return Draining()
        case "goodbye":
            return Goodbye()
        case _:
            return Odd(
                kind or "unknown message",
                "this hub does not know the message, or it is not built; it had no effect",
                getattr(getattr(message, kind, None), "run_id", "") if kind else "",
            )


def _run(text: str) -> str:
    return text if text == "*" else names.require(names.RUN_ID, text, "run_id")


def _event(said: wk.EventReport) -> Incoming:
    names.require(names.EVENT_TYPE, said.type, "event.type")
    if len(said.payload) > EVENT_BYTES:
        raise InvalidRequest(
            f"event.payload has {len(said.payload)} bytes; the limit is {EVENT_BYTES}",
            field="event.payload",
        )
    payload = said.payload or b"null"
    parse_json(payload, "event.payload")
    return Said(
        Report("event", _run(said.run_id), names.fence(said.fence), said.seq, said.type, payload)
    )


def _result(said: wk.Result, max_payload: int) -> Incoming:
    run, mine = _run(said.run_id), names.fence(said.fence)
    if said.WhichOneof("outcome") == "error":
        return Said(Report("failed", run, mine, said.seq, error_json(said.error)))
    output = said.output or b"null"
    try:
        if len(output) > max_payload:
            raise InvalidRequest(
                f"the output has {len(output)} bytes; the limit is {max_payload}: store the data "
                "elsewhere and return a reference to it"
            )
        parse_json(output, "output")
    except InvalidRequest as wrong:
        # The attempt has ended, and its worker must be able to forget it.
        bad = common.RunError(
            code=common.ERROR_CODE_BAD_OUTPUT, type="BadOutput", message=wrong.message
        )
        return Said(Report("failed", run, mine, said.seq, error_json(bad)))
    return Said(Report("completed", run, mine, said.seq, output))


def error_json(error: common.RunError) -> str:
    """An error as it is kept."""
    known = common.ErrorCode.DESCRIPTOR.values_by_number.get(error.code)
    body: dict[str, object] = {
        "code": known.name.removeprefix("ERROR_CODE_") if known else "UNSPECIFIED",
        "type": error.type[:128],
        "message": error.message[:4096],
        "retryable": error.retryable,
        "retry_after_ms": min(error.retry_after_ms, 86_400_000),
    }
    if error.details:
        try:
            body["details"] = parse_json(error.details[:EVENT_BYTES], "error.details")
        except InvalidRequest:
            body["details"] = "the details were no JSON, or too large"
    return dumps(body)
