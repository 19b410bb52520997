"""`corral cancel`: ending one run, or all that a filter names."""

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
    pairs,
)
from corral.cli.output import clean, print_json
from corral.cli.runs import check_statuses, status_text


def cancel(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Id of the run.", show_default=False)
    ] = "",
    workflow: Annotated[
        str, typer.Option(help="Instead of RUN: the runs of this workflow. Needs --all.")
    ] = "",
    status: Annotated[
        list[str] | None,
        typer.Option(help="Instead of RUN: runs of this status; may be repeated. Needs --all."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Instead of RUN: runs with this label; may be repeated. Needs --all.",
        ),
    ] = None,
    all: Annotated[
        bool, typer.Option("--all", help="Yes, all runs that the filter names.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Reason, for people.")] = "",
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Cancel a run: what has not started never will, what runs is told to stop.

    Cancelling again changes nothing. A run that has ended otherwise stays as it was, and the
    exit code is 3. With a filter, the runs that match and have not ended are cancelled.

    \b
    Examples:
      corral cancel doc-17 --reason "wrong document"
      corral cancel --workflow summarize --status pending --all
    """
    labels = pairs("--label", label)
    check_statuses(status)
    filtered = bool(workflow or status or labels)
    if bool(run) == filtered:
        raise typer.BadParameter("name one RUN, or say which with --workflow, --status or --label")
    if filtered != all:
        raise typer.BadParameter(
            "add --all to cancel every run that the filter names"
            if filtered
            else "--all goes with --workflow, --status or --label",
            param_hint="--all",
        )
    connection = Connection(hub, token, namespace, timeout)
    if not filtered:
        _one(connection, run, reason, json)
        return
    run_ids = connection.run(
        lambda client: client.cancel_workflows(
            workflow=workflow, statuses=status or (), labels=labels, reason=reason
        )
    )
    if json:
        print_json({"cancelled": run_ids})
        return
    for run_id in run_ids:
        print(f"{clean(run_id)} cancelled")


def _one(connection: Connection, run: str, reason: str, json: bool) -> None:
    found, cancelled = connection.run(lambda client: client.cancel_run(run, reason))
    if json:
        print_json({"run_id": found.run_id, "status": found.status, "cancelled": cancelled})
    elif cancelled:
        print(f"{found.run_id} {status_text(found)}")
    if not cancelled:
        raise CommandFailed(
            f"run {found.run_id} had ended as {found.status}; nothing was cancelled", Exit.REFUSED
        )
