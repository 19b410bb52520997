"""Calls about many runs, and about whole queues: filters, pages, cursors.

Functions over the hubs of a client, which hands its calls on to them. A page that is lost on
its way is asked for again; every one of these calls may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corral.calls import Hubs, Method
from corral.errors import InvalidRequest
from corral.explanation import Explanation, explanation_from_wire
from corral.records import status_to_wire
from corral_proto.v1 import common_pb2
from corral_proto.v1 import orchestrator_pb2 as pb

MAX_RETRY_IDS = 256

_CANCEL_MANY = Method[pb.CancelWorkflowsRequest, pb.CancelWorkflowsResponse](
    "CancelWorkflows", pb.CancelWorkflowsResponse.FromString
)
_RETRY = Method[pb.RetryRunsRequest, pb.RetryRunsResponse](
    "RetryRuns", pb.RetryRunsResponse.FromString
)
_PAUSE = Method[pb.PauseQueueRequest, pb.PauseQueueResponse](
    "PauseQueue", pb.PauseQueueResponse.FromString
)
_EXPLAIN = Method[pb.ExplainRunRequest, pb.ExplainRunResponse](
    "ExplainRun", pb.ExplainRunResponse.FromString
)


def statuses_to_wire(statuses: Sequence[str]) -> list[common_pb2.RunStatus]:
    """Gives the wire form of statuses; raises `InvalidRequest` for one that is none."""
    if isinstance(statuses, str):
        raise InvalidRequest(
            f"statuses is the text {statuses!r}; give a list, e.g. [{statuses!r}].",
            field="statuses",
        )
    try:
        return [status_to_wire(status) for status in statuses]
    except ValueError as error:
        raise InvalidRequest(str(error), field="statuses") from error


def run_filter(
    workflow: str, statuses: Sequence[str], labels: Mapping[str, str] | None
) -> pb.RunFilter:
    """Makes a filter; raises `InvalidRequest` for one that would mean every run there is."""
    if not workflow and not statuses and not labels:
        raise InvalidRequest(
            "The filter names nothing, which would be every run. Give a workflow, statuses or "
            "labels.",
            field="filter",
        )
    return pb.RunFilter(workflow=workflow, statuses=statuses_to_wire(statuses), labels=labels or {})


async def cancel_matching(
    hubs: Hubs, chosen: pb.RunFilter, reason: str, timeout: float
) -> list[str]:
    """Cancels what a filter names, page by page, and gives the ids."""
    run_ids: list[str] = []
    cursor = ""
    while True:
        request = pb.CancelWorkflowsRequest(filter=chosen, reason=reason, cursor=cursor)
        response = await hubs.call(_CANCEL_MANY, request, timeout)
        run_ids.extend(response.run_ids)
        cursor = response.cursor
        if not cursor:
            return run_ids


async def retry_matching(hubs: Hubs, chosen: pb.RunFilter, timeout: float) -> dict[str, str]:
    """Retries what a filter names, page by page, and gives the verdict on each run."""
    verdicts: dict[str, str] = {}
    cursor = ""
    while True:
        request = pb.RetryRunsRequest(filter=chosen, cursor=cursor)
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


async def pause(hubs: Hubs, kind: str, paused: bool, timeout: float) -> list[str]:
    """Pauses or resumes a kind and gives the kinds that are paused then."""
    request = pb.PauseQueueRequest(kind=kind, paused=paused)
    return list((await hubs.call(_PAUSE, request, timeout)).paused)


async def explain(hubs: Hubs, run_id: str, timeout: float) -> Explanation:
    """Asks why a run waits."""
    response = await hubs.call(_EXPLAIN, pb.ExplainRunRequest(run_id=run_id), timeout)
    return explanation_from_wire(run_id, response)
