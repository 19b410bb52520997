"""Draws the verdicts and the rates of one run of the bench as a picture."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from bench import report
from bench.figures import Figures
from bench.origin import Origin
from bench.targets import Verdict

COLOURS = {"met": "tab:green", "missed": "tab:red"}
RATES = ("batches.", "hubs.", "singles.", "durability.")


def draw(path: Path, figures: Figures, verdicts: list[Verdict], origin: Origin) -> None:
    """Writes the picture; without matplotlib it says so and writes none."""
    try:
        matplotlib: Any = importlib.import_module("matplotlib")
        matplotlib.use("agg")
        pyplot: Any = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        report.console.print("no plot: matplotlib is missing; pip install --group bench brings it")
        return
    judged = [verdict for verdict in verdicts if verdict.rounds]
    rates = [f for f in figures.found.values() if f.name.startswith(RATES) and f.unit == "/s"]
    height = 2 + 0.32 * max(len(judged), len(rates))
    picture, (left, right) = pyplot.subplots(
        1, 2, figsize=(17, height), width_ratios=(3, 2), layout="constrained"
    )
    picture.suptitle(report.title(figures, origin))
    _targets(left, judged)
    right.barh([f.name for f in rates], [f.median for f in rates], color="tab:blue")
    for at, figure in enumerate(rates):
        right.plot([min(figure.samples), max(figure.samples)], [at, at], color="black")
    right.invert_yaxis()
    right.set_title("Rates per second; lines: from round to round")
    picture.savefig(path, dpi=110)
    report.console.print(f"plot: {path}")


def _targets(axes: Any, judged: list[Verdict]) -> None:
    """A bar goes from the bound to what was found, to the right where that is better, whether the
    bound is a least or a most: twice as good is as far right as half as good is left."""
    axes.set_xscale("log", base=2)
    axes.axvline(1, color="black", linewidth=1)
    for at, verdict in enumerate(judged):
        margin = verdict.margin(verdict.value)
        ends = [verdict.margin(verdict.least), verdict.margin(verdict.most)]
        if margin is not None:
            axes.barh(at, margin - 1, left=1, color=COLOURS[verdict.word])
        if None not in ends:
            axes.plot(ends, [at, at], color="black", linewidth=1)
        # What must not be at all has no place on the axis and stands at the line.
        places = [1.0, *(end for end in (margin, *ends) if end is not None)]
        axes.annotate(
            report.number(verdict.value), (max(places), at), (4, 0), textcoords="offset points",
            va="center", fontsize=8, color=COLOURS[verdict.word],
        )  # fmt: skip
    names = [f"{verdict.target.text} ({verdict.target.limit})" for verdict in judged]
    axes.set_yticks(range(len(judged)), names)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    for text, side in (("← missed ", "right"), (" met →", "left")):
        axes.annotate(
            text, (1, 0), (0, -24), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha=side, va="top",
        )  # fmt: skip
    axes.set_title("How many times better than its bound; lines: from round to round")
