"""Tables and JSON say of a target how its rounds differ, and of which tree and size it is."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import report
from bench.figures import Figures
from bench.origin import Origin, Tree
from bench.targets import judge

ORIGIN = Origin(
    Tree("abc", dirty=True), "2026-11-26T12:00:00+0000", (0, 0, 0), 2, "Linux", "3.11", ""
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is printed, on a wide terminal."""
    screen = io.StringIO()
    monkeypatch.setattr(report, "console", Console(file=screen, width=200))
    return screen


def _hubs(*, quick: bool) -> Figures:
    figures = Figures(quick=quick)
    for one, two in ((100, 90), (50, 40), (80, 80)):
        figures.add("hubs.one", one, "/s")
        figures.add("hubs.two", two, "/s")
    return figures


@pytest.mark.parametrize("quick", [True, False])
def test_the_table_has_the_spread_of_the_rounds_and_says_when_it_is_in_small(
    quick: bool, shown: io.StringIO
) -> None:
    figures = _hubs(quick=quick)
    report.targets(judge(figures, ["hubs"]), figures, ORIGIN)
    text = shown.getvalue()
    assert "0.80 to 1.00" in text
    assert "commit abc with changes that are not committed" in text
    assert ("IN SMALL" in text) is quick
    assert ("in small" in text) is quick


def test_the_json_has_every_round_and_the_spread(tmp_path: Path, shown: io.StringIO) -> None:
    figures = _hubs(quick=False)
    report.save(tmp_path / "x.json", figures, judge(figures, ["hubs"]), ORIGIN)
    found = json.loads((tmp_path / "x.json").read_text())
    (verdict,) = found["verdicts"]
    assert verdict["rounds"] == [0.9, 0.8, 1]
    assert (verdict["value"], verdict["least"], verdict["most"]) == (0.9, 0.8, 1)
    assert verdict["against"] == "hubs.one"
    assert found["origin"]["tree"] == {"commit": "abc", "dirty": True}
