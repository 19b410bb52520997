"""Follows the events of one run, or of all, from a cursor.

Events are read from the store by number, so a slow subscriber holds nothing up here; a
hint only says that it is time to read.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import msgspec

from corral_hub import names
from corral_hub.errors import InvalidRequest, RunNotFound, Unavailable
from corral_store.records import Feed
from corral_store.transitions import Transitions

TERMINAL = frozenset({"completed", "failed", "cancelled"})
POLL_SECONDS = 1.0
# Where a feed without entries ends.
NOTHING = "0-0"
PAGE = 256
# The second half of an id in the feed: up to 2**64 - 1.
SEQUENCE = re.compile(r"[0-9]{1,20}")


class Happened(msgspec.Struct):
    """An event as it is kept."""

    number: int
    type: str
    time_ms: int
    attempt: int
    payload: msgspec.Raw


class FeedEvent(msgspec.Struct):
    """An event as it stands in the feed."""

    run: str
    workflow: str
    event: Happened


@dataclass(slots=True, frozen=True)
class Seen:
    """One event with the cursor behind it."""

    run: str
    event: Happened
    cursor: str


@dataclass(slots=True, frozen=True)
class Gap:
    """Events that are gone: numbers of a run, or a part of the feed."""

    first: int
    last: int
    reason: str
    cursor: str


@dataclass(slots=True, frozen=True)
class Quiet:
    """Nothing for a while; the cursor to go on from."""

    cursor: str


_event = msgspec.json.Decoder(Happened)
_feed = msgspec.json.Decoder(list[FeedEvent])


class Subscriptions:
    """Wakes those who wait for events. `keepalive_ms`: between signs of life."""

    def __init__(self, keepalive_ms: int) -> None:
        self._keepalive = keepalive_ms / 1000
        self._closed = False
        self._runs: dict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)
        self._feeds: dict[str, set[asyncio.Event]] = defaultdict(set)

    def close(self) -> None:
        """Ends every subscription: the hub is stopping."""
        self._closed = True
        for event in (e for events in self._runs.values() for e in events):
            event.set()
        for event in (e for events in self._feeds.values() for e in events):
            event.set()

    def hint(self, namespace: str, words: str) -> None:
        """Runs have new events; "" means that hints may have been missed."""
        for event in self._feeds.get(namespace, ()):
            event.set()
        if not words:
            for (name, _), events in self._runs.items():
                if name == namespace:
                    for event in events:
                        event.set()
            return
        if not self._runs:
            return
        for line in words.splitlines():
            for event in self._runs.get((namespace, line.partition(" ")[0]), ()):
                event.set()

    async def run(
        self, transitions: Transitions, run: str, cursor: str
    ) -> AsyncGenerator[Seen | Gap | Quiet]:
        """Events of a run beyond the cursor, until its terminal one.

        Raises RunNotFound, and InvalidRequest for a cursor that is none.
        """
        epoch, after = parse_cursor(cursor)
        woken = asyncio.Event()
        waiting = self._runs[transitions.namespace, run]
        waiting.add(woken)
        quiet = asyncio.get_running_loop().time()
        try:
            while True:
                woken.clear()
                (found,), now_epoch = await transitions.read_events([run], after, PAGE)
                if found is None:
                    raise RunNotFound(
                        f"there is no run {run!r}; it may have been removed after its retention",
                        run_id=run,
                    )
                if after > found.latest:
                    yield Gap(found.latest + 1, after, "epoch", f"{now_epoch}-{found.latest}")
                    epoch, after = now_epoch, found.latest
                    continue
                epoch = now_epoch
                for raw in found.events:
                    event = _event.decode(raw)
                    after = event.number
                    yield Seen(run, event, f"{epoch}-{after}")
                    quiet = asyncio.get_running_loop().time()
                if after >= found.latest:
                    if found.status in TERMINAL:
                        return
                    await self._wait(woken)
                    if asyncio.get_running_loop().time() - quiet > self._keepalive:
                        quiet = asyncio.get_running_loop().time()
                        yield Quiet(f"{epoch}-{after}")
        finally:
            waiting.discard(woken)
            if not waiting:
                self._runs.pop((transitions.namespace, run), None)

    async def all(
        self, transitions: Transitions, cursor: str
    ) -> AsyncIterator[tuple[FeedEvent, str] | Gap | Quiet]:
        """Events of all runs beyond the cursor; "" begins with what happens next."""
        woken = asyncio.Event()
        waiting = self._feeds[transitions.namespace]
        waiting.add(woken)
        try:
            after, skip, gap = await self._start(transitions, cursor)
            if gap is not None:
                yield gap
            quiet = asyncio.get_running_loop().time()
            yield Quiet(f"{after}.0" if not skip else cursor)
            while True:
                woken.clear()
                feed = await transitions.read_feed(after)
                before = _before(feed.oldest)
                if after != NOTHING and _stream_id(after) < _stream_id(before):
                    # A slow reader was overtaken by the bound of the feed.
                    after, skip = before, 0
                    yield Gap(0, 0, "trimmed", f"{after}.0")
                for entry, raw in feed.entries:
                    events = _feed.decode(raw)
                    for index, event in enumerate(events, start=1):
                        # The entry of the cursor may be gone, and this be the one behind it.
                        if index > skip or not cursor.startswith(f"{entry}."):
                            yield event, f"{entry}.{index}"
                    after, skip = entry, 0
                    quiet = asyncio.get_running_loop().time()
                if not feed.entries:
                    await self._wait(woken)
                    if asyncio.get_running_loop().time() - quiet > self._keepalive:
                        quiet = asyncio.get_running_loop().time()
                        yield Quiet(f"{after}.0")
        finally:
            waiting.discard(woken)

    async def _start(self, transitions: Transitions, cursor: str) -> tuple[str, int, Gap | None]:
        """Where to read from: the id of the last whole entry, and how many events of the
        next one have been seen."""
        feed: Feed = await transitions.read_feed("$")
        if not cursor:
            return feed.newest, 0, None
        entry, _, index = cursor.partition(".")
        milliseconds, _, sequence = entry.partition("-")
        if not (
            names.NUMBER.fullmatch(milliseconds)
            and SEQUENCE.fullmatch(sequence)
            and names.NUMBER.fullmatch(index or "0")
        ):
            raise InvalidRequest(
                f"cursor {cursor[:80]!r} is none of this feed; send one that an event carried, "
                'or "" to begin with what happens next',
                field="cursor",
            )
        at = (int(milliseconds), int(sequence))
        if at > _stream_id(feed.newest):
            return feed.newest, 0, Gap(0, 0, "epoch", f"{feed.newest}.0")
        if at < _stream_id(_before(feed.oldest)) and at != (0, 0):
            before = _before(feed.oldest)
            return before, 0, Gap(0, 0, "trimmed", f"{before}.0")
        seen = int(index or "0")
        if seen == 0:
            return entry, 0, None
        return _before(entry), seen, None

    async def _wait(self, woken: asyncio.Event) -> None:
        if not self._closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await woken.wait()
        if self._closed:
            raise Unavailable("this hub is stopping: subscribe at another, from the last cursor")


def _stream_id(text: str) -> tuple[int, int]:
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or "0")


def _before(text: str) -> str:
    milliseconds, sequence = _stream_id(text)
    if sequence > 0:
        return f"{milliseconds}-{sequence - 1}"
    return f"{max(0, milliseconds - 1)}-18446744073709551615"


def parse_cursor(cursor: str) -> tuple[int, int]:
    """Epoch and number of a run's cursor; ("" is the beginning). Raises InvalidRequest."""
    if not cursor:
        return 0, 0
    epoch, _, number = cursor.partition("-")
    if not (names.NUMBER.fullmatch(epoch) and names.NUMBER.fullmatch(number)):
        raise InvalidRequest(
            f"cursor {cursor[:80]!r} is none of a run: it is <epoch>-<number>, as an event "
            'carried it, or "" for the first event',
            field="cursor",
        )
    return int(epoch), int(number)
