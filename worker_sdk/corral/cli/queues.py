"""`corral retry`, `pause`, `resume` and `explain`: looking after what waits and what failed."""

from __future__ import annotations

from typing import Annotated

import typer

from corral.cli.exits import CommandFailed, Exit, complain
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
from corral.cli.output import clean, clock, print_fields, print_json, print_table
from corral.cli.runs import RunArgument
from corral.explanation import Explanation
from corral.records import RunStatus

KindArgument = Annotated[
    str, typer.Argument(metavar="KIND", help="Kind of capability, e.g. workflow:summarize.")
]


def retry(
    run: Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Ids of runs.")] = None,
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
    """Give failed or cancelled runs a new set of attempts.

    With a filter these are the failed ones, unless it names a status. A run that was named and
    cannot be retried, as it has not ended, is completed or unknown, makes the exit code 3.

    \b
    Examples:
      corral retry doc-17 doc-18
      corral retry --workflow summarize --label team=search
      corral retry --filter "status=failed,cancelled workflow=summarize"
    """
    chosen = runs_chosen(filter, workflow, status, label, kind, worker, tag)
    if bool(run) == bool(chosen):
        raise typer.BadParameter(
            "name each RUN, or say which with --filter, or with --workflow, --status, --label, "
            "--kind, --worker or --tag" + ("; not both" if chosen else "")
        )
    connection = Connection(hub, token, namespace, timeout)
    verdicts = connection.run(
        lambda client: client.retry_runs(run or (), filter=None if run else chosen)
    )
    if json:
        print_json(verdicts)
    else:
        for run_id, verdict in verdicts.items():
            print(f"{clean(run_id)} {clean(verdict)}")
    left = sum(verdict != "retried" for verdict in verdicts.values())
    if run and left:
        raise CommandFailed(
            f"{left} of {len(verdicts)} runs could not be retried; only failed and cancelled "
            "ones can, once their worker has stopped",
            Exit.REFUSED,
        )


def pause(
    kind: KindArgument,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Give out no more runs of a kind.

    What runs goes on, and submits are accepted. Those of a workflow are of the kind
    workflow:NAME.

    \b
    Example:
      corral pause workflow:summarize
    """
    connection = Connection(hub, token, namespace, timeout)
    _print_paused(connection.run(lambda client: client.pause(kind)), json)
    if ":" not in kind:
        complain(f"note: runs of a workflow are of another kind: workflow:{kind}")


def resume(
    kind: KindArgument,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Give out the runs of a paused kind again.

    \b
    Example:
      corral resume workflow:summarize
    """
    connection = Connection(hub, token, namespace, timeout)
    _print_paused(connection.run(lambda client: client.resume(kind)), json)


def explain(
    run: RunArgument,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Say why a run waits.

    Shows what each worker lacks, and what stands before the run in line.

    \b
    Examples:
      corral explain doc-17
      corral explain doc-17 --json | jq .stages
    """
    connection = Connection(hub, token, namespace, timeout)
    found = connection.run(lambda client: client.explain(run))
    if json:
        print_json(found)
        return
    due_at_ms = 0
    if found.status is RunStatus.DELAYED:
        due_at_ms = connection.run(lambda client: client.describe_workflow(run)).due_at_ms
    print_fields(_fields(found, due_at_ms))
    if found.stages:
        print()
        print_table(
            ("STAGE", "WORKERS"),
            ((stage, str(count)) for stage, count in sorted(found.stages.items())),
        )
    if found.workers:
        print()
        print_table(
            ("WORKER", "VERDICT", "SCORE"),
            (
                (w.worker_id, w.verdict, str(w.score) if w.verdict == "fits" else "")
                for w in found.workers
            ),
        )


def _print_paused(kinds: list[str], json: bool) -> None:
    if json:
        print_json({"paused": kinds})
    else:
        print("paused: " + (clean(", ".join(kinds)) or "nothing"))


def _fields(found: Explanation, due_at_ms: int) -> list[tuple[str, str]]:
    waiting = sorted(found.waiting_by_band.items())
    return [
        ("run", found.run_id),
        ("status", str(found.status)),
        ("why", found.summary),
        ("starts", clock(due_at_ms)),
        ("ahead in its flow", str(found.ahead_in_flow or "")),
        ("flows ahead", str(found.flows_ahead or "")),
        ("band", str(found.band)),
        ("waiting by band", ", ".join(f"{band}: {count}" for band, count in waiting)),
    ]
