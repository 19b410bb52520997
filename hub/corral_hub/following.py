"""Follows one run with its ephemeral events: parts of a streamed answer, progress, log lines.

Puts what comes live and what the store keeps into one order by number, each item once, and
says which numbers are gone. Events of the run are those of `subscriptions.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from corral_hub import names
from corral_hub.errors import InvalidRequest
from corral_hub.relays import Batch, Listener, Relays, decode
from corral_hub.subscriptions import TERMINAL, Gap, Quiet, Seen, Subscriptions
from corral_hub.waking import Woken
from corral_store.transitions import Transitions

# How long nothing may come before what is kept is looked at: pub/sub is only speed.
POLL_SECONDS = 1.0
# What one message may carry.
PARTS_ITEMS = 256
PARTS_BYTES = 65_536
FENCE = re.compile(r"[0-9]{1,16}")
LAST_EVENTS = frozenset(f"status.{status}" for status in TERMINAL)

Item = tuple[str, bytes]


@dataclass(slots=True)
class Parts:
    """Ephemeral events that follow each other, the first with its number."""

    run: str
    fence: int
    attempt: int
    first: int
    items: list[Item] = field(default_factory=list[Item])
    size: int = 0

    @property
    def cursor(self) -> str:
        """Where a new subscription goes on behind them."""
        return f"{self.fence}-{self.first + len(self.items) - 1}"


@dataclass(slots=True, frozen=True)
class PartsGap:
    """Ephemeral events of an assignment that are gone."""

    fence: int
    first: int
    last: int
    reason: str


Ephemeral = Parts | PartsGap


class Position:
    """The assignment and the number up to which everything was given, or said to be gone."""

    def __init__(self, fence: int, number: int) -> None:
        self.fence = fence
        self.number = number

    def hole(self, batch: Batch) -> bool:
        """True when something is missing before the batch."""
        fence = int(batch.fence)
        before = self.number if fence == self.fence else 0
        return fence >= self.fence and batch.first > before + 1

    def accept(self, batch: Batch, reason: str) -> Iterator[Ephemeral]:
        """What of the batch is new, behind the gap before it."""
        fence = int(batch.fence)
        if fence < self.fence:
            return
        if fence > self.fence:
            self.fence, self.number = fence, 0
        yield from self.skip(batch.first - 1, reason)
        seen = self.number + 1 - batch.first
        items = [(kind, bytes(payload)) for kind, payload in batch.items[seen:]]
        if items:
            first = self.number + 1
            self.number += len(items)
            yield Parts(batch.run, fence, batch.attempt, first, items, batch.size)

    def skip(self, last: int, reason: str) -> Iterator[PartsGap]:
        """Everything up to a number is gone, as far as it was not given."""
        if last > self.number:
            yield PartsGap(self.fence, self.number + 1, last, reason)
            self.number = last


class Following:
    """Subscriptions of single runs with their ephemeral events."""

    def __init__(self, subscriptions: Subscriptions, relays: Relays) -> None:
        self._subscriptions = subscriptions
        self._relays = relays

    async def run(
        self, transitions: Transitions, run: str, cursor: str, ephemeral_cursor: str
    ) -> AsyncIterator[Seen | Gap | Quiet | Parts | PartsGap]:
        """Events of a run beyond the one cursor, ephemeral ones beyond the other, until the
        terminal event. All that can be had of the latter comes before it.

        Raises RunNotFound, and InvalidRequest for a cursor that is none.
        """
        position = Position(*parse_cursor(ephemeral_cursor))
        woken = Woken(POLL_SECONDS)
        listener = Listener(woken.set)
        tail = _Tail(transitions, run, position, listener)
        events = self._subscriptions.run(transitions, run, cursor)
        coming: asyncio.Task[Seen | Gap | Quiet | None] | None = None
        self._relays.add(transitions.namespace, run, listener)
        try:
            for item in await tail.begin():
                yield item
            while True:
                if coming is None:
                    coming = asyncio.create_task(anext(events, None), name=f"events of {run}")
                    coming.add_done_callback(lambda _: woken.set())
                quiet = not await woken.wait()
                for item in await tail.news(look=quiet):
                    yield item
                if not coming.done():
                    continue
                event, coming = coming.result(), None
                if event is None:
                    return
                if isinstance(event, Seen) and event.event.type in LAST_EVENTS:
                    for item in await tail.news(look=True):
                        yield item
                yield event
        finally:
            self._relays.remove(transitions.namespace, run, listener)
            woken.close()
            if coming is not None:
                coming.cancel()
                await asyncio.wait([coming])
            await events.aclose()


class _Tail:
    """The ephemeral events of one run as one subscriber gets them."""

    def __init__(
        self, transitions: Transitions, run: str, position: Position, listener: Listener
    ) -> None:
        self._transitions = transitions
        self._run = run
        self._position = position
        self._listener = listener

    async def begin(self) -> list[Ephemeral]:
        """What is kept beyond the cursor. From here on the store tells this hub of the run."""
        return _joined(await self._read("slow", begin=True))

    async def news(self, *, look: bool) -> list[Ephemeral]:
        """What has come; `look` at what is kept, too."""
        batches, lost = self._listener.take()
        found: list[Ephemeral] = []
        if lost == "slow":
            found += await self._read("slow")
        for batch in batches:
            if self._position.hole(batch):
                found += await self._read("relay")
            found += self._position.accept(batch, "relay")
        if lost == "relay" or look:
            found += await self._read("relay")
        return _joined(found)

    async def _read(self, reason: str, *, begin: bool = False) -> list[Ephemeral]:
        """Reads what is kept. `reason`: why it may lack the first of what is missing; what is
        missing between what is kept was lost on its way there."""
        position = self._position
        ring = await self._transitions.listen(self._run, "on", str(position.fence), position.number)
        if ring is None:
            return []
        if begin and int(ring.fence or 0) < position.fence:
            # A cursor of no assignment of this run, or of one that the store has lost.
            position.fence, position.number = 0, 0
        found: list[Ephemeral] = []
        for raw in ring.batches:
            found += position.accept(decode(raw), reason)
            reason = "relay"
        if ring.fence:
            if int(ring.fence) > position.fence:
                position.fence, position.number = int(ring.fence), 0
            found += position.skip(ring.last if int(ring.fence) == position.fence else 0, reason)
        return found


def _joined(found: list[Ephemeral]) -> list[Ephemeral]:
    """The same in as few parts as one message allows: a subscriber that has fallen behind
    catches up by larger messages."""
    out: list[Ephemeral] = []
    for item in found:
        last = out[-1] if out else None
        if (
            isinstance(item, Parts)
            and isinstance(last, Parts)
            and item.fence == last.fence
            and len(last.items) + len(item.items) <= PARTS_ITEMS
            and last.size + item.size <= PARTS_BYTES
        ):
            last.items += item.items
            last.size += item.size
        else:
            out.append(item)
    return out


def parse_cursor(cursor: str) -> tuple[int, int]:
    """Fence and number of a cursor of ephemeral events; "" is from what is kept.

    Raises InvalidRequest.
    """
    if not cursor:
        return 0, 0
    fence, _, number = cursor.partition("-")
    if not (FENCE.fullmatch(fence) and names.NUMBER.fullmatch(number)):
        raise InvalidRequest(
            f"ephemeral_cursor {cursor[:80]!r} is none: it is <fence>-<number>, as ephemeral "
            'events carried it, or "" for what is kept',
            field="ephemeral_cursor",
        )
    return int(fence), int(number)
