"""What came of every run, counted twice: by the hub that is left and by the workers' ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import corral


@dataclass(frozen=True, slots=True)
class Verdict:
    """The numbers that the demo is about."""

    submitted: int
    completed: int
    failed: int
    lost: int
    never_executed: int
    executed_again: int
    executions: int

    @property
    def good(self) -> bool:
        """True when every run completed and was executed exactly once."""
        return (
            self.completed == self.submitted
            and self.executions == self.submitted
            and not (self.failed or self.lost or self.never_executed or self.executed_again)
        )


def executions(ledger: Path) -> Counter[str]:
    """How often workers started each run, by their own account."""
    if not ledger.exists():
        return Counter()
    return Counter(json.loads(line)["run_id"] for line in ledger.read_text().splitlines())


async def outcomes(
    client: corral.Client, run_ids: Iterable[str]
) -> dict[str, corral.RunSnapshot | None]:
    """Asks a hub for every run; None for one that it does not know."""
    found: dict[str, corral.RunSnapshot | None] = {}
    for run_id in run_ids:
        try:
            found[run_id] = await client.describe_workflow(run_id)
        except corral.RunNotFound:
            found[run_id] = None
    return found


def judge(found: dict[str, corral.RunSnapshot | None], counted: Counter[str]) -> Verdict:
    """Counts. A run that is unknown or has not ended is lost."""
    statuses = Counter(run.status if run else corral.RunStatus.UNKNOWN for run in found.values())
    completed = statuses[corral.RunStatus.COMPLETED]
    failed = statuses[corral.RunStatus.FAILED] + statuses[corral.RunStatus.CANCELLED]
    return Verdict(
        submitted=len(found),
        completed=completed,
        failed=failed,
        lost=len(found) - completed - failed,
        never_executed=sum(counted[run_id] == 0 for run_id in found),
        executed_again=sum(times > 1 for times in counted.values()),
        executions=counted.total(),
    )
