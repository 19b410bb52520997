"""From the hub's records to messages of corral.v1."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from corral_hub import jobs
from corral_hub.config import HubConfig
from corral_hub.feed import Happened
from corral_hub.session import messages as m
from corral_hub.wires.grpc_v1 import remembering
from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from corral_store.records import (
    Described,
    Explained,
    Letter,
    NewRun,
    SessionRow,
    Stats,
    Submitted,
)

# A frame stays well below the 4 MiB that clients take, its envelope counted.
FRAME_BYTES = 3_000_000
# Lease time that an offer lives, as in attempt.lua.
OFFER_MS = 10_000

_any = msgspec.json.Decoder()


# Members of enums by their names without the enum's own: a member is set in a fraction of the
# time of a name.
STATUSES: dict[str, Any] = {name[11:].lower(): number for name, number in common.RunStatus.items()}
VERDICTS: dict[str, Any] = {name[15:].lower(): number for name, number in wk.ReportVerdict.items()}
REASONS: dict[str, Any] = {name[14:].lower(): number for name, number in wk.RejectReason.items()}


def error(raw: bytes) -> common.RunError:
    """An error from its kept text."""
    body: dict[str, Any] = _any.decode(raw)
    code = f"ERROR_CODE_{body.get('code', 'UNSPECIFIED')}"
    known = code in common.ErrorCode.DESCRIPTOR.values_by_name
    return common.RunError(
        code=code if known else "ERROR_CODE_UNSPECIFIED",
        type=body.get("type", ""),
        message=body.get("message", ""),
        retryable=body.get("retryable", False),
        retry_after_ms=body.get("retry_after_ms", 0),
        details=json.dumps(body["details"]).encode() if "details" in body else b"",
    )


def run_of(run: str, described: Described) -> common.Run:
    """A run as it stands, with what was read of it."""
    fields = described.fields
    out = run_row(run, fields)
    out.stopping = described.hands == "stopping"
    out.hub = described.hub
    if described.job:
        job = jobs.decode(described.job)
        out.input = bytes(job.input)
        out.workflow_version = job.workflow_version
    if described.output:
        if fields["status"] == "failed":
            out.error.CopyFrom(error(described.output))
        else:
            out.output = described.output
    out.attempts.extend(attempt(raw) for raw in described.attempts)
    return out


def run_row(run: str, f: dict[str, str]) -> common.Run:
    """A run from its fields alone."""
    labels = jobs.labels(f["labels"]) if "labels" in f else {}
    return common.Run(
        run_id=run,
        workflow=f.get("workflow", f["kind"].removeprefix("workflow:")),
        capability=common.Capability(kind=f["kind"], version=int(f.get("version", 0))),
        status=STATUSES[f["status"]],
        priority=int(f.get("priority", 128)),
        attempt=int(f.get("attempt", 0)),
        lost=int(f.get("lost", 0)),
        fence=f.get("fence", ""),
        session_id=f.get("session", ""),
        worker_id=f.get("worker", ""),
        submitted_at_ms=int(f.get("submitted", 0)),
        started_at_ms=int(f.get("started", 0)),
        ended_at_ms=int(f.get("ended", 0)),
        deadline_at_ms=int(f.get("deadline", 0)),
        due_at_ms=int(f.get("due", 0)),
        last_event=int(f.get("events", 0)),
        labels=labels,
        fairness_key="" if f.get("flow") == "-" else f.get("flow", ""),
        device=int(f.get("device", -1)),
        cancel_reason=json.loads(f["cancel_reason"]) if "cancel_reason" in f else "",
    )


def accepted(asked: NewRun, verdict: Submitted, out: common.Run) -> None:
    """Writes a run that was not there before, as the submit left it."""
    # In place, and only what is not zero: there may be a thousand in one response.
    now, given = verdict.now_ms, verdict.status in ("running", "offered")
    out.run_id = asked.run
    out.workflow = asked.workflow
    capability = out.capability
    capability.kind = asked.kind
    capability.version = verdict.version if given else asked.version
    out.status = STATUSES[verdict.status]
    out.priority = asked.priority
    out.submitted_at_ms = now
    out.last_event = 2 if given else 1
    out.device = verdict.device
    if given:
        out.fence = verdict.fence
        out.session_id = verdict.session
        out.hub = verdict.hub
    if verdict.status == "running":
        out.attempt = 1
        out.worker_id = verdict.worker
        out.started_at_ms = now
    if asked.deadline_ms:
        out.deadline_at_ms = now + asked.deadline_ms
    if asked.delay_ms:
        out.due_at_ms = now + asked.delay_ms
    if asked.labels:
        out.labels.update(jobs.labels(asked.labels))
    if asked.flow != "-":
        out.fairness_key = asked.flow


def attempt(raw: bytes) -> common.Attempt:
    """An ended attempt from its kept text."""
    body: dict[str, Any] = _any.decode(raw)
    out = common.Attempt(
        number=body["number"],
        worker_id=body["worker"],
        session_id=body["session"],
        fence=body["fence"],
        started_at_ms=body["started_ms"],
        ended_at_ms=body["ended_ms"],
        outcome=body["outcome"],
        hub=body.get("hub", ""),
    )
    if body.get("error"):
        out.error.CopyFrom(error(json.dumps(body["error"]).encode()))
    return out


def event(run: str, happened: Happened, cursor: str) -> common.Event:
    """An event."""
    return common.Event(
        run_id=run,
        number=happened.number,
        type=happened.type,
        payload=bytes(happened.payload),
        time_ms=happened.time_ms,
        attempt=happened.attempt,
        cursor=cursor,
        fence=happened.fence,
    )


def worker(row: SessionRow) -> pb.WorkerInfo:
    """A worker from its session."""
    f, pool = row.fields, _any.decode(row.pool_json)
    admission = common.Admission()
    if pool["admission"] == "reactive":
        admission.reactive.max_offers = pool["max"]
    elif pool["admission"] == "vram":
        admission.vram_budget.device_mb.extend(pool["devices"])
    else:
        admission.fixed.max_in_flight = pool["max"]
    effects = {
        "NoSchedule": common.TAINT_EFFECT_NO_SCHEDULE,
        "PreferNoSchedule": common.TAINT_EFFECT_PREFER_NO_SCHEDULE,
    }
    return pb.WorkerInfo(
        worker_id=f["worker"],
        session_id=row.session,
        stream=int(f["stream"]),
        hub=f.get("hub", ""),
        capabilities=[common.Capability(kind=k, version=v) for k, v in pool["capabilities"]],
        tags=[f"{k}={v}" for k, v in pool["tags"].items()],
        labels=pool["labels"],
        taints=[common.Taint(key=k, value=v, effect=effects[e]) for k, v, e in pool["taints"]],
        admission=admission,
        in_flight=int(f.get("in_flight", 0)),
        stopping=int(f.get("stopping", 0)),
        draining=f.get("draining") == "1",
        connected=f.get("state") == "open",
        opened_at_ms=int(f.get("opened", 0)),
        sdk=f.get("sdk", ""),
        resident=[
            common.ResidentModel(name=name) for name in f.get("models", "").split(",") if name
        ],
        # A session that never had a run has no numbers of its own yet.
        vram_used_mb=[int(mb) for mb in f.get("vram", "").split(",") if mb]
        or [0] * len(admission.vram_budget.device_mb),
    )


def stats(found: Stats) -> pb.GetStatsResponse:
    """Counters, queues and deficits."""
    out = pb.GetStatsResponse(
        totals=found.totals, sessions=found.sessions, hubs=found.hubs, epoch=found.epoch,
        full=found.full,
    )  # fmt: skip
    for row in found.queues:
        bands: dict[int, int] = {}
        for key, waiting in row.waiting.items():
            band = int(key.rpartition(" ")[2])
            bands[band] = bands.get(band, 0) + waiting
        for band in sorted(bands):
            out.queues.add(
                kind=row.kind, band=band, waiting=bands[band], deficit=row.deficits.get(band, 0.0)
            )
    return out


SUMMARIES = {
    "fits": "a worker with room fits it: it starts within the next tick",
    "full": "every worker that could take it is full",
    "draining": "the workers that could take it are draining",
    "disconnected": "the workers that could take it have lost their connection",
    "paused": "its kind is paused",
    "vram": "no device of the workers has the video memory it asks for",
    "taints": "the workers that offer the capability have taints it does not tolerate",
    "selector": "the labels of the workers that offer the capability do not match its selector",
    "tags": "no worker that offers the capability has all its tags",
    "capability": "no worker offers its capability",
}


def explained(found: Explained) -> pb.ExplainRunResponse:
    """Why a run waits."""
    furthest = next((stage for stage in SUMMARIES if found.stages.get(stage)), "capability")
    summary = SUMMARIES[furthest]
    if found.awaits:
        summary = f"it waits for the answer to question {found.awaits!r}"
    elif found.status not in ("pending", "parked", "offered"):
        summary = f"it does not wait: it is {found.status}"
    return pb.ExplainRunResponse(
        status=STATUSES[found.status],
        stages=found.stages,
        workers=[
            pb.ExplainRunResponse.WorkerVerdict(worker_id=w, verdict=v, score=score)
            for w, v, score in found.workers
        ],
        ahead_in_flow=found.ahead_in_flow,
        flows_ahead=found.flows_ahead,
        waiting_by_band=found.waiting,
        band=found.band,
        summary=summary,
    )


def frames(messages: list[m.Outgoing], config: HubConfig) -> list[wk.HubFrame]:
    """As few frames as their size allows."""
    out = [wk.HubFrame()]
    size = 0
    for message in messages:
        bytes_ = _size(message)
        if size and size + bytes_ > FRAME_BYTES:
            out.append(wk.HubFrame())
            size = 0
        size += bytes_
        outgoing(message, config, out[-1].messages.add())
    return out


def _size(message: m.Outgoing) -> int:
    """No less than the bytes of a message on the wire."""
    match message:
        case m.Word(letter):
            return 2048 + 4 * (len(letter.job) + len(letter.told))
        case m.Acks(items):
            return 256 * len(items)
        case m.Welcome():
            return 1024 + 256 * len(message.held)
        case _:
            return 4096


def outgoing(message: m.Outgoing, config: HubConfig, out: wk.HubMessage) -> None:
    """Writes one message to a worker into its frame."""
    match message:
        case m.Word(letter):
            _letter(letter, out)
        case m.Acks(items):
            ack = out.report_ack.items
            for item in items:
                ack.add(
                    run_id=item.run, fence=item.fence, seq=item.seq, verdict=VERDICTS[item.verdict]
                )
        case m.Ping(number, renewed_ms):
            out.ping.number = number
            out.ping.renewed_ms = renewed_ms
        case m.Welcome(session, stream, resumed, held):
            welcome = out.welcome
            welcome.session_id = session
            welcome.stream = stream
            welcome.hub = config.name
            welcome.lease_ms = config.lease_ms
            welcome.ping_ms = config.ping_ms
            welcome.grace_ms = config.grace_ms
            welcome.max_payload_bytes = config.max_payload_bytes
            welcome.max_state_bytes = remembering.STATE_BYTES
            welcome.resumed = resumed
            welcome.move_after_ms = config.move_after_ms
            for kept in held:
                welcome.held.add(run_id=kept.run, fence=kept.fence, keep=kept.keep)
        case m.Challenge(nonce, namespace):
            out.challenge.nonce = nonce
            out.challenge.namespace = namespace
        case m.Reject(reason, detail, field):
            out.reject.reason = REASONS[reason]
            out.reject.detail = detail
            out.reject.field = field
        case m.Reconnect(reason, after_ms):
            out.reconnect.reason = reason
            out.reconnect.after_ms = after_ms
        case m.Unsupported(what, detail, run):
            out.unsupported.what = what
            out.unsupported.detail = detail
            out.unsupported.run_id = run


def _letter(letter: Letter, out: wk.HubMessage) -> None:
    match letter.word:
        case "run":
            _assignment(letter, out.assignment)
        case "offer":
            _assignment(letter, out.offer.assignment)
            out.offer.ttl_ms = OFFER_MS
        case "stop":
            out.stop.run_id = letter.run
            out.stop.fence = letter.fence
            out.stop.reason = letter.reason
        case word if word.startswith("answer:"):
            out.answers.CopyFrom(remembering.answers(letter))
        case _:
            out.drain.immediate = letter.word == "drain_now"


def _assignment(letter: Letter, out: wk.Assignment) -> None:
    job = jobs.decode(letter.job)
    out.run_id = letter.run
    out.fence = letter.fence
    out.attempt = letter.attempt
    out.workflow = job.workflow
    out.capability.kind = job.kind
    out.capability.version = letter.version
    out.input = bytes(job.input)
    out.now_ms = letter.now_ms
    out.priority = job.priority
    out.device = letter.device
    # Most runs have none of these, and a field that is not set is not written.
    if job.workflow_version:
        out.workflow_version = job.workflow_version
    if letter.deadline_ms:
        out.deadline_at_ms = letter.deadline_ms
    if job.max_run_ms:
        out.max_run_ms = job.max_run_ms
    if job.labels:
        out.labels.update(job.labels)
    if job.model:
        out.model = job.model
    if job.traceparent:
        out.trace.traceparent, out.trace.tracestate = job.traceparent, job.tracestate
    remembering.recalled(letter, out)
