"""What was measured: named samples, one for each round, and what could not be measured."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figure:
    """The samples of one quantity, in the order of the rounds."""

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

    def note(self, text: str) -> None:
        """Keeps what a reader of the figures must know."""
        if text not in self.notes:
            self.notes.append(text)

    def get(self, name: str) -> Figure | None:
        """A figure, or None when it was not measured."""
        return self.found.get(name)

    def ratio(self, over: str, under: str) -> float | None:
        """The median of the ratios within rounds; of medians where the rounds differ."""
        one, base = self.get(over), self.get(under)
        if one is None or base is None:
            return None
        if len(one.samples) != len(base.samples):
            return one.median / base.median
        return statistics.median(a / b for a, b in zip(one.samples, base.samples, strict=True))


def percentile(values: list[float], part: float) -> float:
    """The value below which that part of the values lies, e.g. 0.99."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
