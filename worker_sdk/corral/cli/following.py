"""How `corral events --follow` shows a run as it goes on: lines, and a bar for its progress.

On a terminal the bar stays below the lines; in a pipe progress is a line like the others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from typing import Any

from corral.cli.output import clean, compact, on_terminal, print_json_line
from corral.client import Client
from corral.ephemeral import ChunkGap, Ephemeral, EphemeralEvent, StreamRestarted
from corral.records import Event, GapInEvents

BAR_WIDTH = 30

Print = Callable[[str], None]
Written = Callable[[Event | GapInEvents], str]


async def follow(client: Client, run_id: str, cursor: str, written: Written, *, json: bool) -> None:
    """Shows a run until it has ended; `written` gives the line of an event."""
    items = aiter(client.follow_run(run_id, cursor=cursor))
    if json:
        async for item in items:
            print_json_line(item)
    elif on_terminal():
        with _bar() as (print_line, show):
            await _lines(items, written, print_line, show)
    else:
        await _lines(items, written, lambda line: print(line, flush=True), None)


async def _lines(
    items: AsyncIterator[Event | GapInEvents | Ephemeral],
    written: Written,
    print_line: Print,
    show: Callable[[float, str], None] | None,
) -> None:
    async for item in items:
        if isinstance(item, Event | GapInEvents):
            print_line(written(item))
        elif show is not None and isinstance(item, EphemeralEvent) and item.type == "progress":
            show(float(_field(item, "fraction") or 0), str(_field(item, "note") or ""))
        else:
            print_line("  ".join(clean(word) for word in _words(item)).rstrip())


def _words(item: Ephemeral) -> list[str]:
    match item:
        case ChunkGap(first=first, last=last, reason=reason):
            return [f"~{first} to ~{last} are gone ({reason})"]
        case StreamRestarted(attempt=attempt):
            return [f"attempt {attempt} begins anew"]
        case EphemeralEvent(type="log"):
            dropped = _field(item, "dropped")
            if dropped is not None:
                return [f"~{item.number}", "log", f"{dropped} lines were dropped"]
            said = (str(_field(item, name) or "") for name in ("level", "message"))
            return [f"~{item.number}", "log", *said]
        case EphemeralEvent(type="progress"):
            fraction = float(_field(item, "fraction") or 0)
            return [f"~{item.number}", "progress", f"{fraction:.0%}", str(_field(item, "note"))]
        case EphemeralEvent():
            return [f"~{item.number}", item.type, compact(item.payload)]


def _field(item: EphemeralEvent, name: str) -> Any:
    return item.payload.get(name) if isinstance(item.payload, dict) else None


@contextmanager
def _bar() -> Generator[tuple[Print, Callable[[float, str], None]]]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.text import Text

    columns = (
        BarColumn(bar_width=BAR_WIDTH),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, transient=True) as progress:
        bar = progress.add_task("", total=1.0, visible=False, note="")

        def show(fraction: float, note: str) -> None:
            # A long note would take the room of the bar and of the percentage.
            short = Text(clean(note))
            short.truncate(max(1, progress.console.width - BAR_WIDTH - 7), overflow="ellipsis")
            progress.update(bar, completed=fraction, visible=True, note=short.plain)

        def print_line(line: str) -> None:
            progress.console.print(Text(line), soft_wrap=True)

        yield print_line, show
