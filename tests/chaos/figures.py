"""The figures of a round, counted from its evidence; they add up over rounds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.records import (
    Answered,
    Cancelled,
    Did,
    Disturbed,
    Ended,
    Evidence,
    Heard,
    Missed,
    Read,
    Repeated,
    Started,
    Submitted,
)
from tests.chaos.story import Violation


@dataclass(slots=True)
class Figures:
    """What happened: counts, disturbances by kind, and those that hit work in flight."""

    counts: Counter[str] = field(default_factory=Counter[str])
    disturbances: Counter[str] = field(default_factory=Counter[str])
    hits: Counter[str] = field(default_factory=Counter[str])
    violations: list[Violation] = field(default_factory=list[Violation])

    def add(self, other: Figures) -> None:
        """Adds the figures of another round."""
        self.counts += other.counts
        self.disturbances += other.disturbances
        self.hits += other.hits
        self.violations += other.violations


def count(evidence: Evidence, found: list[Violation]) -> Figures:
    """Counts one round. A disturbance of a worker hits what that worker executes, any other
    what is executed anywhere."""
    figures = Figures(violations=found)
    ends = {(e.run, e.fence, e.process): e.at for e in evidence.ledger if isinstance(e, Ended)}
    starts = [line for line in evidence.ledger if isinstance(line, Started)]
    gone = {d.target: d.at for d in evidence.history if isinstance(d, Disturbed) and d.target}
    spans = [
        (s.process, s.at, ends.get((s.run, s.fence, s.process), gone.get(s.process, s.at)))
        for s in starts
    ]
    for line in evidence.history:
        match line:
            case Submitted():
                figures.counts["runs submitted"] += 1
            case Repeated():
                figures.counts["submits repeated"] += 1
            case Cancelled():
                figures.counts["cancels acknowledged"] += 1
            case Answered():
                figures.counts["answers acknowledged"] += 1
            case Read(parts=parts):
                figures.counts["streams read"] += 1
                for part in parts:
                    figures.counts[f"streams: {part.kind}s"] += 1
            case Heard(subscriber=subscriber):
                figures.counts[f"events told to {subscriber}"] += 1
            case Missed(subscriber=subscriber):
                figures.counts[f"gaps told to {subscriber}"] += 1
            case Disturbed(kind=kind, target=target, at=at):
                figures.disturbances[kind] += 1
                of_worker = kind in ("kill_worker", "freeze_worker")
                if any(b <= at <= e and (not of_worker or p == target) for p, b, e in spans):
                    figures.hits[kind] += 1
            case _:
                pass
    for final in evidence.finals.values():
        figures.counts[f"runs {final.status}"] += 1
        figures.counts["times parked"] += sum(a.outcome == "parked" for a in final.attempts)
    figures.counts["steps taken"] = sum(isinstance(line, Did) for line in evidence.ledger)
    figures.counts["executions"] = len(starts)
    figures.counts["executions of a run executed before"] = len(starts) - len(
        {start.run for start in starts}
    )
    return figures
