"""What submitters and operators can do, as plain functions on the store.

Knows no wire: wires turn their messages into these records and back.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace
from typing import Self

import msgspec

from corral_hub import filters, jobs, names
from corral_hub.config import HubConfig
from corral_hub.errors import (
    AlreadyExists,
    HubError,
    InvalidRequest,
    NoMatchingWorker,
    RunNotFound,
    StoreFull,
    WorkerNotFound,
)
from corral_hub.limits import Limits, LimitsOf, queue_full, rate_limited
from corral_hub.requests import SubmitRequest, class_text, to_run
from corral_store.batching import ITEMS_PER_CALL
from corral_store.ending import give_up
from corral_store.filters import RunFilter, WorkerFilter
from corral_store.records import Described, Explained, NewRun, SessionRow, Stats, Submitted
from corral_store.transitions import Transitions

SUBMIT_LIMIT = 1000
# A part is what one call of the store takes, or less when inputs are large: fewer cost more each.
CHARACTERS_PER_PART = 2_000_000
# Runs that are read before the loop goes round.
RUNS_PER_TURN = 16
SCORE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
DRAINS_PER_CALL = 64
LIVE = ("pending", "delayed", "offered", "running", "parked")

STAGES = {
    "capability": "no worker offers the capability",
    "tags": "workers offer the capability, but none has all the required tags",
    "selector": "workers offer the capability, but the selector's labels exclude each",
    "taints": "workers offer the capability, but each has a taint that is not tolerated",
    "vram": "workers offer the capability, but no device of theirs has the video memory asked for",
    "room": "every worker that could take it is full",
}


class Accepted(msgspec.Struct, frozen=True):
    """A run that is there now; `known` is what was there before under its id or key."""

    verdict: Submitted
    asked: NewRun
    known: Described | None = None
    warnings: tuple[str, ...] = ()


class Orchestrator:
    """The orchestrator's side of one hub."""

    def __init__(self, config: HubConfig, limits: LimitsOf) -> None:
        self._config = config
        self._limits = limits

    async def submit_one(self, transitions: Transitions, request: SubmitRequest) -> Accepted:
        """Accepts a run. Raises what it is refused with, and store errors."""
        limits = self._limits.of(transitions.namespace)
        run = to_run(request, limits.max_payload_bytes, self._config.retention_ms)
        verdicts = await transitions.submit([run])
        (item,) = await self._outcomes(transitions, [run], verdicts, limits)
        if isinstance(item, HubError):
            raise item
        return item

    async def submit(
        self, transitions: Transitions, requests: Iterable[SubmitRequest | HubError]
    ) -> AsyncGenerator[list[Accepted | HubError]]:
        """Accepts runs in parts and gives the outcomes of each part, in order; an error among
        the requests is its own outcome.

        While the store has one part the next is read, and the workers begin with the first.
        Raises store errors: then earlier parts stand, and what became of later ones is unknown.
        """
        limits = self._limits.of(transitions.namespace)
        parts: list[_Part] = []
        try:
            part = _Part()
            for count, request in enumerate(requests, start=1):
                part.take(request, limits.max_payload_bytes, self._config.retention_ms)
                if part.full:
                    parts.append(part.leave(transitions))
                    part = _Part()
                if count % RUNS_PER_TURN == 0:
                    # Parts leave meanwhile, and whoever sends one run does not wait for many.
                    await asyncio.sleep(0)
            parts.append(part.leave(transitions))
            for part in parts:
                verdicts = await part.verdicts()
                outcomes = iter(await self._outcomes(transitions, part.runs, verdicts, limits))
                yield [error or next(outcomes) for error in part.errors]
        finally:
            await give_up([part.call for part in parts if part.call is not None])

    async def _outcomes(
        self,
        transitions: Transitions,
        runs: Sequence[NewRun],
        verdicts: Sequence[Submitted],
        limits: Limits,
    ) -> list[Accepted | HubError]:
        known = await self._known(transitions, verdicts)
        return [
            _verdict(run, verdict, known.get(verdict.run), limits)
            for run, verdict in zip(runs, verdicts, strict=True)
        ]

    async def _known(
        self, transitions: Transitions, verdicts: Sequence[Submitted]
    ) -> dict[str, Described]:
        wanted = [v.run for v in verdicts if v.verdict == "duplicate"]
        if not wanted:
            return {}
        found = await transitions.describe(wanted, "o" if len(wanted) == 1 else "")
        return {run: d for run, d in zip(wanted, found, strict=True) if d is not None}

    async def cancel(
        self, transitions: Transitions, run: str, reason: str
    ) -> tuple[Described, bool]:
        """Cancels a run; gives it as it is now, and whether it is cancelled.

        Raises RunNotFound, InvalidRequest.
        """
        names.require(names.RUN_ID, run, "run_id")
        check_reason(reason)
        (verdict,) = await transitions.cancel([(run, jobs.dumps(reason))])
        if verdict == "unknown":
            raise not_found(run)
        return await self.describe(transitions, run, ""), verdict in ("cancelled", "already")

    async def describe(self, transitions: Transitions, run: str, what: str = "ioa") -> Described:
        """A run as it stands. Raises RunNotFound."""
        names.require(names.RUN_ID, run, "run_id")
        (found,) = await transitions.describe([run], what)
        if found is None:
            raise not_found(run)
        return found

    async def list_runs(
        self, transitions: Transitions, filter: RunFilter, limit: int, cursor: str
    ) -> tuple[list[tuple[str, dict[str, str]]], str]:
        """A page of runs, newest first, and the cursor of the next ("" at the end)."""
        score, _, run = cursor.partition(":")
        if cursor and not (SCORE.fullmatch(score) and names.RUN_ID.fullmatch(run)):
            raise InvalidRequest(
                f"cursor {cursor[:80]!r} is none; send one that a page carried", field="cursor"
            )
        rows, (score, run) = await transitions.list_runs(filter, page(limit, 50), (score, run))
        return rows, f"{score}:{run}" if run else ""

    async def list_workers(
        self, transitions: Transitions, filter: WorkerFilter, limit: int, cursor: str
    ) -> tuple[list[SessionRow], str]:
        """A page of live sessions, and the cursor of the next ("" at the end)."""
        if cursor and not names.SESSION_ID.fullmatch(cursor):
            raise InvalidRequest(
                f"cursor {cursor[:80]!r} is none; send one that a page carried", field="cursor"
            )
        return await transitions.list_sessions(filter, page(limit, 100), cursor)

    async def drain(self, transitions: Transitions, worker: str, immediate: bool) -> int:
        """No new work for a worker; gives what it still has. Raises WorkerNotFound."""
        names.require(names.WORKER_ID, worker, "worker_id")
        verdict, in_flight = await transitions.drain(worker, "drain_now" if immediate else "drain")
        if verdict != "ok":
            raise WorkerNotFound(
                f"no live session of worker {worker!r}; see the list of workers", field="worker_id"
            )
        return in_flight

    async def drain_matching(
        self, transitions: Transitions, filter: WorkerFilter, immediate: bool, cursor: str
    ) -> tuple[list[tuple[str, int]], str]:
        """Drains a page of what a filter names; gives the workers with what each still has,
        and the cursor to go on from. One that ends meanwhile is left out.

        Raises InvalidRequest for a filter that says nothing.
        """
        filters.something(filter)
        rows, cursor = await self.list_workers(transitions, filter, DRAINS_PER_CALL, cursor)
        workers = [row.fields["worker"] for row in rows]
        how = "drain_now" if immediate else "drain"
        verdicts = await asyncio.gather(*(transitions.drain(worker, how) for worker in workers))
        done = zip(workers, verdicts, strict=True)
        return [(worker, left) for worker, (verdict, left) in done if verdict == "ok"], cursor

    async def cancel_matching(
        self, transitions: Transitions, filter: RunFilter, reason: str, cursor: str
    ) -> tuple[list[str], str]:
        """Cancels a page of what a filter names; gives them and the cursor to go on from.

        Raises InvalidRequest for a filter that says nothing.
        """
        filters.something(filter)
        check_reason(reason)
        wanted = replace(filter, statuses=filter.statuses or LIVE)
        found, cursor = await self.list_runs(transitions, wanted, ITEMS_PER_CALL, cursor)
        runs = [(run, jobs.dumps(reason)) for run, _ in found]
        verdicts = await transitions.cancel(runs) if runs else []
        done = [run for (run, _), v in zip(runs, verdicts, strict=True) if v == "cancelled"]
        return done, cursor

    async def retry(self, transitions: Transitions, runs: Sequence[str]) -> list[tuple[str, str]]:
        """Gives ended runs a new set of attempts; a verdict for each."""
        if len(runs) > ITEMS_PER_CALL:
            raise InvalidRequest(
                f"{len(runs)} runs; {ITEMS_PER_CALL} at most in one call", field="run_ids",
                limit=str(ITEMS_PER_CALL),
            )  # fmt: skip
        for run in runs:
            names.require(names.RUN_ID, run, "run_ids")
        described = await transitions.describe(runs, "i") if runs else []
        shapes = [class_text(jobs.decode(d.job)) if d else "{}" for d in described]
        verdicts = await transitions.retry(list(zip(runs, shapes, strict=True))) if runs else []
        return list(zip(runs, verdicts, strict=True))

    async def retry_matching(
        self, transitions: Transitions, filter: RunFilter, cursor: str
    ) -> tuple[list[tuple[str, str]], str]:
        """Retries a page of what a filter names (failed runs, unless it says otherwise).

        Raises InvalidRequest for a filter that says nothing.
        """
        filters.something(filter)
        wanted = replace(filter, statuses=filter.statuses or ("failed",))
        found, cursor = await self.list_runs(transitions, wanted, ITEMS_PER_CALL, cursor)
        return await self.retry(transitions, [run for run, _ in found]), cursor

    async def pause(self, transitions: Transitions, kind: str, paused: bool) -> list[str]:
        """Stops or resumes giving out a kind; gives the kinds that are paused."""
        names.require(names.KIND, kind, "kind")
        return await transitions.pause(kind, paused)

    async def explain(self, transitions: Transitions, run: str) -> Explained:
        """Why a run waits. Raises RunNotFound."""
        names.require(names.RUN_ID, run, "run_id")
        found = await transitions.explain(run)
        if found is None:
            raise not_found(run)
        return found

    async def stats(self, transitions: Transitions) -> Stats:
        """Counters, queues and deficits."""
        return await transitions.stats()


def check_count(runs: int) -> None:
    """Raises InvalidRequest for more runs than one submit may carry, and for none."""
    if not 1 <= runs <= SUBMIT_LIMIT:
        raise InvalidRequest(
            f"{runs} runs in one call; 1 to {SUBMIT_LIMIT} is possible",
            field="runs",
            limit=str(SUBMIT_LIMIT),
        )


def check_reason(reason: str) -> None:
    """Raises InvalidRequest for a reason that is too long to be kept with every run."""
    if len(reason) > 256:
        raise InvalidRequest("reason is longer than 256 characters", field="reason", limit="256")


def page(limit: int, default: int) -> int:
    """A page size; raises InvalidRequest above the bound."""
    if not 0 <= limit <= ITEMS_PER_CALL:
        raise InvalidRequest(
            f"limit is {limit}; 1 to {ITEMS_PER_CALL} is possible", field="limit",
            limit=str(ITEMS_PER_CALL),
        )  # fmt: skip
    return limit or default


def not_found(run: str) -> RunNotFound:
    """The error for a run that is not there."""
    return RunNotFound(
        f"there is no run {run!r} in this namespace; it may have been removed after its "
        "retention, see the list of runs",
        run_id=run,
        field="run_id",
    )


class _Part:
    """Runs that go to the store in one call, and among them the requests that are refused here.

    `errors` has an entry for each request, None for a run; `call` is there behind `leave`.
    """

    def __init__(self) -> None:
        self.runs: list[NewRun] = []
        self.errors: list[HubError | None] = []
        self.call: asyncio.Task[list[Submitted]] | None = None
        self._size = 0

    @property
    def full(self) -> bool:
        """True when the next request belongs to another part."""
        return len(self.errors) >= ITEMS_PER_CALL or self._size >= CHARACTERS_PER_PART

    def take(self, request: SubmitRequest | HubError, max_payload: int, retention_ms: int) -> None:
        """Checks a request, and adds it."""
        error = request if isinstance(request, HubError) else None
        if not isinstance(request, HubError):
            try:
                self.runs.append(to_run(request, max_payload, retention_ms))
                self._size += len(self.runs[-1].job)
            except HubError as refusal:
                error = refusal
        self.errors.append(error)

    def leave(self, transitions: Transitions) -> Self:
        """Begins the call."""
        if self.runs:
            self.call = asyncio.create_task(transitions.submit(self.runs))
        return self

    async def verdicts(self) -> list[Submitted]:
        """What the store says of each run."""
        return await self.call if self.call is not None else []


def _verdict(
    run: NewRun, verdict: Submitted, known: Described | None, limits: Limits
) -> Accepted | HubError:
    match verdict.verdict:
        case "accepted":
            warnings = (
                (f"{STAGES[verdict.stage]} ({run.kind}): the run waits for one that does",)
                if verdict.stage
                else ()
            )
            return Accepted(verdict, run, warnings=warnings)
        case "duplicate":
            return Accepted(verdict, run, known) if known else not_found(verdict.run)
        case "conflict":
            return AlreadyExists(
                f"run {verdict.run!r} has this id or idempotency key with another request; use "
                "a new key for a new request",
                field="idempotency_key" if run.idem else "run_id",
                run_id=verdict.run,
            )
        case "no_worker":
            return NoMatchingWorker(
                f"{STAGES[verdict.stage]} ({run.kind}); submit with wait_for_worker=true to "
                "queue it, or look at the list of workers",
                field="wait_for_worker",
            )
        case "vram_required":
            return InvalidRequest(
                f"only workers with a budget of video memory offer {run.kind}: say "
                "resource_hint.vram_mb",
                field="resource_hint.vram_mb",
            )
        case "queue_full":
            return queue_full(run.kind, limits)
        case "rate_limited":
            return rate_limited(int(verdict.stage), limits)
        case _:
            return StoreFull(
                "the store is near its memory limit and takes no new runs; raise maxmemory, "
                "shorten retention, or wait until runs have ended"
            )
