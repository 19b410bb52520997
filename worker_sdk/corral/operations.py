"""Calls about many runs, and about whole queues: filters, pages, cursors.

Functions over the hubs of a client, which hands its calls on to them. A page that is lost on
its way is asked for again; every one of these calls may be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence

from corral.calls import Hubs, Method
from corral.explanation import Explanation, explanation_from_wire
from corral.filters import RunFilter, WorkerFilter, something
from corral.records import Drained, WorkerRecord, durability_text, worker_from_wire
from corral_proto.v1 import orchestrator_pb2 as pb

MAX_RETRY_IDS = 256

_CANCEL_MANY = Method[pb.CancelWorkflowsRequest, pb.CancelWorkflowsResponse](
    "CancelWorkflows", pb.CancelWorkflowsResponse.FromString
)
_RETRY = Method[pb.RetryRunsRequest, pb.RetryRunsResponse](
    "RetryRuns", pb.RetryRunsResponse.FromString
)
_LIST_WORKERS = Method[pb.ListWorkersRequest, pb.ListWorkersResponse](
    "ListWorkers", pb.ListWorkersResponse.FromString
)
_DRAIN_MANY = Method[pb.DrainWorkersRequest, pb.DrainWorkersResponse](
    "DrainWorkers", pb.DrainWorkersResponse.FromString
)
_PAUSE = Method[pb.PauseQueueRequest, pb.PauseQueueResponse](
    "PauseQueue", pb.PauseQueueResponse.FromString
)
_EXPLAIN = Method[pb.ExplainRunRequest, pb.ExplainRunResponse](
    "ExplainRun", pb.ExplainRunResponse.FromString
)


async def cancel_matching(hubs: Hubs, chosen: RunFilter, reason: str, timeout: float) -> list[str]:
    """Cancels what a filter names, page by page, and gives the ids.

    Raises `InvalidRequest` for a filter that names nothing.
    """
    something(chosen)
    wire = chosen.to_wire()
    run_ids: list[str] = []
    cursor = ""
    while True:
        request = pb.CancelWorkflowsRequest(filter=wire, reason=reason, cursor=cursor)
        response = await hubs.call(_CANCEL_MANY, request, timeout)
        run_ids.extend(response.run_ids)
        cursor = response.cursor
        if not cursor:
            return run_ids


async def retry_matching(hubs: Hubs, chosen: RunFilter, timeout: float) -> dict[str, str]:
    """Retries what a filter names, page by page, and gives the verdict on each run.

    Raises `InvalidRequest` for a filter that names nothing.
    """
    something(chosen)
    wire = chosen.to_wire()
    verdicts: dict[str, str] = {}
    cursor = ""
    while True:
        request = pb.RetryRunsRequest(filter=wire, cursor=cursor)
        response = await hubs.call(_RETRY, request, timeout)
        verdicts.update((item.run_id, item.verdict) for item in response.items)
        cursor = response.cursor
        if not cursor:
            return verdicts


async def retry_named(hubs: Hubs, run_ids: Sequence[str], timeout: float) -> dict[str, str]:
    """Retries runs by their ids, some at a time, and gives the verdict on each."""
    verdicts: dict[str, str] = {}
    for begin in range(0, len(run_ids), MAX_RETRY_IDS):
        request = pb.RetryRunsRequest(run_ids=run_ids[begin : begin + MAX_RETRY_IDS])
        response = await hubs.call(_RETRY, request, timeout)
        verdicts.update((item.run_id, item.verdict) for item in response.items)
    return verdicts


async def list_workers(hubs: Hubs, chosen: WorkerFilter, timeout: float) -> list[WorkerRecord]:
    """Lists what a filter names, page by page."""
    wire = chosen.to_wire()
    workers: list[WorkerRecord] = []
    cursor = ""
    while True:
        request = pb.ListWorkersRequest(filter=wire, limit=256, cursor=cursor)
        response = await hubs.call(_LIST_WORKERS, request, timeout)
        workers.extend(worker_from_wire(worker) for worker in response.workers)
        cursor = response.cursor
        if not cursor:
            return workers


async def drain_matching(
    hubs: Hubs, chosen: WorkerFilter, immediate: bool, timeout: float
) -> dict[str, Drained]:
    """Drains what a filter names, page by page, and gives what each worker still has.

    Raises `InvalidRequest` for a filter that names nothing.
    """
    something(chosen)
    wire = chosen.to_wire()
    mode = pb.DRAIN_MODE_IMMEDIATE if immediate else pb.DRAIN_MODE_GRACEFUL
    drained: dict[str, Drained] = {}
    cursor = ""
    while True:
        request = pb.DrainWorkersRequest(filter=wire, mode=mode, cursor=cursor)
        response = await hubs.call(_DRAIN_MANY, request, timeout)
        durability = durability_text(response.durability)
        for item in response.items:
            drained[item.worker_id] = Drained(in_flight=item.in_flight, durability=durability)
        cursor = response.cursor
        if not cursor:
            return drained


async def pause(hubs: Hubs, kind: str, paused: bool, timeout: float) -> list[str]:
    """Pauses or resumes a kind and gives the kinds that are paused then."""
    request = pb.PauseQueueRequest(kind=kind, paused=paused)
    return list((await hubs.call(_PAUSE, request, timeout)).paused)


async def explain(hubs: Hubs, run_id: str, timeout: float) -> Explanation:
    """Asks why a run waits."""
    response = await hubs.call(_EXPLAIN, pb.ExplainRunRequest(run_id=run_id), timeout)
    return explanation_from_wire(run_id, response)
