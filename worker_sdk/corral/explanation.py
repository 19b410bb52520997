"""Why a run waits, as a hub tells it: an immutable record, made from the wire here."""

from __future__ import annotations

import msgspec

from corral.records import RunStatus, status_from_wire
from corral_proto.v1 import orchestrator_pb2


class WorkerVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker is to the run: `fits`, or the stage at which it falls out.

    Stages are `capability`, `tags`, `selector`, `taints`, `vram`, `full`, `draining`,
    `disconnected`, `paused`. `score` counts where it fits.
    """

    worker_id: str
    verdict: str
    score: int


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run waits; `summary` says it in one sentence.

    `stages` counts sessions by verdict, `workers` names up to 50. `ahead_in_flow` runs and
    `flows_ahead` flows of its class come first; `waiting_by_band` counts what waits for its
    kind, `band` is its own.
    """

    run_id: str
    status: RunStatus
    summary: str
    stages: dict[str, int]
    workers: list[WorkerVerdict]
    ahead_in_flow: int
    flows_ahead: int
    waiting_by_band: dict[int, int]
    band: int


def explanation_from_wire(run_id: str, wire: orchestrator_pb2.ExplainRunResponse) -> Explanation:
    """Makes a record of an explanation."""
    return Explanation(
        run_id=run_id,
        status=status_from_wire(wire.status),
        summary=wire.summary,
        stages=dict(wire.stages),
        workers=[
            WorkerVerdict(worker_id=w.worker_id, verdict=w.verdict, score=w.score)
            for w in wire.workers
        ],
        ahead_in_flow=wire.ahead_in_flow,
        flows_ahead=wire.flows_ahead,
        waiting_by_band=dict(wire.waiting_by_band),
        band=wire.band,
    )
