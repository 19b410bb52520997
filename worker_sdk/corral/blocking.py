"""The client for code without an event loop: the same calls, each of which waits.

Runs a `Client` on a loop in a thread of its own (`loops.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack, overload

from corral import inputs
from corral.client import Client
from corral.ephemeral import Ephemeral
from corral.errors import ClientClosed, HubError
from corral.explanation import Explanation
from corral.filters import RunFilter, WorkerFilter
from corral.handlers import Handler
from corral.inputs import InputPage, InputRecord
from corral.loops import LoopThread
from corral.queues import Queues
from corral.records import (
    Drained,
    Event,
    GapInEvents,
    RunPage,
    RunSnapshot,
    RunStatus,
    Stats,
    WorkerRecord,
)
from corral.run import Run
from corral.submission import Submit, SubmitOptions
from corral.tls import Tls

OutT = TypeVar("OutT")
ItemT = TypeVar("ItemT")


class SyncRun(Generic[OutT]):
    """The handle of one run, as `Run`, with calls that wait."""

    def __init__(self, loop: LoopThread, run: Run[OutT]) -> None:
        self._loop = loop
        self._run = run
        self.run_id = run.run_id
        self.deduplicated = run.deduplicated
        self.warnings = run.warnings
        self.durability = run.durability

    @property
    def snapshot(self) -> RunSnapshot:
        """The run as a hub gave it last."""
        return self._run.snapshot

    @property
    def status(self) -> RunStatus:
        """The status of the latest snapshot."""
        return self._run.status

    def events(self, cursor: str = "") -> Iterator[Event | GapInEvents]:
        """Gives the run's events from a cursor (empty: from the first) until it has ended."""
        return _iterate(self._loop, lambda: self._run.events(cursor).__aiter__())

    def stream(self) -> Iterator[Any]:
        """Gives the parts of the run's answer as they come; see `Run.stream`."""
        return _iterate(self._loop, lambda: self._run.stream().__aiter__())

    def follow(self, cursor: str = "") -> Iterator[Event | GapInEvents | Ephemeral]:
        """Gives all that happens to the run until it has ended; see `Client.follow_run`."""
        return _iterate(self._loop, lambda: self._run.follow(cursor).__aiter__())

    def result(self, timeout: float | None = None) -> OutT:
        """Waits until the run has ended and gives its output; see `Run.result`."""
        return self._loop.call(lambda: self._run.result(timeout))

    def cancel(self, reason: str = "") -> bool:
        """Cancels the run; tells whether it is cancelled, false when it had ended otherwise."""
        return self._loop.call(lambda: self._run.cancel(reason))

    def retry(self) -> bool:
        """Gives the run a new set of attempts; tells whether it did, see `Run.retry`."""
        return self._loop.call(self._run.retry)

    def inputs(self) -> list[InputRecord]:
        """Gives the open questions of the run, oldest first."""
        return self._loop.call(self._run.inputs)

    def respond(self, request_id: str, response: Any) -> bool:
        """Answers a question of the run; see `Client.respond`."""
        return self._loop.call(lambda: self._run.respond(request_id, response))

    def explain(self) -> Explanation:
        """Says why the run waits."""
        return self._loop.call(self._run.explain)

    def describe(self) -> RunSnapshot:
        """Gives the run in full: input, output, error and attempts."""
        return self._loop.call(self._run.describe)

    def refresh(self) -> RunSnapshot:
        """Brings `snapshot` and `status` up to date."""
        return self._loop.call(self._run.refresh)

    def __repr__(self) -> str:
        return repr(self._run)


class SyncClient:
    """Submits runs and looks after them, as `Client`, with calls that wait.

    Use it as a context manager, or call `close`. Safe in threads.
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
        self._client = Client(hubs, token=token, namespace=namespace, timeout=timeout, tls=tls)
        self._loop = LoopThread(self._client.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections and ends the thread; calls in flight end with an error.

        May be called again. Happens by itself at the end of the program, and when nobody refers
        to the client and its runs any more.
        """
        self._loop.close()

    @overload
    def submit_workflow(
        self,
        workflow: Handler[..., Any, OutT],
        input: Any = None,
        *,
        timeout: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> SyncRun[OutT]: ...
    @overload
    def submit_workflow(
        self,
        workflow: str,
        input: Any = None,
        *,
        timeout: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> SyncRun[Any]: ...
    def submit_workflow(
        self,
        workflow: Handler[..., Any, Any] | str,
        input: Any = None,
        *,
        timeout: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> SyncRun[Any]:
        """Submits a run of a handler, or of a workflow by its name; see `SubmitOptions`."""

        async def submit() -> Run[Any]:
            if isinstance(workflow, str):
                return await self._client.submit_workflow(
                    workflow, input, timeout=timeout, **options
                )
            return await self._client.submit_workflow(workflow, input, timeout=timeout, **options)

        return SyncRun(self._loop, self._loop.call(submit))

    def submit_workflows(
        self, submits: Sequence[Submit[Any]], *, timeout: float | None = None
    ) -> list[SyncRun[Any] | HubError]:
        """Submits many runs; gives a `SyncRun` or the refusal for each, in order."""
        outcomes = self._loop.call(lambda: self._client.submit_workflows(submits, timeout=timeout))
        return [
            SyncRun(self._loop, outcome) if isinstance(outcome, Run) else outcome
            for outcome in outcomes
        ]

    def run(self, run_id: str) -> SyncRun[Any]:
        """Gives a handle of a run that was submitted elsewhere; asks no hub."""
        return SyncRun(self._loop, self._client.run(run_id))

    def cancel_workflow(self, run_id: str, reason: str = "") -> RunSnapshot:
        """Cancels a run and gives it as it is then; a run that had ended stays as it was."""
        return self._loop.call(lambda: self._client.cancel_workflow(run_id, reason))

    def cancel_run(self, run_id: str, reason: str = "") -> tuple[RunSnapshot, bool]:
        """Cancels a run; gives it, and whether it is cancelled (false: it ended otherwise)."""
        return self._loop.call(lambda: self._client.cancel_run(run_id, reason))

    def cancel_workflows(
        self,
        *,
        workflow: str = "",
        statuses: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        filter: RunFilter | str | None = None,
        reason: str = "",
    ) -> list[str]:
        """Cancels all runs that match and have not ended; gives the ids of those."""
        return self._loop.call(
            lambda: self._client.cancel_workflows(
                workflow=workflow, statuses=statuses, labels=labels, filter=filter, reason=reason
            )
        )

    def retry_runs(
        self,
        run_ids: Sequence[str] = (),
        *,
        workflow: str = "",
        statuses: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        filter: RunFilter | str | None = None,
    ) -> dict[str, str]:
        """Gives failed or cancelled runs a new set of attempts; see `Client.retry_runs`."""
        return self._loop.call(
            lambda: self._client.retry_runs(
                run_ids, workflow=workflow, statuses=statuses, labels=labels, filter=filter
            )
        )

    def pause(self, kind: str) -> list[str]:
        """Gives out no more runs of a kind; gives the kinds that are paused now."""
        return self._loop.call(lambda: self._client.pause(kind))

    def resume(self, kind: str) -> list[str]:
        """Gives out the runs of a kind again; gives the kinds that are still paused."""
        return self._loop.call(lambda: self._client.resume(kind))

    def queues(self, kind: str = "") -> Queues:
        """Lists what waits by kind, band and class; see `Client.queues`."""
        return self._loop.call(lambda: self._client.queues(kind))

    def explain(self, run_id: str) -> Explanation:
        """Says why a run waits; see `Client.explain`."""
        return self._loop.call(lambda: self._client.explain(run_id))

    def describe_workflow(self, run_id: str) -> RunSnapshot:
        """Gives a run in full: input, output, error and attempts."""
        return self._loop.call(lambda: self._client.describe_workflow(run_id))

    def subscribe_run_events(
        self, run_id: str, *, cursor: str = ""
    ) -> Iterator[Event | GapInEvents]:
        """Follows the events of a run from a cursor (empty: from the first) to its end."""
        return _iterate(
            self._loop,
            lambda: self._client.subscribe_run_events(run_id, cursor=cursor).__aiter__(),
        )

    def follow_run(
        self, run_id: str, *, cursor: str = ""
    ) -> Iterator[Event | GapInEvents | Ephemeral]:
        """Follows a run to its end with what its handler says; see `Client.follow_run`."""
        return _iterate(
            self._loop, lambda: self._client.follow_run(run_id, cursor=cursor).__aiter__()
        )

    def subscribe_all(
        self,
        *,
        cursor: str = "",
        workflow: str = "",
        status_only: bool = False,
        filter: RunFilter | str | None = None,
        follow: bool = True,
    ) -> Iterator[Event | GapInEvents]:
        """Follows the events of all runs that match; see `Client.subscribe_all`."""
        events = self._client.subscribe_all(
            cursor=cursor, workflow=workflow, status_only=status_only, filter=filter, follow=follow
        )
        return _iterate(self._loop, events.__aiter__)

    def list_runs(
        self,
        *,
        statuses: Sequence[str] = (),
        workflow: str = "",
        filter: RunFilter | str | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> RunPage:
        """Gives a page of runs, newest first; see `Client.list_runs`."""
        return self._loop.call(
            lambda: self._client.list_runs(
                statuses=statuses, workflow=workflow, filter=filter, limit=limit, cursor=cursor
            )
        )

    def runs(
        self,
        *,
        statuses: Sequence[str] = (),
        workflow: str = "",
        filter: RunFilter | str | None = None,
    ) -> Iterator[RunSnapshot]:
        """Gives all runs that match, newest first, page by page."""
        return _iterate(
            self._loop,
            lambda: self._client.runs(statuses=statuses, workflow=workflow, filter=filter),
        )

    def list_workers(
        self, *, kind: str = "", filter: WorkerFilter | str | None = None
    ) -> list[WorkerRecord]:
        """Gives the workers with a live session, all of them or those that match."""
        return self._loop.call(lambda: self._client.list_workers(kind=kind, filter=filter))

    def drain_worker(self, worker_id: str, *, immediate: bool = False) -> Drained:
        """Stops giving work to a worker; `immediate` also takes back what it runs."""
        return self._loop.call(lambda: self._client.drain_worker(worker_id, immediate=immediate))

    def drain_workers(
        self,
        *,
        kind: str = "",
        tags: Sequence[str] = (),
        filter: WorkerFilter | str | None = None,
        immediate: bool = False,
    ) -> dict[str, Drained]:
        """Drains the workers that match; see `Client.drain_workers`."""
        return self._loop.call(
            lambda: self._client.drain_workers(
                kind=kind, tags=tags, filter=filter, immediate=immediate
            )
        )

    def list_inputs(
        self, run_id: str = "", *, limit: int = inputs.PAGE, cursor: str = ""
    ) -> InputPage:
        """Gives a page of open questions, oldest first; see `Client.list_inputs`."""
        return self._loop.call(lambda: self._client.list_inputs(run_id, limit=limit, cursor=cursor))

    def respond(self, run_id: str, request_id: str, response: Any) -> bool:
        """Answers a question of a run; see `Client.respond`."""
        return self._loop.call(lambda: self._client.respond(run_id, request_id, response))

    def stats(self) -> Stats:
        """Gives the counters, queues and deficits of the namespace."""
        return self._loop.call(self._client.stats)


def _iterate(loop: LoopThread, start: Callable[[], AsyncIterator[ItemT]]) -> Iterator[ItemT]:
    # Each step is a call of its own: the caller's thread decides when the next one is wanted.
    end: Any = object()

    async def begin() -> AsyncIterator[ItemT]:
        return start()

    iterator = loop.call(begin)

    async def step() -> Any:
        return await anext(iterator, end)

    async def finish() -> None:
        close: Callable[[], Awaitable[None]] | None = getattr(iterator, "aclose", None)
        if close is not None:
            await close()

    try:
        while (item := loop.call(step)) is not end:
            yield item
    finally:
        # A closed client has ended it.
        with suppress(ClientClosed):
            loop.call(finish)
