"""Shows figures and targets as tables, and keeps them as JSON beside what they are of."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.figures import Figures
from bench.origin import Origin
from bench.targets import Verdict

# As a pipe has no width, and 80 columns break most words of a target.
console = Console(width=None if sys.stdout.isatty() else 140)
STYLES = {"met": "green", "missed": "bold red", "not measured": "yellow", "not built": "dim"}


def title(found: Figures, origin: Origin) -> str:
    """What the table, the picture and the JSON say above everything else."""
    small = "IN SMALL, not the verdicts of a full run; " if found.quick else ""
    return f"Targets: {small}{origin.tree}; {origin.valkey}"


def number(value: float) -> str:
    """As a reader wants it: large ones without a fraction."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def begin(name: str, doc: str) -> None:
    """Says which case is being measured."""
    console.print(f"[bold]{name}[/]: {doc.splitlines()[0] if doc else ''}")


def figures(found: Figures, case: str) -> None:
    """Shows the figures of a case with their spread over the rounds."""
    table = Table("figure", "median", "least", "most", "rounds", "unit", box=None, pad_edge=True)
    for figure in found.found.values():
        if figure.name.startswith(f"{case}."):
            row = (figure.median, min(figure.samples), max(figure.samples))
            rounds = str(len(figure.samples))
            table.add_row(figure.name, *map(number, row), rounds, figure.unit)
    console.print(table)
    if case in found.failed:
        console.print(f"[bold red]{case} could not be measured:[/] {escape(found.failed[case])}")
    console.print(f"[dim]{found.seconds[case]:.0f} s[/]")


def targets(verdicts: list[Verdict], found: Figures, origin: Origin) -> None:
    """Shows every target with its verdict, then what a reader must know."""
    said = "in small" if found.quick else "verdict"
    heads = ("case", "target", "bound", "found", "rounds", "least to most", said)
    table = Table(*heads, box=None)
    for verdict in verdicts:
        target = verdict.target
        bound = target.limit if target.built else ""
        row = ("", "", "")
        if verdict.rounds:
            spread = f"{number(verdict.least)} to {number(verdict.most)}"
            row = (number(verdict.value), str(len(verdict.rounds)), spread)
        text = target.text
        # Of several it must be said which one.
        if verdict.against and len(target.under) > 1:
            text += f": {verdict.against}"
        word = f"[{STYLES[verdict.word]}]{verdict.word}[/]"
        table.add_row(target.case, text, bound, *row, word)
    console.print(f"[bold]{title(found, origin)}[/]")
    console.print(table)
    for note in found.notes:
        console.print(f"[yellow]note:[/] {escape(note)}")


def save(path: Path, found: Figures, verdicts: list[Verdict], origin: Origin) -> None:
    """Writes everything as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "title": title(found, origin),
        "quick": found.quick,
        "origin": asdict(origin),
        "figures": [asdict(figure) for figure in found.found.values()],
        "verdicts": [_as_json(verdict) for verdict in verdicts],
        "failed": found.failed,
        "notes": found.notes,
        "seconds": found.seconds,
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
    console.print(f"raw figures: {path}")


def _as_json(verdict: Verdict) -> dict[str, object]:
    content = asdict(verdict)
    if verdict.rounds:
        content |= {"value": verdict.value, "least": verdict.least, "most": verdict.most}
    return content
