"""The Orchestrator service: each method reads, calls a room, and writes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from corral_hub import filters, inputs, names, queues
from corral_hub.config import HubConfig
from corral_hub.errors import HubError
from corral_hub.feed import FeedEvent
from corral_hub.following import Following, Parts, PartsGap
from corral_hub.orchestrator import Accepted, Orchestrator, check_count
from corral_hub.requests import SubmitRequest
from corral_hub.subscriptions import Gap, Quiet, Seen, Subscriptions
from corral_hub.wires.grpc_v1 import queueing, reading, relaying, remembering, writing
from corral_hub.wires.grpc_v1.status import detail_of
from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_store.transitions import Transitions

DURABILITY = {
    "memory": common.DURABILITY_MEMORY,
    "fsync": common.DURABILITY_FSYNC,
    "replica": common.DURABILITY_REPLICA,
}


class OrchestratorService:
    """Methods by their names in the proto; `server.py` calls them."""

    def __init__(
        self,
        config: HubConfig,
        orchestrator: Orchestrator,
        subscriptions: Subscriptions,
        following: Following,
    ) -> None:
        self._orchestrator = orchestrator
        self._subscriptions = subscriptions
        self._following = following
        self.durability = DURABILITY[config.durability.partition(":")[0]]

    async def SubmitWorkflow(
        self, request: pb.SubmitWorkflowRequest, t: Transitions
    ) -> pb.SubmitWorkflowResponse:
        item = await self._orchestrator.submit_one(t, reading.submit_request(request))
        out = pb.SubmitWorkflowResponse()
        self._accepted(item, out)
        return out

    async def SubmitWorkflows(
        self, request: pb.SubmitWorkflowsRequest, t: Transitions
    ) -> pb.SubmitWorkflowsResponse:
        out = pb.SubmitWorkflowsResponse()
        await self.submit(request, out, t)
        return out

    async def submit(
        self, request: pb.SubmitWorkflowsRequest, out: pb.SubmitWorkflowsResponse, t: Transitions
    ) -> None:
        """Fills the verdicts of a submit in."""
        # All of them count, those that cannot be read too.
        check_count(len(request.runs))
        if len(request.runs) == 1:
            # Without the tasks for parts, in which many go to the store.
            try:
                (run,) = request.runs
                item = await self._orchestrator.submit_one(t, reading.submit_request(run))
                self._accepted(item, out.items.add().accepted)
            except HubError as refusal:
                out.items.add(refused=detail_of(refusal))
            return
        parts = self._orchestrator.submit(t, map(_read_or_refused, request.runs))
        async with contextlib.aclosing(parts):
            async for items in parts:
                for item in items:
                    if isinstance(item, HubError):
                        out.items.add(refused=detail_of(item))
                    else:
                        self._accepted(item, out.items.add().accepted)

    def _accepted(self, item: Accepted, out: pb.SubmitWorkflowResponse) -> None:
        out.durability = self.durability
        out.warnings.extend(item.warnings)
        if item.known is None:
            writing.accepted(item.asked, item.verdict, out.run)
        else:
            out.deduplicated = True
            out.run.CopyFrom(writing.run_of(item.verdict.run, item.known))

    async def CancelWorkflow(
        self, request: pb.CancelWorkflowRequest, t: Transitions
    ) -> pb.CancelWorkflowResponse:
        described, cancelled = await self._orchestrator.cancel(t, request.run_id, request.reason)
        return pb.CancelWorkflowResponse(
            run=writing.run_of(request.run_id, described),
            cancelled=cancelled,
            durability=self.durability,
        )

    async def DescribeWorkflow(
        self, request: pb.DescribeWorkflowRequest, t: Transitions
    ) -> pb.DescribeWorkflowResponse:
        described = await self._orchestrator.describe(t, request.run_id)
        return pb.DescribeWorkflowResponse(run=writing.run_of(request.run_id, described))

    async def ListRuns(self, request: pb.ListRunsRequest, t: Transitions) -> pb.ListRunsResponse:
        beside = pb.RunFilter(statuses=request.statuses, workflow=request.workflow)
        wanted = filters.both(reading.run_filter(request.filter), reading.run_filter(beside))
        rows, cursor = await self._orchestrator.list_runs(t, wanted, request.limit, request.cursor)
        runs = [writing.run_row(run, fields) for run, fields in rows]
        return pb.ListRunsResponse(runs=runs, cursor=cursor)

    async def ListWorkers(
        self, request: pb.ListWorkersRequest, t: Transitions
    ) -> pb.ListWorkersResponse:
        wanted = filters.of_kind(reading.worker_filter(request.filter), request.kind)
        rows, cursor = await self._orchestrator.list_workers(
            t, wanted, request.limit, request.cursor
        )
        return pb.ListWorkersResponse(workers=[writing.worker(row) for row in rows], cursor=cursor)

    async def DrainWorker(
        self, request: pb.DrainWorkerRequest, t: Transitions
    ) -> pb.DrainWorkerResponse:
        immediate = request.mode == pb.DRAIN_MODE_IMMEDIATE
        left = await self._orchestrator.drain(t, request.worker_id, immediate)
        return pb.DrainWorkerResponse(in_flight=left, durability=self.durability)

    async def DrainWorkers(
        self, request: pb.DrainWorkersRequest, t: Transitions
    ) -> pb.DrainWorkersResponse:
        drained, cursor = await self._orchestrator.drain_matching(
            t,
            reading.worker_filter(request.filter),
            request.mode == pb.DRAIN_MODE_IMMEDIATE,
            request.cursor,
        )
        items = (pb.DrainWorkersResponse.Item(worker_id=w, in_flight=n) for w, n in drained)
        return pb.DrainWorkersResponse(items=items, cursor=cursor, durability=self.durability)

    async def RespondToInput(
        self, request: pb.RespondToInputRequest, t: Transitions
    ) -> pb.RespondToInputResponse:
        same = await inputs.respond(t, request.run_id, request.request_id, request.response)
        return pb.RespondToInputResponse(deduplicated=same, durability=self.durability)

    async def ListInputs(
        self, request: pb.ListInputsRequest, t: Transitions
    ) -> pb.ListInputsResponse:
        found, cursor = await inputs.list_inputs(t, request.run_id, request.limit, request.cursor)
        return pb.ListInputsResponse(
            inputs=[remembering.open_question(one) for one in found], cursor=cursor
        )

    async def CancelWorkflows(
        self, request: pb.CancelWorkflowsRequest, t: Transitions
    ) -> pb.CancelWorkflowsResponse:
        runs, cursor = await self._orchestrator.cancel_matching(
            t, reading.run_filter(request.filter), request.reason, request.cursor
        )
        return pb.CancelWorkflowsResponse(run_ids=runs, cursor=cursor, durability=self.durability)

    async def RetryRuns(self, request: pb.RetryRunsRequest, t: Transitions) -> pb.RetryRunsResponse:
        cursor = ""
        if request.HasField("filter") and not request.run_ids:
            items, cursor = await self._orchestrator.retry_matching(
                t, reading.run_filter(request.filter), request.cursor
            )
        else:
            items = await self._orchestrator.retry(t, list(request.run_ids))
        return pb.RetryRunsResponse(
            items=[pb.RetryRunsResponse.Item(run_id=r, verdict=v) for r, v in items],
            cursor=cursor,
            durability=self.durability,
        )

    async def PauseQueue(
        self, request: pb.PauseQueueRequest, t: Transitions
    ) -> pb.PauseQueueResponse:
        paused = await self._orchestrator.pause(t, request.kind, request.paused)
        return pb.PauseQueueResponse(paused=paused, durability=self.durability)

    async def ExplainRun(
        self, request: pb.ExplainRunRequest, t: Transitions
    ) -> pb.ExplainRunResponse:
        return writing.explained(await self._orchestrator.explain(t, request.run_id))

    async def ListQueues(
        self, request: pb.ListQueuesRequest, t: Transitions
    ) -> pb.ListQueuesResponse:
        page = await queues.list_queues(t, request.kind, request.limit, request.cursor)
        return queueing.response(page)

    async def GetStats(self, request: pb.GetStatsRequest, t: Transitions) -> pb.GetStatsResponse:
        return writing.stats(await self._orchestrator.stats(t))

    async def SubscribeRunEvents(
        self, request: pb.SubscribeRunEventsRequest, t: Transitions
    ) -> AsyncIterator[pb.SubscribeRunEventsResponse]:
        names.require(names.RUN_ID, request.run_id, "run_id")
        reply = pb.SubscribeRunEventsResponse
        source = (
            self._following.run(t, request.run_id, request.cursor, request.ephemeral_cursor)
            if request.ephemeral
            else self._subscriptions.run(t, request.run_id, request.cursor)
        )
        async for item in source:
            match item:
                case Parts() | PartsGap():
                    yield relaying.response(item)
                case Seen(run, happened, cursor):
                    yield reply(event=writing.event(run, happened, cursor))
                case Gap(first, last, reason, _):
                    yield reply(gap=reply.Gap(first=first, last=last, reason=reason))
                case Quiet():
                    yield reply(ping=reply.Ping())
        described = await self._orchestrator.describe(t, request.run_id, "o")
        yield reply(end=reply.End(run=writing.run_of(request.run_id, described)))

    async def SubscribeAll(
        self, request: pb.SubscribeAllRequest, t: Transitions
    ) -> AsyncIterator[pb.SubscribeAllResponse]:
        reply = pb.SubscribeAllResponse
        beside = pb.RunFilter(workflow=request.workflow)
        wanted = filters.both(reading.run_filter(request.filter), reading.run_filter(beside))

        def passes(found: FeedEvent) -> bool:
            return filters.passes(wanted, request.status_only, found)

        async for item in self._subscriptions.all(t, request.cursor, passes):
            match item:
                case Gap(_, _, reason, cursor):
                    yield reply(gap=reply.Gap(cursor=cursor, reason=reason))
                case Quiet(cursor):
                    yield reply(ping=reply.Ping(cursor=cursor))
                case (found, cursor):
                    told = writing.event(found.run, found.event, cursor)
                    told.workflow = found.about.workflow
                    yield reply(event=told)


def _read_or_refused(request: pb.SubmitWorkflowRequest) -> SubmitRequest | HubError:
    try:
        return reading.submit_request(request)
    except HubError as error:
        return error


UNARY: dict[str, Any] = {
    "SubmitWorkflow": pb.SubmitWorkflowRequest,
    "SubmitWorkflows": pb.SubmitWorkflowsRequest,
    "CancelWorkflow": pb.CancelWorkflowRequest,
    "DescribeWorkflow": pb.DescribeWorkflowRequest,
    "ListRuns": pb.ListRunsRequest,
    "ListWorkers": pb.ListWorkersRequest,
    "DrainWorker": pb.DrainWorkerRequest,
    "DrainWorkers": pb.DrainWorkersRequest,
    "RespondToInput": pb.RespondToInputRequest,
    "ListInputs": pb.ListInputsRequest,
    "CancelWorkflows": pb.CancelWorkflowsRequest,
    "RetryRuns": pb.RetryRunsRequest,
    "PauseQueue": pb.PauseQueueRequest,
    "ExplainRun": pb.ExplainRunRequest,
    "GetStats": pb.GetStatsRequest,
    "ListQueues": pb.ListQueuesRequest,
}
STREAMS: dict[str, Any] = {
    "SubscribeRunEvents": pb.SubscribeRunEventsRequest,
    "SubscribeAll": pb.SubscribeAllRequest,
}
# Unary methods that change nothing, so nobody has to care whether a lost call was done.
READS = frozenset(
    {
        "DescribeWorkflow",
        "ListRuns",
        "ListWorkers",
        "ListInputs",
        "ExplainRun",
        "GetStats",
        "ListQueues",
    }
)
