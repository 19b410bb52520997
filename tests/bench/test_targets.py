"""Targets are judged by ratios of the same round, of the rounds that all of the compared have."""

from __future__ import annotations

import pytest

from bench.figures import Figures
from bench.targets import Target, Verdict, judge


def _batches(**samples: list[float]) -> list[Verdict]:
    figures = Figures(quick=False)
    for name, values in samples.items():
        for value in values:
            figures.add(f"batches.{name}", value, "/s")
    return judge(figures, ["batches"])


def _python(**samples: list[float]) -> Verdict:
    return _batches(**samples)[0]


def test_a_ratio_is_of_one_round_and_the_best_peer_counts() -> None:
    verdict = _python(
        corral=[10, 60, 30], saq=[1, 2, 3], dramatiq=[2, 6, 5], taskiq=[1, 1, 1], bullmq=[1, 1, 1]
    )
    assert verdict.against == "batches.dramatiq"
    assert verdict.rounds == [5, 10, 6]
    assert (verdict.least, verdict.value, verdict.most) == (5, 6, 10)
    assert verdict.word == "met"


def test_rounds_that_a_peer_did_not_end_are_compared_with_no_peer() -> None:
    verdict = _python(corral=[10, 60, 30], saq=[1, 2, 3], dramatiq=[2, 10], taskiq=[1, 1, 1])
    assert verdict.rounds == [5, 6]
    assert verdict.against == "batches.dramatiq"


def test_a_peer_of_another_target_takes_no_rounds_away() -> None:
    found = _batches(corral=[6, 7], saq=[1, 1], dramatiq=[1, 1], taskiq=[1, 1], bullmq=[1])
    assert [len(verdict.rounds) for verdict in found] == [2, 1]


def test_without_one_of_the_peers_the_best_is_not_known() -> None:
    verdict = _python(corral=[10], saq=[1], taskiq=[1])
    assert (verdict.word, verdict.rounds) == ("not measured", [])


@pytest.mark.parametrize(
    ("at_most", "bound", "value", "margin"),
    [
        (True, 2.0, 1.0, 2.0),
        (True, 2.0, 4.0, 0.5),
        (False, 2.0, 4.0, 2.0),
        (False, 2.0, 1.0, 0.5),
        (True, 0.0, 0.0, None),
        (False, 2.0, 0.0, None),
    ],
)
def test_a_margin_over_one_is_on_the_good_side(
    at_most: bool, bound: float, value: float, margin: float | None
) -> None:
    target = Target("case", "text", "case.figure", bound, at_most=at_most)
    assert Verdict(target, "met", [value]).margin(value) == margin
