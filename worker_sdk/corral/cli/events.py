"""`corral events`: what happened to a run, or happens to all of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

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

# A cursor that stands before everything that the feed still has.
START_OF_FEED = "0-0"


def events(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id of the run; without one: all runs.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")
    ] = False,
    cursor: Annotated[
        str, typer.Option(help="Go on after this event; every event carries its cursor.")
    ] = "",
    from_start: Annotated[
        bool, typer.Option("--from-start", help="All runs: begin with the oldest event kept.")
    ] = False,
    workflow: Annotated[str, typer.Option(help="All runs: only those of this workflow.")] = "",
    status_only: Annotated[
        bool, typer.Option("--status-only", help="All runs: only changes of status.")
    ] = False,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Show the events of a run so far, or follow them. With --json, one event to a line.

    Without RUN, follows the events of all runs from now on, until Ctrl-C.

    \b
    Examples:
      corral events doc-17 --follow
      corral events --workflow summarize --status-only --json
    """
    if cursor and from_start:
        raise typer.BadParameter("--cursor and --from-start exclude each other")
    if run is not None and (from_start or workflow or status_only):
        raise typer.BadParameter(
            "--from-start, --workflow and --status-only are for the events of all runs; "
            "leave RUN away, or leave them away"
        )
    endless = run is None or follow
    connection = Connection(
        hub, token, namespace, max(timeout, FOLLOW_SECONDS) if endless else timeout
    )
    if run is None:
        first = START_OF_FEED if from_start else cursor
        connection.run(lambda client: _all(client, first, workflow, status_only, json))
    else:
        connection.run(lambda client: _one(client, run, cursor, follow, json))


async def _one(client: Client, run_id: str, cursor: str, follow: bool, json: bool) -> None:
    # Without --follow, what has happened by now is enough, even when the run goes on.
    last = None if follow else (await client.describe_workflow(run_id)).last_event
    if last is not None and last == _number(cursor):
        return
    async for event in client.subscribe_run_events(run_id, cursor=cursor):
        _print(event, json, with_run=False)
        reached = event.number if isinstance(event, Event) else event.last
        if last is not None and reached >= last:
            return


async def _all(client: Client, cursor: str, workflow: str, status_only: bool, json: bool) -> None:
    async for event in client.subscribe_all(
        cursor=cursor, workflow=workflow, status_only=status_only
    ):
        _print(event, json, with_run=True)


def _number(cursor: str) -> int:
    """The number of the last event seen; 0 for a cursor that only the hub can judge."""
    number = cursor.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


def _print(event: Event | GapInEvents, json: bool, *, with_run: bool) -> None:
    if json:
        print_json_line(event)
        return
    run = [event.run_id] if with_run and event.run_id else []
    if isinstance(event, GapInEvents):
        numbers = f" {event.first} to {event.last}" if event.last else ""
        words = [*run, f"events{numbers} are gone ({event.reason})"]
    else:
        words = [_time(event.time_ms), *run, f"#{event.number}", event.type, compact(event.payload)]
    print("  ".join(clean(word) for word in words).rstrip(), flush=True)


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000).isoformat(sep=" ", timespec="milliseconds")
