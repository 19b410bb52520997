"""Subscribers of all runs: one of everything, one with a filter, from the first run to the last.

Each goes on from its cursor at any hub, and writes down every event that it is told.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import corral
from corral.errors import HubError
from tests.chaos.records import Heard, HistoryLine, Lines, Missed, Odd

PAUSE_SECONDS = 0.1
FROM_THE_FIRST = "0-0"
EVERYTHING = "everything"
FILTERED = "filtered"
# What the filtered one is about: changes of status of the runs with this label.
LABEL = {"colour": "red"}
WHAT: dict[str, dict[str, Any]] = {
    EVERYTHING: {},
    FILTERED: {"filter": corral.RunFilter(labels=LABEL), "status_only": True},
}
ENDS = frozenset({"status.completed", "status.failed", "status.cancelled"})


class Subscriber:
    """Listens until its task is cancelled. `ended` are the runs whose end it was told."""

    def __init__(self, name: str, client: corral.Client, history: Lines[HistoryLine]) -> None:
        self.name = name
        self.ended: set[str] = set()
        self._client = client
        self._history = history
        self._told = asyncio.Event()

    async def heard(self, ended: set[str]) -> None:
        """Returns when it was told the end of each of these runs."""
        while not ended <= self.ended:
            self._told.clear()
            await self._told.wait()

    async def run(self) -> None:
        """Writes down events, from the cursor on when a subscription breaks."""
        cursor = FROM_THE_FIRST
        while True:
            events = self._client.subscribe_all(cursor=cursor, **WHAT[self.name])
            try:
                async for event in events:
                    self._write(event)
            except HubError as error:
                if not isinstance(error, corral.Unavailable) and not error.retryable:
                    self._history.write(Odd(f"{self.name}: {error!r}", time.monotonic()))
                    return
            cursor = events.cursor
            await asyncio.sleep(PAUSE_SECONDS)

    def _write(self, event: corral.Event | corral.GapInEvents) -> None:
        if isinstance(event, corral.GapInEvents):
            self._history.write(Missed(self.name, event.reason))
            return
        self._history.write(Heard(self.name, event.run_id, event.number, event.type))
        if event.type in ENDS:
            self.ended.add(event.run_id)
            self._told.set()
