"""From the hub's records to messages of corral.v1."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from corral_hub import jobs
from corral_hub.config import HubConfig
from corral_hub.session import messages as m
from corral_hub.subscriptions import Happened
from corral_hub.wires.grpc_v1 import remembering
from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from corral_store.records import Described, Explained, Letter, SessionRow, Stats

# Lease time that an offer lives, as in attempt.lua.
OFFER_MS = 10_000

_any = msgspec.json.Decoder()


def status(name: str) -> str:
    """The name in the enum of a status as the store names it."""
    return f"RUN_STATUS_{name.upper()}"


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
        status=status(f["status"]),
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
        status=status(found.status),
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


def outgoing(message: m.Outgoing, config: HubConfig) -> wk.HubMessage:
    """One message to a worker."""
    out = wk.HubMessage()
    match message:
        case m.Welcome(session, stream, resumed, held):
            out.welcome.CopyFrom(
                wk.Welcome(
                    session_id=session,
                    stream=stream,
                    hub=config.name,
                    lease_ms=config.lease_ms,
                    ping_ms=config.ping_ms,
                    grace_ms=config.grace_ms,
                    max_payload_bytes=config.max_payload_bytes,
                    resumed=resumed,
                    move_after_ms=config.move_after_ms,
                    max_state_bytes=remembering.STATE_BYTES,
                    held=[wk.HeldVerdict(run_id=k.run, fence=k.fence, keep=k.keep) for k in held],
                )
            )
        case m.Reject(reason, detail, field):
            out.reject.CopyFrom(
                wk.Reject(
                    reason=f"REJECT_REASON_{reason.upper()}",
                    detail=detail,
                    field=field,
                )
            )
        case m.Word(letter):
            _letter(letter, out)
        case m.Acks(items):
            out.report_ack.items.extend(
                wk.ReportAck.Item(
                    run_id=i.run,
                    fence=i.fence,
                    seq=i.seq,
                    verdict=f"REPORT_VERDICT_{i.verdict.upper()}",
                )
                for i in items
            )
        case m.Ping(number):
            out.ping.number = number
        case m.Reconnect(reason, after_ms):
            out.reconnect.CopyFrom(wk.Reconnect(reason=reason, after_ms=after_ms))
        case m.Unsupported(what, detail, run):
            out.unsupported.CopyFrom(wk.Unsupported(what=what, detail=detail, run_id=run))
    return out


def _letter(letter: Letter, out: wk.HubMessage) -> None:
    match letter.word:
        case "run":
            out.assignment.CopyFrom(_assignment(letter))
        case "offer":
            out.offer.assignment.CopyFrom(_assignment(letter))
            out.offer.ttl_ms = OFFER_MS
        case "stop":
            out.stop.CopyFrom(wk.Stop(run_id=letter.run, fence=letter.fence, reason=letter.reason))
        case word if word.startswith("answer:"):
            out.answers.CopyFrom(remembering.answers(letter))
        case _:
            out.drain.immediate = letter.word == "drain_now"


def _assignment(letter: Letter) -> wk.Assignment:
    job = jobs.decode(letter.job)
    out = wk.Assignment(
        run_id=letter.run,
        fence=letter.fence,
        attempt=letter.attempt,
        workflow=job.workflow,
        workflow_version=job.workflow_version,
        capability=common.Capability(kind=job.kind, version=letter.version),
        input=bytes(job.input),
        deadline_at_ms=letter.deadline_ms,
        now_ms=letter.now_ms,
        max_run_ms=job.max_run_ms,
        priority=job.priority,
        labels=job.labels,
        device=letter.device,
        model=job.model,
    )
    if job.traceparent:
        out.trace.traceparent, out.trace.tracestate = job.traceparent, job.tracestate
    remembering.recalled(letter, out)
    return out
