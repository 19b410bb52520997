"""Draws the verdicts and the rates of one run of the bench as a picture."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from bench.figures import Figures
from bench.report import console
from bench.targets import Verdict

COLOURS = {"met": "tab:green", "missed": "tab:red"}
RATES = ("batches.", "hubs.", "singles.", "durability.")


def draw(path: Path, figures: Figures, verdicts: list[Verdict]) -> None:
    """Writes the picture; without matplotlib it says so and writes none."""
    try:
        matplotlib: Any = importlib.import_module("matplotlib")
        matplotlib.use("agg")
        pyplot: Any = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        console.print("no plot: matplotlib is missing; pip install --group bench brings it")
        return
    judged = [verdict for verdict in verdicts if verdict.value is not None]
    rates = [f for f in figures.found.values() if f.name.startswith(RATES) and f.unit == "/s"]
    picture, (left, right) = pyplot.subplots(1, 2, figsize=(15, 6), layout="constrained")
    _targets(left, judged)
    left.set_title("Targets: found value over bound (the line is the bound)")
    right.barh([f.name for f in rates], [f.median for f in rates], color="tab:blue")
    for at, figure in enumerate(rates):
        right.plot([min(figure.samples), max(figure.samples)], [at, at], color="black")
    right.invert_yaxis()
    right.set_title("Rates per second: medians, and the spread over the rounds")
    picture.savefig(path, dpi=110)
    console.print(f"plot: {path}")


def _targets(axes: Any, judged: list[Verdict]) -> None:
    names = [
        f"{v.target.text} ({'≤' if v.target.at_most else '≥'} {v.target.bound:g})" for v in judged
    ]
    # What must not be at all is drawn as it is.
    values = [(v.value or 0) / (v.target.bound or 1) for v in judged]
    axes.barh(names, values, color=[COLOURS[v.word] for v in judged])
    axes.axvline(1, color="black", linewidth=1)
    axes.invert_yaxis()
