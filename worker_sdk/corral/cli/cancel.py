"""`corral cancel`: ending one run, or all that a filter names."""

from __future__ import annotations

from typing import Annotated

import typer

from corral.cli.exits import CommandFailed, Exit
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
from corral.cli.output import clean, print_json
from corral.cli.runs import status_text


def cancel(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Id of the run.", show_default=False)
    ] = "",
    filter: FilterOption = "",
    workflow: WorkflowOption = "",
    status: StatusOption = None,
    label: LabelOption = None,
    kind: RunKindOption = "",
    worker: WorkerOption = "",
    tag: RunTagOption = None,
    all: Annotated[
        bool, typer.Option("--all", help="Yes, all runs that the filter names.")
    ] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Reason, for people.")] = "",
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Cancel a run, or all that a filter names.

    What has not started never will, what runs is told to stop. Cancelling again changes nothing. A
    run that has ended otherwise stays as it was, and the exit code is 3. With a filter, the
    runs that match and have not ended are cancelled.

    \b
    Examples:
      corral cancel doc-17 --reason "wrong document"
      corral cancel --workflow summarize --status pending --all
      corral cancel --filter "status=running worker=gpu-1" --all
    """
    chosen = runs_chosen(filter, workflow, status, label, kind, worker, tag)
    filtered = bool(chosen)
    if bool(run) == filtered:
        raise typer.BadParameter(
            "name one RUN, or say which with --filter, or with --workflow, --status, --label, "
            "--kind, --worker or --tag" + ("; not both" if filtered else "")
        )
    if filtered != all:
        raise typer.BadParameter(
            "add --all to cancel every run that the filter names"
            if filtered
            else "--all goes with a filter of runs",
            param_hint="--all",
        )
    connection = Connection(hub, token, namespace, timeout)
    if not filtered:
        _one(connection, run, reason, json)
        return
    run_ids = connection.run(lambda client: client.cancel_workflows(filter=chosen, reason=reason))
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
