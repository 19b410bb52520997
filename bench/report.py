"""Shows figures and targets as tables, and keeps them as JSON beside the facts of the machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.figures import Figures
from bench.targets import Verdict

HERE = Path(__file__).parent
console = Console()
STYLES = {"met": "green", "missed": "bold red", "not measured": "yellow", "not built": "dim"}


def begin(name: str, doc: str) -> None:
    """Says which case is being measured."""
    console.print(f"[bold]{name}[/]: {doc.splitlines()[0] if doc else ''}")


def figures(found: Figures, case: str) -> None:
    """Shows the figures of a case with their spread over the rounds."""
    table = Table("figure", "median", "least", "most", "unit", box=None, pad_edge=True)
    for figure in found.found.values():
        if figure.name.startswith(f"{case}."):
            row = (figure.median, min(figure.samples), max(figure.samples))
            table.add_row(figure.name, *(f"{value:,.2f}" for value in row), figure.unit)
    console.print(table)
    if case in found.failed:
        console.print(f"[bold red]{case} could not be measured:[/] {escape(found.failed[case])}")
    console.print(f"[dim]{found.seconds[case]:.0f} s[/]")


def targets(verdicts: list[Verdict], found: Figures) -> None:
    """Shows every target with its verdict, then what a reader must know."""
    table = Table("case", "target", "bound", "found", "verdict", title="Targets")
    for verdict in verdicts:
        target = verdict.target
        sign = "at most" if target.at_most else "at least"
        table.add_row(
            target.case,
            target.text,
            f"{sign} {target.bound:g}" if target.built else "",
            "" if verdict.value is None else f"{verdict.value:.2f}",
            f"[{STYLES[verdict.word]}]{verdict.word}[/]",
        )
    console.print(table)
    for note in found.notes:
        console.print(f"[yellow]note:[/] {escape(note)}")


def save(
    path: Path, found: Figures, verdicts: list[Verdict], load: tuple[float, float, float]
) -> None:
    """Writes everything as JSON, with the tree that was measured and the load before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "load_before": load,
        },
        "tree": _tree(),
        "quick": found.quick,
        "figures": [asdict(figure) for figure in found.found.values()],
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "failed": found.failed,
        "notes": found.notes,
        "seconds": found.seconds,
    }
    path.write_text(json.dumps(content, indent=2))
    console.print(f"raw figures: {path}")


def _tree() -> str:
    """The commit, with "-dirty" when something was changed; "" outside of a repository."""
    words = ["git", "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()
