"""Options that say which runs or workers a command is about: the same for every command.

Owns their names and help, and how they and `--filter` become one filter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import typer

from corral.cli.options import pairs, tag_texts
from corral.errors import InvalidRequest
from corral.filters import RunFilter, WorkerFilter, run_filter, worker_filter
from corral.records import RunStatus

T = TypeVar("T")

STATUSES = tuple(status for status in RunStatus if status is not RunStatus.UNKNOWN)

FilterOption = Annotated[
    str,
    typer.Option(
        "--filter",
        metavar="TERMS",
        help='All conditions as one text, e.g. "status=failed label.team=a tag.gpu=*".',
        show_default=False,
    ),
]
WorkerFilterOption = Annotated[
    str,
    typer.Option(
        "--filter",
        metavar="TERMS",
        help='All conditions as one text, e.g. "worker=gpu-1,gpu-2 label.zone=2 tag.gpu=*".',
        show_default=False,
    ),
]
WorkflowOption = Annotated[
    str,
    typer.Option("--workflow", metavar="NAME", help="Runs of this workflow.", show_default=False),
]
StatusOption = Annotated[
    list[str] | None,
    typer.Option(
        "--status", metavar="STATUS", help="Runs of this status, e.g. failed; may be repeated."
    ),
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="KEY=VALUE",
        help="Those with this label, * for any value; may be repeated.",
    ),
]
RunKindOption = Annotated[
    str,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="Runs that need this capability, e.g. workflow:summarize.",
        show_default=False,
    ),
]
WorkerOption = Annotated[
    str,
    typer.Option(
        "--worker",
        metavar="ID",
        help="Runs that this worker has, or had last.",
        show_default=False,
    ),
]
RunTagOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="KEY=VALUE",
        help="Runs whose worker has this tag, * for any value; may be repeated.",
    ),
]
WorkerKindOption = Annotated[
    str,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="Workers that offer this kind, e.g. workflow:summarize.",
        show_default=False,
    ),
]
WorkerTagOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="KEY=VALUE",
        help="Workers with this tag, * for any value; may be repeated.",
    ),
]


def runs_chosen(
    filter: str,
    workflow: str,
    statuses: Sequence[str] | None,
    labels: Sequence[str] | None,
    kind: str,
    worker: str,
    tags: Sequence[str] | None,
) -> RunFilter:
    """The filter of runs that the options say; empty when they say nothing."""
    for one in statuses or ():
        if one not in STATUSES:
            raise typer.BadParameter(
                f"{one!r} is no status: use {', '.join(STATUSES)}", param_hint="--status"
            )
    beside = pairs("--label", labels)
    wanted = tag_texts("--tag", tags)
    return _usage(
        lambda: run_filter(filter, workflow, statuses or (), beside, kind, worker, wanted)
    )


def workers_chosen(
    filter: str, kind: str, tags: Sequence[str] | None, labels: Sequence[str] | None
) -> WorkerFilter:
    """The filter of workers that the options say; empty when they say nothing."""
    beside = pairs("--label", labels)
    wanted = tag_texts("--tag", tags)
    return _usage(lambda: worker_filter(filter, kind, wanted, beside))


def _usage(make: Callable[[], T]) -> T:
    try:
        return make()
    except InvalidRequest as error:
        # Nothing was sent: it is the words of the command that are wrong.
        raise typer.BadParameter(str(error)) from error
