"""What is promised of the figures: each target is a figure or a ratio with a bound.

A ratio is the median of those within rounds, of the rounds that all of the compared have. A target
whose figures are missing is "not measured", never met. Promises about what does not exist yet are
"not built".
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Literal

from bench.figures import Figures

PYTHON_PEERS = ("batches.saq", "batches.dramatiq", "batches.taskiq")
Word = Literal["met", "missed", "not measured", "not built"]


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a figure, or on its ratio to the best of others."""

    case: str
    text: str
    over: str
    bound: float
    at_most: bool = False
    under: tuple[str, ...] = ()
    built: bool = True

    @property
    def limit(self) -> str:
        """The bound as a word for tables."""
        return f"{'≤' if self.at_most else '≥'} {self.bound:,g}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a target stands: `rounds` has the figure or the ratio of each round, and is empty when
    it was not measured; `against` names the best of the others, which a ratio is to."""

    target: Target
    word: Word
    rounds: list[float] = field(default_factory=list[float])
    against: str = ""

    @property
    def value(self) -> float:
        """The median of the rounds, which is what is judged."""
        return statistics.median(self.rounds)

    @property
    def least(self) -> float:
        """The lowest of the rounds."""
        return min(self.rounds)

    @property
    def most(self) -> float:
        """The highest of the rounds."""
        return max(self.rounds)

    def margin(self, value: float) -> float | None:
        """How many times better than the bound a value is, below 1: worse; None where that is no
        number, as the value or the bound is 0."""
        bound = self.target.bound
        if value <= 0 or bound <= 0:
            return None
        return bound / value if self.target.at_most else value / bound


def _most(case: str, text: str, over: str, bound: float, *under: str) -> Target:
    return Target(case, text, over, bound, at_most=True, under=under)


def _least(case: str, text: str, over: str, bound: float, *under: str) -> Target:
    return Target(case, text, over, bound, under=under)


def _growth(text: str, one: str, base: str, bound: float) -> Target:
    name = f"{text}: Valkey time per run"
    return _most("growth", name, f"growth.{one}", bound, f"growth.{base}")


TARGETS = (
    _least("batches", "whole runs over the best Python peer", "batches.corral", 5, *PYTHON_PEERS),
    _least("batches", "whole runs over BullMQ in bulk", "batches.corral", 2, "batches.bullmq"),
    _least(
        "singles", "whole runs by single submits through the SDK over bare calls",
        "singles.whole", 0.5, "singles.echo",
    ),
    _least("singles", "the same, a gRPC call for each", "singles.calls", 0.5, "singles.echo"),
    _most("latency", "submit to start, 100 runs/s, p50 in ms", "latency.100.p50", 2),
    _most(
        "latency", "the same over the quickest peer", "latency.100.p50", 2,
        *(f"latency.{name}.p50" for name in ("saq", "dramatiq", "taskiq", "bullmq")),
    ),
    _most("latency", "the same, p99 over p50", "latency.100.p99", 3, "latency.100.p50"),
    _most("latency", "submit to start, 1,000 runs/s, p99 in ms", "latency.1000.p99", 10),
    _least("hubs", "submits and worker at two hubs over one", "hubs.two", 0.8, "hubs.one"),
    _growth("1,000,000 over 1,000 waiting", "1M waiting", "1k waiting", 1.3),
    _growth("100,000 over 1,000 waiting", "100k waiting", "1k waiting", 1.3),
    _growth("10,000 over 10 sessions alike", "10k sessions", "10 sessions", 1.5),
    _growth("10,000 over 10 sessions, own labels", "10k labels", "10 labels", 1.5),
    _growth("runs for one of 10,000 over one of 10", "one of 10k", "one of 10", 3),
    _growth("200 classes over one", "200 classes", "1k waiting", 2),
    _growth("199 of 200 unplaceable over none", "199 unplaceable", "1k waiting", 3),
    _growth("10,000 flows over one", "10k flows", "1k waiting", 2),
    _growth("8 bands over one", "8 bands", "1k waiting", 2),
    _most("memory", "bytes of a waiting run, 100 bytes of input", "memory.waiting_run", 1000),
    _most(
        "memory", "hub memory of an idle session over a bare stream", "memory.session", 1.5,
        "memory.stream",
    ),
    _most("events", "events missed, twice or out of order", "events.wrong", 0),
    _most("cpu", "Valkey time of a whole run in batches, µs", "cpu.valkey_per_run", 60),
    _least("durability", "fsync over memory", "durability.fsync", 0.75, "durability.memory"),
    _least("chunks", "parts of 100 streamed answers per second", "chunks.rate", 10_000),
    _most("chunks", "from yield to subscriber, p50 in ms", "chunks.p50", 25),
)  # fmt: skip


def judge(figures: Figures, cases: list[str]) -> list[Verdict]:
    """The verdicts on the targets of these cases, and on what is not built."""
    return [
        _verdict(target, figures)
        for target in TARGETS
        if target.case in cases or not target.built
    ]  # fmt: skip


def _verdict(target: Target, figures: Figures) -> Verdict:
    if not target.built:
        return Verdict(target, "not built")
    # Without one of the others it is not known which of them is the best.
    samples = figures.together(target.over, *target.under)
    if samples is None:
        return Verdict(target, "not measured")
    rounds, *others = samples
    against = ""
    if others:
        ratios = {
            name: [ours / theirs for ours, theirs in zip(rounds, other, strict=True)]
            for name, other in zip(target.under, others, strict=True)
        }
        hardest = max if target.at_most else min
        against = hardest(ratios, key=lambda name: statistics.median(ratios[name]))
        rounds = ratios[against]
    value = statistics.median(rounds)
    kept = value <= target.bound if target.at_most else value >= target.bound
    return Verdict(target, "met" if kept else "missed", rounds, against)
