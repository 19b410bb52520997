"""The evidence of a round in order by run, and what was done to whom when: what checks read.

Also says what a violation is. Judges nothing by itself, but whether a process is excused.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from tests.chaos.records import Did, Disturbed, Ended, Evidence, Kept, Started

# A worker frozen for this part of a lease may have lost its session: the hub's last renewal
# and its last evidence of life are each some time ago when the freeze begins.
EXCUSED_PART_OF_LEASE = 0.6
# So long after a freeze a process may note what it was about to begin when the freeze came. What it
# had heard before it begins only when it knows that its lease still holds.
THAW_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: lost, doubled, stale, starved, events, answers, steps,
    streams, broken or odd."""

    kind: str
    run: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.run or 'fleet'}: {self.detail}"


class Story:
    """The evidence, put in order by run."""

    def __init__(self, evidence: Evidence) -> None:
        self.starts: dict[str, list[Started]] = defaultdict(list)
        self.ends: dict[tuple[str, int, str], Ended] = {}
        self.did: dict[tuple[str, str], list[Did]] = defaultdict(list)
        self.kept: dict[tuple[str, str], list[Kept]] = defaultdict(list)
        for line in evidence.ledger:
            match line:
                case Started():
                    self.starts[line.run].append(line)
                case Ended():
                    self.ends[line.run, line.fence, line.process] = line
                case Did():
                    self.did[line.run, line.key].append(line)
                case Kept():
                    self.kept[line.run, line.key].append(line)
        for starts in self.starts.values():
            starts.sort(key=lambda start: start.at)
        self.disturbed = [line for line in evidence.history if isinstance(line, Disturbed)]
        self.lease_seconds = evidence.lease_seconds

    def end_of(self, start: Started | Did) -> Ended | None:
        return self.ends.get((start.run, start.fence, start.process))

    def excused(self, start: Started | Did, before: float) -> bool:
        """True when the process may have lost the run, by what was done to it until then.

        A process that thaws may just have been about to begin.
        """
        long = self.lease_seconds * EXCUSED_PART_OF_LEASE
        for one in self.disturbed:
            if one.target != start.process or one.at > before:
                continue
            if one.kind == "kill_worker" and start.at <= one.until:
                return True
            frozen = one.kind == "freeze_worker" and one.until - one.at >= long
            if frozen and start.at <= one.until + THAW_SECONDS:
                return True
        return False
