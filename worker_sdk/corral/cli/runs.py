"""`corral runs`, `describe` and `cancel`: looking at runs and ending them."""

from __future__ import annotations

from typing import Annotated

import typer

from corral.cli.exits import CommandFailed, Exit
from corral.cli.options import (
    Connection,
    HubOption,
    JsonOption,
    NamespaceOption,
    TimeoutOption,
    TokenOption,
)
from corral.cli.output import clock, compact, print_fields, print_json, print_table, span
from corral.client import Client
from corral.records import ErrorRecord, RunSnapshot, RunStatus

PAGE = 256
STATUSES = tuple(status for status in RunStatus if status is not RunStatus.UNKNOWN)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]


def runs(
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only runs of this status, e.g. failed; may be repeated."),
    ] = None,
    workflow: Annotated[str, typer.Option(help="Only runs of this workflow.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many runs at most.")] = 20,
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
    """
    for one in status or ():
        if one not in STATUSES:
            raise typer.BadParameter(
                f"{one!r} is no status: use {', '.join(STATUSES)}", param_hint="--status"
            )
    connection = Connection(hub, token, namespace, timeout)
    found = connection.run(lambda client: _list(client, status or [], workflow, limit))
    if json:
        print_json(found)
        return
    print_table(
        ("RUN", "STATUS", "WORKFLOW", "WORKER", "ATTEMPT", "SUBMITTED", "TOOK"),
        (
            (
                run.run_id,
                _status(run),
                run.workflow,
                run.worker_id,
                str(run.attempt or ""),
                clock(run.submitted_at_ms),
                span(run.started_at_ms, run.ended_at_ms),
            )
            for run in found
        ),
    )


async def _list(
    client: Client, statuses: list[str], workflow: str, limit: int
) -> list[RunSnapshot]:
    """Reads pages until there are enough runs: a page of a filtered listing may be short."""
    found: list[RunSnapshot] = []
    cursor = ""
    while True:
        page = await client.list_runs(
            statuses=statuses,
            workflow=workflow,
            limit=min(PAGE, limit - len(found)),
            cursor=cursor,
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
                    clock(attempt.started_at_ms),
                    span(attempt.started_at_ms, attempt.ended_at_ms),
                    _error(attempt.error),
                )
                for attempt in found.attempts
            ),
        )


def cancel(
    run: RunArgument,
    reason: Annotated[str, typer.Option(help="Reason, for people.")] = "",
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Cancel a run: what has not started never will, what runs is told to stop.

    Cancelling again changes nothing. A run that has ended otherwise stays as it was, and the
    exit code is 3.

    \b
    Example:
      corral cancel doc-17 --reason "wrong document"
    """
    connection = Connection(hub, token, namespace, timeout)
    found, cancelled = connection.run(lambda client: client.cancel_run(run, reason))
    if json:
        print_json({"run_id": found.run_id, "status": found.status, "cancelled": cancelled})
    elif cancelled:
        print(f"{found.run_id} {_status(found)}")
    if not cancelled:
        raise CommandFailed(
            f"run {found.run_id} had ended as {found.status}; nothing was cancelled", Exit.REFUSED
        )


def _status(run: RunSnapshot) -> str:
    return f"{run.status} (stopping)" if run.stopping else str(run.status)


def _error(error: ErrorRecord | None) -> str:
    if error is None:
        return ""
    cause = f"{error.type}: {error.message}" if error.type else error.message
    return f"{error.code} {cause}"


def _fields(run: RunSnapshot) -> list[tuple[str, str]]:
    version = f"@{run.workflow_version}" if run.workflow_version else ""
    return [
        ("run", run.run_id),
        ("status", _status(run)),
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
        ("took", span(run.started_at_ms, run.ended_at_ms)),
        ("cancelled because", run.cancel_reason),
        ("error", _error(run.error)),
        ("input", compact(run.input)),
        ("output", compact(run.output)),
    ]
