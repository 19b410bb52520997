"""The client of submitters and operators: every call of the hub's contract, from any hub.

Goes to the next hub by itself and repeats the call there; a submit always carries a run id,
so repeating it is safe. Owns its channels; use it as an async context manager on one loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from corral import inputs, operations, refusals
from corral.addresses import parse_addresses
from corral.calls import Hubs, Method, check_timeout
from corral.channel import call_metadata
from corral.errors import HubError, InvalidRequest
from corral.explanation import Explanation
from corral.filters import RunFilter, WorkerFilter, run_filter, worker_filter
from corral.following import RunFollowing
from corral.handlers import Handler
from corral.inputs import InputPage
from corral.queues import Queues, list_queues
from corral.records import (
    Drained,
    RunPage,
    RunSnapshot,
    Stats,
    WorkerRecord,
    durability_text,
    run_from_wire,
    stats_from_wire,
)
from corral.run import Run
from corral.shapes import check, check_arguments
from corral.submission import Submit, SubmitOptions, batches
from corral.submitting import Submitter
from corral.subscription import AllEvents, RunEvents
from corral.tls import Tls
from corral_proto.v1 import orchestrator_pb2 as pb

OutT = TypeVar("OutT")

MAX_PAGE = 256

_CANCEL = Method[pb.CancelWorkflowRequest, pb.CancelWorkflowResponse](
    "CancelWorkflow", pb.CancelWorkflowResponse.FromString
)
_DESCRIBE = Method[pb.DescribeWorkflowRequest, pb.DescribeWorkflowResponse](
    "DescribeWorkflow", pb.DescribeWorkflowResponse.FromString
)
_DRAIN = Method[pb.DrainWorkerRequest, pb.DrainWorkerResponse](
    "DrainWorker", pb.DrainWorkerResponse.FromString
)
_LIST_RUNS = Method[pb.ListRunsRequest, pb.ListRunsResponse](
    "ListRuns", pb.ListRunsResponse.FromString
)
_STATS = Method[pb.GetStatsRequest, pb.GetStatsResponse]("GetStats", pb.GetStatsResponse.FromString)


class Client:
    """Submits runs and looks after them.

    `hubs`: one address or several (a list, or with commas), default `CORRAL_HUB`, then
    127.0.0.1:7445. `token` and `namespace` default to `CORRAL_TOKEN` and `CORRAL_NAMESPACE`;
    `tls` to what the environment has, for `grpcs://` addresses.
    `timeout` is the total time in seconds, above 0, that a call may take over all hubs. Every call
    raises a `HubError`: `NoHub` and `Unavailable` when no hub gave an answer, otherwise what
    the hub refused; after `close` `ClientClosed`, and on another event loop than that of the
    first call `WrongLoop`.
    """

    def __init__(
        self,
        hubs: str | Sequence[str] | None = None,
        *,
        token: str | None = None,
        namespace: str | None = None,
        timeout: float = 30.0,
        tls: Tls | None = None,
    ) -> None:
        check_arguments(Client.__init__, locals())
        addresses = parse_addresses(hubs, tls)
        self.timeout = check_timeout(timeout)
        self._hubs = Hubs(addresses, call_metadata(addresses, token, namespace))
        self._submitter = Submitter(self._hubs)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; calls in flight end with an error."""
        await self._hubs.close()
        await self._submitter.close()

    @overload
    async def submit_workflow(
        self,
        workflow: Handler[..., Any, OutT],
        input: Any = None,
        *,
        timeout: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Run[OutT]: ...
    @overload
    async def submit_workflow(
        self,
        workflow: str,
        input: Any = None,
        *,
        timeout: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Run[Any]: ...
    async def submit_workflow(
        self,
        workflow: Handler[..., Any, Any] | str,
        input: Any = None,
        *,
        timeout: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Run[Any]:
        """Submits a run of a handler, or of a workflow by its name; see `SubmitOptions`.

        Returns when it is durable. What is submitted at the same moment, e.g. by tasks of one
        `asyncio.gather`, or while an earlier one is on its way, for at most 5 ms, goes to the hub
        in one call; each has its own outcome. A client that submits often keeps a stream to its
        hub for that. Raises what is under `SubmitRefused`, and `InvalidRequest`.
        """
        submit: Submit[Any] = Submit(workflow, input, **options)
        response = await self._submitter.one(submit.request, self._limit(timeout))
        return self._accepted(response, submit)

    async def submit_workflows(
        self, submits: Sequence[Submit[Any]], *, timeout: float | None = None
    ) -> list[Run[Any] | HubError]:
        """Submits many runs; gives a `Run` or the refusal for each, in order.

        Goes in calls of at most 1,000 runs and 3 MiB. Not one transaction: when a call fails
        as a whole, the error is raised and earlier ones stand; the ids make it repeatable
        when the caller chose them.
        """
        outcomes: list[Run[Any] | HubError] = []
        try:
            requests = [submit.request for submit in submits]
        except (AttributeError, TypeError):
            check("submits", submits, Sequence[Submit[Any]])
            raise
        for batch in batches(requests):
            for item in await self._submitter.many(batch, self._limit(timeout)):
                submit = submits[len(outcomes)]
                if item.WhichOneof("verdict") == "accepted":
                    outcomes.append(self._accepted(item.accepted, submit))
                else:
                    outcomes.append(refusals.from_detail(item.refused))
        return outcomes

    def run(self, run_id: str) -> Run[Any]:
        """Gives a handle of a run that was submitted elsewhere; asks no hub."""
        return Run(self, run_id)

    async def cancel_workflow(self, run_id: str, reason: str = "") -> RunSnapshot:
        """Cancels a run and gives it as it is then; a run that had ended stays as it was."""
        return (await self.cancel_run(run_id, reason))[0]

    async def cancel_run(self, run_id: str, reason: str = "") -> tuple[RunSnapshot, bool]:
        """Cancels a run; gives it, and whether it is cancelled (false: it ended otherwise)."""
        request = pb.CancelWorkflowRequest(run_id=run_id, reason=reason)
        response = await self._hubs.call(_CANCEL, request, self.timeout)
        return run_from_wire(response.run), response.cancelled

    async def describe_workflow(self, run_id: str) -> RunSnapshot:
        """Gives a run in full: input, output, error and attempts."""
        request = pb.DescribeWorkflowRequest(run_id=run_id)
        return run_from_wire((await self._hubs.call(_DESCRIBE, request, self.timeout)).run)

    async def cancel_workflows(
        self,
        *,
        workflow: str = "",
        statuses: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        filter: RunFilter | str | None = None,
        reason: str = "",
    ) -> list[str]:
        """Cancels all runs that match and have not ended; gives the ids of those.

        Goes through all of them, however many; a run whose cancel was confirmed to nobody is
        not among the ids. Raises `InvalidRequest` for a filter that names nothing.
        """
        chosen = run_filter(filter, workflow, statuses, labels)
        return await operations.cancel_matching(self._hubs, chosen, reason, self.timeout)

    async def retry_runs(
        self,
        run_ids: Sequence[str] = (),
        *,
        workflow: str = "",
        statuses: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        filter: RunFilter | str | None = None,
    ) -> dict[str, str]:
        """Gives failed or cancelled runs a new set of attempts, by id or by filter.

        A filter means failed runs unless its statuses say otherwise. Gives a verdict for each
        run: `retried`, `live` (it has not ended), `stopping` (a worker still has its last attempt
        in hand: ask again, as `Run.retry` does), `completed`, `unknown`. Raises `InvalidRequest`
        for both or neither of ids and filter.
        """
        if isinstance(run_ids, str):
            run_ids = [run_ids]
        chosen = run_filter(filter, workflow, statuses, labels)
        if not run_ids:
            return await operations.retry_matching(self._hubs, chosen, self.timeout)
        if chosen:
            raise InvalidRequest("Both run_ids and a filter are given; use one.", field="run_ids")
        return await operations.retry_named(self._hubs, run_ids, self.timeout)

    async def pause(self, kind: str) -> list[str]:
        """Gives out no more runs of a kind, e.g. `workflow:summarize`; what runs goes on.

        Gives the kinds that are paused now.
        """
        return await operations.pause(self._hubs, kind, True, self.timeout)

    async def resume(self, kind: str) -> list[str]:
        """Gives out the runs of a kind again; gives the kinds that are still paused."""
        return await operations.pause(self._hubs, kind, False, self.timeout)

    async def queues(self, kind: str = "") -> Queues:
        """Lists what waits by kind, band and class; only of one kind when it is named."""
        return await list_queues(self._hubs, kind, self.timeout)

    async def explain(self, run_id: str) -> Explanation:
        """Says why a run waits: what each worker lacks, and what stands before it in line."""
        return await operations.explain(self._hubs, run_id, self.timeout)

    def subscribe_run_events(self, run_id: str, *, cursor: str = "") -> RunEvents:
        """Follows the events of a run from a cursor (empty: from the first) to its end."""
        return RunEvents(self._hubs, run_id, cursor, self.timeout)

    def follow_run(self, run_id: str, *, cursor: str = "") -> RunFollowing:
        """Follows a run to its end: its events from a cursor (empty: from the first), parts of
        its answer, progress and lines of its log."""
        return RunFollowing(self._hubs, run_id, cursor, self.timeout)

    def subscribe_all(
        self,
        *,
        cursor: str = "",
        workflow: str = "",
        status_only: bool = False,
        filter: RunFilter | str | None = None,
        follow: bool = True,
    ) -> AllEvents:
        """Follows the events of all runs that match from a cursor (empty: from now on; "0-0":
        from the oldest kept), without an end.

        Statuses of a filter are those of the events. Without `follow` it ends behind what there
        was when it began.
        """
        chosen = run_filter(filter, workflow)
        return AllEvents(self._hubs, cursor, chosen, status_only, follow, self.timeout)

    async def list_runs(
        self,
        *,
        statuses: Sequence[str] = (),
        workflow: str = "",
        filter: RunFilter | str | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> RunPage:
        """Gives a page of the runs that match, newest first, `limit` of 1 to 256; `runs` gives all.

        A page may be short, even empty, and still have a cursor: go on from it.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidRequest(
                f"limit is {limit}; a page has 1 to {MAX_PAGE} runs. Go on from its cursor, or use "
                "runs(), which does so.",
                field="limit",
                limit=str(MAX_PAGE),
            )
        wanted = run_filter(filter, workflow, statuses).to_wire()
        request = pb.ListRunsRequest(filter=wanted, limit=limit, cursor=cursor)
        response = await self._hubs.call(_LIST_RUNS, request, self.timeout)
        return RunPage(runs=[run_from_wire(run) for run in response.runs], cursor=response.cursor)

    async def runs(
        self,
        *,
        statuses: Sequence[str] = (),
        workflow: str = "",
        filter: RunFilter | str | None = None,
    ) -> AsyncIterator[RunSnapshot]:
        """Gives all runs that match, newest first, page by page."""
        cursor = ""
        while True:
            page = await self.list_runs(
                statuses=statuses, workflow=workflow, filter=filter, limit=MAX_PAGE, cursor=cursor
            )
            for run in page.runs:
                yield run
            cursor = page.cursor
            if not cursor:
                return

    async def list_workers(
        self, *, kind: str = "", filter: WorkerFilter | str | None = None
    ) -> list[WorkerRecord]:
        """Gives the workers with a live session, all of them or those that match."""
        chosen = worker_filter(filter, kind)
        return await operations.list_workers(self._hubs, chosen, self.timeout)

    async def drain_worker(self, worker_id: str, *, immediate: bool = False) -> Drained:
        """Stops giving work to a worker; `immediate` also takes back what it runs."""
        mode = pb.DRAIN_MODE_IMMEDIATE if immediate else pb.DRAIN_MODE_GRACEFUL
        request = pb.DrainWorkerRequest(worker_id=worker_id, mode=mode)
        response = await self._hubs.call(_DRAIN, request, self.timeout)
        return Drained(
            in_flight=response.in_flight, durability=durability_text(response.durability)
        )

    async def drain_workers(
        self,
        *,
        kind: str = "",
        tags: Sequence[str] = (),
        filter: WorkerFilter | str | None = None,
        immediate: bool = False,
    ) -> dict[str, Drained]:
        """Drains the workers that match, e.g. offer a kind and have all the tags ("key=value");
        gives what each still had. One that ends meanwhile is left out.

        Raises `InvalidRequest` for a filter that would mean every worker.
        """
        chosen = worker_filter(filter, kind, tags)
        return await operations.drain_matching(self._hubs, chosen, immediate, self.timeout)

    async def list_inputs(
        self, run_id: str = "", *, limit: int = inputs.PAGE, cursor: str = ""
    ) -> InputPage:
        """Gives a page of open questions, oldest first; `run_id` asks for those of one run.

        `limit` is 1 to 256.
        """
        return await inputs.list_page(self._hubs, run_id, limit, cursor, self.timeout)

    async def respond(self, run_id: str, request_id: str, response: Any) -> bool:
        """Answers a question of a run; tells whether the same answer was there already.

        `response` is JSON that fits the question's schema, at most 64 KiB. Raises
        `InputNotFound`, `BadAnswer`, `AlreadyAnswered`, `InputLapsed`, `RunAlreadyEnded`,
        `RunNotFound`, `PayloadTooLarge`.
        """
        return await inputs.respond(self._hubs, run_id, request_id, response, self.timeout)

    async def stats(self) -> Stats:
        """Gives the counters, queues and deficits of the namespace."""
        return stats_from_wire(await self._hubs.call(_STATS, pb.GetStatsRequest(), self.timeout))

    def _limit(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else check_timeout(timeout)

    def _accepted(self, response: pb.SubmitWorkflowResponse, submit: Submit[OutT]) -> Run[OutT]:
        return Run(
            self,
            response.run.run_id,
            output_type=submit.output_type(),
            snapshot=response.run,
            deduplicated=response.deduplicated,
            warnings=tuple(response.warnings),
            durability=durability_text(response.durability),
        )
