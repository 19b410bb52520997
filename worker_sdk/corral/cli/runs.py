"""`corral runs` and `describe`: looking at runs."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from corral.cli.filtering import (
    FilterOption,
    LabelOption,
    RunKindOption,
    RunTagOption,
    StatusOption,
    WorkerOption,
    WorkflowOption,
    runs_chosen,
)
from corral.cli.options import (
    Connection,
    HubOption,
    JsonOption,
    NamespaceOption,
    TimeoutOption,
    TokenOption,
)
from corral.cli.output import (
    clock,
    compact,
    moment,
    print_fields,
    print_json,
    print_table,
    span,
)
from corral.client import Client
from corral.filters import RunFilter
from corral.records import ErrorRecord, RunSnapshot, RunStatus

PAGE = 256

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]


def runs(
    filter: FilterOption = "",
    workflow: WorkflowOption = "",
    status: StatusOption = None,
    label: LabelOption = None,
    kind: RunKindOption = "",
    worker: WorkerOption = "",
    tag: RunTagOption = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many runs at most.")] = 20,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """List runs, newest first.

    \b
    Examples:
      corral runs --status failed --status cancelled
      corral runs --workflow summarize --limit 100 --json
      corral runs --filter "label.team=search tag.gpu=*"
    """
    chosen = runs_chosen(filter, workflow, status, label, kind, worker, tag)
    connection = Connection(hub, token, namespace, timeout)
    found = connection.run(lambda client: _list(client, chosen, limit))
    if json:
        print_json(found)
        return
    print_table(
        ("RUN", "STATUS", "WORKFLOW", "WORKER", "ATTEMPT", "SUBMITTED", "TOOK"),
        (
            (
                run.run_id,
                status_text(run),
                run.workflow,
                run.worker_id,
                str(run.attempt or ""),
                moment(run.submitted_at_ms),
                _took(run),
            )
            for run in found
        ),
        spare=("TOOK", "ATTEMPT", "WORKER"),
        none="no runs",
    )


async def _list(client: Client, chosen: RunFilter, limit: int) -> list[RunSnapshot]:
    """Reads pages until there are enough runs: a page of a filtered listing may be short."""
    found: list[RunSnapshot] = []
    cursor = ""
    while True:
        page = await client.list_runs(
            filter=chosen, limit=min(PAGE, limit - len(found)), cursor=cursor
        )
        found.extend(page.runs)
        cursor = page.cursor
        if len(found) >= limit or not cursor:
            return found[:limit]


def describe(
    run: RunArgument,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Show a run in full: input, result or error, and its attempts.

    \b
    Examples:
      corral describe doc-17
      corral describe doc-17 --json | jq .output
    """
    connection = Connection(hub, token, namespace, timeout)
    found = connection.run(lambda client: client.describe_workflow(run))
    if json:
        print_json(found)
        return
    print_fields(_fields(found))
    if found.attempts:
        print()
        print_table(
            ("ATTEMPT", "OUTCOME", "WORKER", "HUB", "STARTED", "TOOK", "ERROR"),
            (
                (
                    str(attempt.number),
                    attempt.outcome,
                    attempt.worker_id,
                    attempt.hub,
                    moment(attempt.started_at_ms),
                    span(attempt.started_at_ms, attempt.ended_at_ms),
                    _error(attempt.error),
                )
                for attempt in found.attempts
            ),
            wraps=("ERROR",),
            spare=("HUB",),
        )


def status_text(run: RunSnapshot) -> str:
    """Writes a status, and whether the run is still being stopped."""
    return f"{run.status} (stopping)" if run.stopping else str(run.status)


def _took(run: RunSnapshot) -> str:
    """Writes how long the last attempt took; of one that runs, how long so far by our clock."""
    running = run.status is RunStatus.RUNNING
    return span(run.started_at_ms, round(time.time() * 1000) if running else run.ended_at_ms)


def _error(error: ErrorRecord | None) -> str:
    if error is None:
        return ""
    cause = f"{error.type}: {error.message}" if error.type else error.message
    return f"{error.code} {cause}"


def _fields(run: RunSnapshot) -> list[tuple[str, str]]:
    version = f"@{run.workflow_version}" if run.workflow_version else ""
    return [
        ("run", run.run_id),
        ("status", status_text(run)),
        ("workflow", run.workflow + version),
        ("capability", run.capability),
        ("priority", str(run.priority)),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(run.labels.items()))),
        ("fairness key", run.fairness_key),
        ("worker", run.worker_id),
        ("hub", run.hub),
        ("attempt", str(run.attempt)),
        ("lost", str(run.lost or "")),
        ("submitted", clock(run.submitted_at_ms)),
        ("starts", clock(run.due_at_ms)),
        ("deadline", clock(run.deadline_at_ms)),
        ("started", clock(run.started_at_ms)),
        ("ended", clock(run.ended_at_ms)),
        ("took", _took(run)),
        ("cancelled because", run.cancel_reason),
        ("error", _error(run.error)),
        ("input", compact(run.input)),
        ("output", compact(run.output)),
    ]
