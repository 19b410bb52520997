"""How commands print: tables for people, tab-separated lines for pipes, JSON for programs.

Text that came from elsewhere cannot move the cursor or colour the terminal: control
characters are written as escapes. Imports rich only where a terminal reads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

# A column that may wrap gets this much before others are left out for it.
WRAPPED_WIDTH = 20


def on_terminal() -> bool:
    """True when a person reads stdout."""
    return sys.stdout.isatty()


def print_json(value: Any) -> None:
    """Prints a value as one JSON document: indented on a terminal, one line in a pipe."""
    text = msgspec.json.encode(value)
    if on_terminal():
        text = msgspec.json.format(text, indent=2)
    print(text.decode(), flush=True)


def print_json_line(value: Any) -> None:
    """Prints a value as one line of JSON and hands it on at once."""
    print(msgspec.json.encode(value).decode(), flush=True)


def compact(value: Any) -> str:
    """Writes a value as JSON on one line; nothing for null."""
    return "" if value is None else clean(msgspec.json.encode(value).decode())


def clean(text: str) -> str:
    """Gives a text with control characters written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    wraps: Sequence[str] = (),
    spare: Sequence[str] = (),
    none: str = "",
) -> None:
    """Prints rows under a header: aligned on a terminal, tab-separated in a pipe.

    On a terminal, cells of the columns in `wraps` may go on in the next line and no others do,
    so that an id can be copied; where that is too wide, those in `spare` are left out, the
    first one first. `none` is what a person is told when there are no rows.
    """
    cleaned = [[clean(cell) for cell in row] for row in rows]
    if not on_terminal():
        for row in ([*columns], *cleaned):
            print("\t".join(row))
        return
    if not cleaned and none:
        print(none, file=sys.stderr)
        return
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    natural = {
        column: max(cell_len(cell) for cell in (column, *cells))
        for column, *cells in zip(columns, *cleaned, strict=True)
    }
    least = {
        column: min(width, WRAPPED_WIDTH) if column in wraps else width
        for column, width in natural.items()
    }
    console = Console()
    for column in spare:
        if _table_width(least) > console.width:
            del least[column]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, width in least.items():
        table.add_column(column, overflow="fold", no_wrap=column not in wraps, min_width=width)
    for row in cleaned:
        cells = zip(columns, row, strict=True)
        table.add_row(*(Text(cell) for column, cell in cells if column in least))
    # What is still too wide is left to the terminal, which cuts nothing off.
    console.print(table, width=max(console.width, _table_width(least)), crop=False)


def _table_width(columns: dict[str, int]) -> int:
    return sum(columns.values()) + 2 * (len(columns) - 1)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Prints names and values, one to a line; values that are empty are left out."""
    shown = [(name, clean(value)) for name, value in fields if value]
    width = max((len(name) for name, _ in shown), default=0) + 2
    for name, value in shown:
        print(f"{name + ':':<{width}}{value}")


def moment(time_ms: int) -> str:
    """Writes a time for a table: on a terminal as short as it is clear, in a pipe in full."""
    if not time_ms or not on_terminal():
        return clock(time_ms)
    then, now = datetime.fromtimestamp(time_ms / 1000), datetime.now()
    if then.date() == now.date():
        return then.strftime("%H:%M:%S")
    return then.strftime("%m-%d %H:%M" if then.year == now.year else "%Y-%m-%d")


def clock(time_ms: int) -> str:
    """Writes a time of the store in the local time zone; nothing for 0."""
    if not time_ms:
        return ""
    return datetime.fromtimestamp(time_ms / 1000).strftime("%Y-%m-%d %H:%M:%S")


def span(start_ms: int, end_ms: int) -> str:
    """Writes the time between two moments, e.g. `1.2s`; nothing when one has not come."""
    if not start_ms or not end_ms:
        return ""
    seconds = max(0, end_ms - start_ms) / 1000
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"
