"""What was measured: named samples, one for each round, and what could not be measured."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field

PARTS = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
# So that ten samples lie beyond it: of fewer, it is the moment of one hiccup.
LEAST = {"p99.9": 10_000}


@dataclass(slots=True)
class Figure:
    """The samples of one quantity, in the order of the rounds: the n-th is of the n-th round, as
    who fails in a round is out of the later ones."""

    name: str
    unit: str
    samples: list[float] = field(default_factory=list[float])

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)


@dataclass(slots=True)
class Figures:
    """The figures of one run of the bench; a name is `<case>.<quantity>`."""

    quick: bool
    found: dict[str, Figure] = field(default_factory=dict[str, Figure])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    def add(self, name: str, value: float, unit: str) -> None:
        """Adds the sample of a round."""
        self.found.setdefault(name, Figure(name, unit)).samples.append(value)

    def add_late(self, name: str, values: list[float]) -> None:
        """Adds the percentiles of a round, of milliseconds; those that it has enough values for."""
        for percent, part in PARTS.items():
            if len(values) >= LEAST.get(percent, 1):
                self.add(f"{name}.{percent}", percentile(values, part), "ms")

    def note(self, text: str) -> None:
        """Keeps what a reader of the figures must know."""
        if text not in self.notes:
            self.notes.append(text)

    def together(self, *names: str) -> list[list[float]] | None:
        """The samples of each of these, of the rounds that all of them have; None when one was
        not measured."""
        found = [self.found[name].samples for name in names if name in self.found]
        if len(found) < len(names):
            return None
        complete = min(map(len, found))
        return [samples[:complete] for samples in found]


def percentile(values: list[float], part: float) -> float:
    """The least of the values that at least that part of them does not exceed, e.g. 0.99."""
    # The product of a part like 0.07 may be a hair more than the whole number that is meant.
    rank = math.ceil(round(part * len(values), 6))
    return sorted(values)[max(rank, 1) - 1]
