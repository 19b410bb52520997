"""`corral queues`: what waits, by kind, band and class, and whether anybody could take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from corral.cli.options import (
    Connection,
    HubOption,
    JsonOption,
    NamespaceOption,
    TimeoutOption,
    TokenOption,
)
from corral.cli.output import print_json, print_table, span
from corral.queues import Queues

COLUMNS = ("KIND", "BAND", "WAITING", "OLDEST", "FLOWS", "DEFICIT", "STATE", "NEEDS")


def queues(
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="Only this kind, e.g. workflow:summarize.")
    ] = "",
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """List what waits, by kind, band and class.

    A class is all runs with the same constraints, which are under NEEDS; OLDEST is how long the
    oldest of the first runs in line has waited. STATE: ok; no worker (nobody that is connected
    fits); paused.

    \b
    Examples:
      corral queues
      corral queues --kind workflow:summarize --json
    """
    connection = Connection(hub, token, namespace, timeout)
    found = connection.run(lambda client: client.queues(kind))
    if json:
        print_json(found)
    else:
        print_table(
            COLUMNS,
            _rows(found),
            wraps=("NEEDS",),
            spare=("DEFICIT", "FLOWS"),
            none="nothing waits",
        )


def _rows(found: Queues) -> Iterator[tuple[str, ...]]:
    for kind in found.kinds:
        rows = [row for row in found.queues if row.kind == kind.kind]
        paused = "paused" if kind.paused else ""
        if not rows:
            yield (kind.kind, "", "0", "", "", "", paused, "")
        for row in rows:
            yield (
                row.kind,
                str(row.band),
                str(row.waiting),
                span(row.oldest_at_ms, found.now_ms),
                str(row.flows),
                f"{row.deficit:g}",
                paused or ("ok" if row.placeable else "no worker"),
                needs(row.constraints),
            )


def needs(constraints: dict[str, Any]) -> str:
    """Writes constraints for people, e.g. `version=2 zone=eu-1 !spot=yes vram_mb=8192`."""
    words: list[str] = []
    if constraints.get("version"):
        words.append(f"version={constraints['version']}")
    words += [f"{key}={value}" for key, value in constraints.get("tags", ())]
    for name, mark in (("required", ""), ("forbidden", "!"), ("preferred", "~")):
        words += [f"{mark}{key}={value}" for key, value in constraints.get(name, {}).items()]
    words += [f"tolerates:{key}={value}" for key, value, _ in constraints.get("tolerations", ())]
    if constraints.get("vram_mb"):
        words.append(f"vram_mb={constraints['vram_mb']}")
    return " ".join(words)
