"""Percentiles are those of the nearest rank, and are said of enough samples only."""

from __future__ import annotations

import pytest

from bench.figures import Figures, percentile

HUNDRED = [float(number) for number in range(100, 0, -1)]


@pytest.mark.parametrize(
    ("values", "part", "found"),
    [
        (HUNDRED, 0.5, 50),
        (HUNDRED, 0.99, 99),
        # A product that is a hair more than 7.
        (HUNDRED, 0.07, 7),
        (HUNDRED, 1.0, 100),
        (HUNDRED, 0.0, 1),
        ([15.0, 20.0, 35.0, 40.0, 50.0], 0.3, 20),
        ([3.0], 0.999, 3),
    ],
)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    values: list[float], part: float, found: float
) -> None:
    assert percentile(values, part) == found


@pytest.mark.parametrize(("count", "said"), [(9_999, False), (10_000, True)])
def test_the_last_thousandth_is_said_from_ten_thousand_samples_on(count: int, said: bool) -> None:
    figures = Figures(quick=False)
    figures.add_late("latency.100", [1.0] * count)
    assert {"latency.100.p50", "latency.100.p99"} <= figures.found.keys()
    assert ("latency.100.p99.9" in figures.found) is said
