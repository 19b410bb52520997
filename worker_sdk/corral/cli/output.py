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


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows under a header: aligned on a terminal, tab-separated in a pipe."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    if not on_terminal():
        for row in ([*columns], *cleaned):
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cleaned:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Prints names and values, one to a line; values that are empty are left out."""
    shown = [(name, clean(value)) for name, value in fields if value]
    width = max((len(name) for name, _ in shown), default=0) + 2
    for name, value in shown:
        print(f"{name + ':':<{width}}{value}")


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
