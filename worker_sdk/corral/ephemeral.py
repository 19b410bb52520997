"""Ephemeral events as a subscriber gets them: parts of an answer, progress, lines of a log.

Made from wire messages here and nowhere else. Keeps the position of one subscription, so that
each item is given once, in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from corral import encoding
from corral_proto.v1 import common_pb2, orchestrator_pb2


class EphemeralEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a handler said for the moment; the hubs keep it for some seconds.

    `type` is `chunk` (a part of the answer), `progress` (`fraction`, `note`) or `log`
    (`level`, `message`, or how many lines were `dropped`); `payload` is its JSON. `number`
    counts all of an attempt from 1. `ephemeral` is always true.
    """

    run_id: str
    attempt: int
    number: int
    type: str
    payload: Any
    ephemeral: bool = True


class ChunkGap(msgspec.Struct, frozen=True, kw_only=True):
    """Ephemeral events that are gone: their numbers, both ends included.

    `reason` is `slow` (the subscriber fell behind, or came late: they are no longer kept) or
    `relay` (lost between hubs, or with one). `type` is always `chunk_gap`.
    """

    first: int
    last: int
    reason: str
    type: str = "chunk_gap"


class StreamRestarted(msgspec.Struct, frozen=True, kw_only=True):
    """What follows is of another attempt: what came before will not be continued.

    `type` is always `stream_restarted`.
    """

    attempt: int
    type: str = "stream_restarted"


Ephemeral = EphemeralEvent | ChunkGap | StreamRestarted


class Position:
    """Up to where a subscription has everything; `cursor` is what a hub is told."""

    def __init__(self) -> None:
        self._fence = ""
        self._number = 0
        # A gap at the beginning of another attempt.
        self._held: tuple[str, ChunkGap] | None = None

    @property
    def cursor(self) -> str:
        """Where a hub goes on; "" before anything was given."""
        return f"{self._fence}-{self._number}" if self._fence else ""

    def read(self, batch: common_pb2.EphemeralEvents) -> Iterator[Ephemeral]:
        """Gives what of a batch is new. The position is behind each when it is given."""
        yield from self._attempt(batch.fence, batch.attempt)
        number, run_id, attempt = batch.first, batch.run_id, batch.attempt
        for item in batch.items:
            if number > self._number:
                self._number = number
                yield EphemeralEvent(
                    run_id=run_id,
                    attempt=attempt,
                    number=number,
                    type=item.type,
                    payload=encoding.decode(item.payload),
                )
            number += 1

    def skip(self, gap: orchestrator_pb2.SubscribeRunEventsResponse.Gap) -> Iterator[Ephemeral]:
        """Gives what a gap says."""
        missing = ChunkGap(first=gap.first, last=gap.last, reason=gap.reason)
        if gap.fence != self._fence and self._fence:
            # It names no attempt; what follows it does.
            self._held = (gap.fence, missing)
            return
        self._fence = gap.fence
        if gap.last > self._number:
            self._number = gap.last
            yield missing

    def rest(self) -> Iterator[Ephemeral]:
        """Gives what nothing has followed."""
        held, self._held = self._held, None
        if held is not None:
            yield held[1]

    def _attempt(self, fence: str, attempt: int) -> Iterator[Ephemeral]:
        if fence == self._fence:
            return
        again = self._fence != ""
        self._fence, self._number = fence, 0
        if again:
            yield StreamRestarted(attempt=attempt)
        held, self._held = self._held, None
        if held is not None and held[0] == fence:
            self._number = held[1].last
            yield held[1]
