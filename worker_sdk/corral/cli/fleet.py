"""`corral workers`, `drain` and `stats`: looking at the fleet, and emptying a worker."""

from __future__ import annotations

from typing import Annotated

import typer

from corral.cli.filtering import (
    LabelOption,
    WorkerFilterOption,
    WorkerKindOption,
    WorkerTagOption,
    workers_chosen,
)
from corral.cli.options import (
    Connection,
    HubOption,
    JsonOption,
    NamespaceOption,
    TimeoutOption,
    TokenOption,
)
from corral.cli.output import moment, print_fields, print_json, print_table
from corral.records import WorkerRecord


def workers(
    filter: WorkerFilterOption = "",
    kind: WorkerKindOption = "",
    tag: WorkerTagOption = None,
    label: LabelOption = None,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """List the workers of the fleet.

    \b
    Examples:
      corral workers --kind workflow:summarize
      corral workers --filter "tag.gpu=a100 label.zone=2"
      corral workers --json | jq '.[].worker_id'
    """
    chosen = workers_chosen(filter, kind, tag, label)
    connection = Connection(hub, token, namespace, timeout)
    found = connection.run(lambda client: client.list_workers(filter=chosen))
    if json:
        print_json(found)
        return
    print_table(
        ("WORKER", "STATE", "HUB", "IN FLIGHT", "ADMISSION", "OFFERS", "TAGS", "SINCE"),
        (
            (
                worker.worker_id,
                _state(worker),
                worker.hub,
                str(worker.in_flight),
                worker.admission,
                " ".join(worker.capabilities),
                " ".join(worker.tags),
                moment(worker.opened_at_ms),
            )
            for worker in found
        ),
        wraps=("OFFERS", "TAGS"),
        spare=("SINCE", "ADMISSION"),
        none="no workers",
    )


def drain(
    worker: Annotated[
        str | None, typer.Argument(metavar="WORKER", help="Id of the worker.")
    ] = None,
    filter: WorkerFilterOption = "",
    kind: WorkerKindOption = "",
    tag: WorkerTagOption = None,
    label: LabelOption = None,
    immediate: Annotated[
        bool,
        typer.Option("--immediate", help="Also give back what it runs, for other workers to do."),
    ] = False,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Give a worker no new work: it finishes, and ends.

    \b
    Examples:
      corral drain worker-a
      corral drain worker-a --immediate
      corral drain --kind workflow:summarize --tag region=us-west
      corral drain --filter "worker=gpu-1,gpu-2 tag.gpu=a100"
    """
    chosen = workers_chosen(filter, kind, tag, label)
    if (worker is None) != bool(chosen):
        raise typer.BadParameter(
            "name one WORKER, or say which with --filter, or with --kind, --tag or --label"
            + ("; not both" if chosen else "")
        )
    connection = Connection(hub, token, namespace, timeout)
    if worker is None:
        found = connection.run(
            lambda client: client.drain_workers(filter=chosen, immediate=immediate)
        )
        if json:
            print_json({name: one.in_flight for name, one in found.items()})
        for name, one in found.items() if not json else ():
            print(f"{name} draining, {one.in_flight} in flight")
        return
    drained = connection.run(lambda client: client.drain_worker(worker, immediate=immediate))
    if json:
        print_json({"worker_id": worker, "in_flight": drained.in_flight})
    else:
        print(f"{worker} draining, {drained.in_flight} in flight")


def stats(
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Show counters, hubs and what waits in line.

    \b
    Example:
      corral stats --json | jq .totals.completed
    """
    found = Connection(hub, token, namespace, timeout).run(lambda client: client.stats())
    if json:
        print_json(found)
        return
    print_fields(
        [
            ("hubs", ", ".join(found.hubs)),
            ("sessions now", str(found.sessions)),
            ("waiting now", str(sum(queue.waiting for queue in found.queues))),
            ("epoch", str(found.epoch)),
            ("store full", "yes, submits are refused" if found.full else "no"),
        ]
    )
    if found.totals:
        print()
        print("counted since the namespace was made:")
        print_fields((name, str(count)) for name, count in sorted(found.totals.items()))
    if found.queues:
        print()
        print_table(
            ("WAITS FOR", "BAND", "RUNS", "DEFICIT"),
            (
                (queue.kind, str(queue.band), str(queue.waiting), f"{queue.deficit:g}")
                for queue in found.queues
            ),
        )


def _state(worker: WorkerRecord) -> str:
    if not worker.connected:
        return "away"
    return "draining" if worker.draining else "ready"
