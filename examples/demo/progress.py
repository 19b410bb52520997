"""What is known about the runs, from the fleet's own events. No output, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import corral


@dataclass(slots=True)
class Seen:
    """One run as its events tell it."""

    name: str
    status: str = "pending"
    worker: str = ""
    given_by: str = ""
    moved_to: str = ""
    started_ms: int = 0
    ended_ms: int = 0
    section: int = 0
    sections: int = 0

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    @property
    def hubs(self) -> str:
        """The hub that gave it to a worker, and the one over which it went on."""
        return f"{self.given_by} > {self.moved_to}" if self.moved_to else self.given_by

    @property
    def seconds(self) -> float:
        return max(0, self.ended_ms - self.started_ms) / 1000


class Progress:
    """All runs of the demo, by run id."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.runs = {run_id: Seen(name) for run_id, name in names.items()}

    def take(self, event: corral.Event) -> Seen | None:
        """Learns from an event; gives the run when its status changed."""
        run = self.runs.get(event.run_id)
        if run is None:
            return None
        payload: dict[str, Any] = event.payload if isinstance(event.payload, dict) else {}
        if event.type == "progress":
            run.section, run.sections = int(payload["section"]), int(payload["of"])
            return None
        if not event.type.startswith("status."):
            return None
        run.status = event.type.removeprefix("status.")
        if run.status == "running":
            run.worker = str(payload.get("worker", ""))
            run.given_by = str(payload.get("hub", ""))
            run.started_ms = event.time_ms
        elif run.ended:
            run.ended_ms = event.time_ms
        return run

    def moved(self, run_ids: set[str], hub: str) -> None:
        """Notes that these runs went on over another hub."""
        for run_id in run_ids:
            self.runs[run_id].moved_to = hub

    def count(self) -> Counter[str]:
        """How many runs have each status."""
        return Counter(run.status for run in self.runs.values())

    @property
    def ended(self) -> int:
        return sum(run.ended for run in self.runs.values())

    @property
    def all_ended(self) -> bool:
        return self.ended == len(self.runs)
