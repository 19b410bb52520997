"""Which runs and which workers a call is about: the one filter of the store.

Plain records and the text in which they go to the transitions. Knows no names of users; what
is acceptable is checked before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Pairs = tuple[tuple[str, str], ...]
ANY = "*"


@dataclass(slots=True, frozen=True)
class RunFilter:
    """Which runs; all conditions must hold. An empty part is no condition, and "*" stands for
    any value of a label or tag."""

    statuses: tuple[str, ...] = ()
    workflow: str = ""
    labels: Pairs = ()
    kind: str = ""
    worker: str = ""
    worker_tags: Pairs = ()

    @property
    def says_something(self) -> bool:
        """False for a filter that would mean every run."""
        return self != RunFilter()

    def text(self) -> str:
        """What the transitions take; "" for every run."""
        return _text(
            {
                "statuses": self.statuses,
                "workflow": self.workflow,
                "labels": self.labels,
                "kind": self.kind,
                "worker": self.worker,
                "tags": self.worker_tags,
            }
        )


@dataclass(slots=True, frozen=True)
class WorkerFilter:
    """Which workers, as in `RunFilter`."""

    workers: tuple[str, ...] = ()
    kind: str = ""
    tags: Pairs = ()
    labels: Pairs = ()

    @property
    def says_something(self) -> bool:
        """False for a filter that would mean every worker."""
        return self != WorkerFilter()

    def text(self) -> str:
        """What the transitions take; "" for every worker."""
        return _text(
            {"workers": self.workers, "kind": self.kind, "tags": self.tags, "labels": self.labels}
        )


def holds(have: dict[str, str], wanted: Pairs) -> bool:
    """True when all that is wanted is there."""
    return all(have.get(key) is not None and value in (ANY, have[key]) for key, value in wanted)


def _text(parts: dict[str, Any]) -> str:
    said = {name: part for name, part in parts.items() if part}
    return json.dumps(said) if said else ""
