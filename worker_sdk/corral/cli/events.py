"""`corral events`: what happened to a run, or happens to all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer

from corral.cli import following
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
    FOLLOW_SECONDS,
    Connection,
    HubOption,
    JsonOption,
    NamespaceOption,
    TimeoutOption,
    TokenOption,
)
from corral.cli.output import clean, compact, print_json_line
from corral.client import Client
from corral.records import Event, GapInEvents
from corral.subscription import START_OF_FEED, AllEvents


def events(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Id of the run; without one: all runs.")
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow/--no-follow", "-f", help="Go on until the run has ended, or until Ctrl-C."
        ),
    ] = False,
    cursor: Annotated[
        str,
        typer.Option(
            metavar="CURSOR", help="Go on after this event; every event carries its cursor."
        ),
    ] = "",
    from_start: Annotated[
        bool,
        typer.Option(
            "--from-start", help="All runs, with --follow: begin with the oldest event kept."
        ),
    ] = False,
    status_only: Annotated[
        bool, typer.Option("--status-only", help="All runs: only changes of status.")
    ] = False,
    filter: FilterOption = "",
    workflow: WorkflowOption = "",
    status: StatusOption = None,
    label: LabelOption = None,
    kind: RunKindOption = "",
    worker: WorkerOption = "",
    tag: RunTagOption = None,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Show the events of a run so far, or follow them. With --json, one event to a line.

    With RUN and --follow, also parts of its answer, progress and lines of its log.
    Without RUN, the events of all runs that match, as far as they are kept; with --follow those
    from now on. A status is that of the events, and leaves only changes of status.

    \b
    Examples:
      corral events doc-17 --follow
      corral events --follow --workflow summarize --status-only --json
      corral events --filter "status=failed,cancelled label.team=search"
    """
    if cursor and from_start:
        raise typer.BadParameter("--cursor and --from-start exclude each other")
    chosen = runs_chosen(filter, workflow, status, label, kind, worker, tag)
    if run is not None and (from_start or status_only or chosen):
        raise typer.BadParameter(
            "filters, --from-start and --status-only are for the events of all runs; "
            "leave RUN away, or leave them away"
        )
    connection = Connection(hub, token, namespace, timeout)
    if follow:
        # Who follows waits long for another hub, but the first one must be there in time.
        connection.run(lambda client: client.list_runs(limit=1))
        connection = replace(connection, timeout=max(timeout, FOLLOW_SECONDS))
    if run is not None:
        connection.run(lambda client: _one(client, run, cursor, follow, json))
        return
    first = START_OF_FEED if from_start else cursor
    connection.run(
        lambda client: _all(
            client.subscribe_all(
                cursor=first, filter=chosen, status_only=status_only, follow=follow
            ),
            json,
        )
    )


async def _one(client: Client, run_id: str, cursor: str, follow: bool, json: bool) -> None:
    if follow:
        await following.follow(client, run_id, cursor, lambda event: _line(event, []), json=json)
        return
    # What has happened by now is enough, even when the run goes on.
    last = (await client.describe_workflow(run_id)).last_event
    if last == _number(cursor):
        return
    async for event in client.subscribe_run_events(run_id, cursor=cursor):
        _print(event, json, with_run=False)
        reached = event.number if isinstance(event, Event) else event.last
        if reached >= last:
            return


async def _all(events: AllEvents, json: bool) -> None:
    async for event in events:
        _print(event, json, with_run=True)


def _number(cursor: str) -> int:
    """The number of the last event seen; 0 for a cursor that only the hub can judge."""
    number = "".join(cursor.split("-")[1:2])
    return int(number) if number.isdigit() else 0


def _print(event: Event | GapInEvents, json: bool, *, with_run: bool) -> None:
    if json:
        print_json_line(event)
        return
    print(_line(event, [event.run_id] if with_run and event.run_id else []), flush=True)


def _line(event: Event | GapInEvents, run: list[str]) -> str:
    if isinstance(event, GapInEvents):
        numbers = f" {event.first} to {event.last}" if event.last else ""
        words = [*run, f"events{numbers} are gone ({event.reason})"]
    else:
        words = [_time(event.time_ms), *run, f"#{event.number}", event.type, compact(event.payload)]
    return "  ".join(clean(word) for word in words).rstrip()


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000).isoformat(sep=" ", timespec="milliseconds")
