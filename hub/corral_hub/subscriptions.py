"""Follows the events of one run, or of all, from a cursor.

Events are read from the store by number, so a slow subscriber holds nothing up here; a
hint only says that it is time to read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from corral_hub import cursors
from corral_hub.cursors import Position
from corral_hub.errors import RunNotFound, Unavailable
from corral_hub.feed import FeedEvent, Happened, events_of
from corral_store.records import Feed
from corral_store.transitions import Transitions

TERMINAL = frozenset({"completed", "failed", "cancelled"})
POLL_SECONDS = 1.0
PAGE = 256

KeyT = TypeVar("KeyT")


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


class Subscriptions:
    """Wakes those who wait for events. `keepalive_ms`: between signs of life. `following`:
    makes `hint` be called for a namespace, as long as one is inside."""

    def __init__(
        self, keepalive_ms: int, following: Callable[[str], AbstractContextManager[None]]
    ) -> None:
        self._keepalive = keepalive_ms / 1000
        self._following = following
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

        Raises RunNotFound, and InvalidRequest for a cursor that is none of this run.
        """
        at = cursors.position(run, cursor)
        # No epoch yet: the first read finds out whether the store still has the event of the
        # cursor, as every read does that finds the store restarted or replaced.
        epoch = -1
        quiet = _now()
        with self._woken(transitions.namespace, self._runs, (transitions.namespace, run)) as woken:
            while True:
                woken.clear()
                (found,), now_epoch = await transitions.read_events([run], at.number, PAGE)
                if found is None:
                    raise RunNotFound(
                        f"there is no run {run!r}; it may have been removed after its retention",
                        run_id=run,
                    )
                if now_epoch != epoch:
                    epoch = now_epoch
                    kept = await _kept(transitions, run, at, found.latest)
                    if kept.number < at.number:
                        gone, at = at, kept
                        yield Gap(
                            at.number + 1, gone.number, "epoch", cursors.of_run(run, epoch, at)
                        )
                        continue
                for raw in found.events:
                    event = _event.decode(raw)
                    at = Position(event.number, event.time_ms)
                    yield Seen(run, event, cursors.of_run(run, epoch, at))
                    quiet = _now()
                if at.number >= found.latest:
                    if found.status in TERMINAL:
                        return
                    await self._wait(woken)
                    if _now() - quiet > self._keepalive:
                        quiet = _now()
                        yield Quiet(cursors.of_run(run, epoch, at))

    async def all(
        self,
        transitions: Transitions,
        cursor: str,
        passes: Callable[[FeedEvent], bool] = lambda _: True,
    ) -> AsyncIterator[tuple[FeedEvent, str] | Gap | Quiet]:
        """Events of all runs beyond the cursor, those that pass; "" begins with what happens
        next. Says how far it is as soon as it has read all that there was, and from then on when
        nothing has passed for a while.
        """
        name = transitions.namespace
        with self._woken(name, self._feeds, name) as woken:
            after, skip, gap = await self._start(transitions, cursor)
            if gap is not None:
                yield gap
            quiet, begin, reached = _now(), after, False
            yield Quiet(f"{after}.0" if not skip else cursor)
            while True:
                woken.clear()
                feed = await transitions.read_feed(after)
                before = cursors.before(feed.oldest)
                if after != cursors.NOTHING and cursors.stream_id(after) < cursors.stream_id(
                    before
                ):
                    # A slow reader was overtaken by the bound of the feed.
                    after, skip = before, 0
                    yield Gap(0, 0, "trimmed", f"{after}.0")
                for entry, raw in feed.entries:
                    # The entry of the cursor may be gone, and this be the one behind it.
                    first = skip if cursor.startswith(f"{entry}.") else 0
                    for index, event in enumerate(events_of(raw), start=1):
                        if index > first and passes(event):
                            yield event, f"{entry}.{index}"
                            quiet = _now()
                    after, skip = entry, 0
                if not feed.entries:
                    if not reached and after != begin:
                        yield Quiet(f"{after}.0")
                    reached = True
                    await self._wait(woken)
                if _now() - quiet > self._keepalive:
                    quiet = _now()
                    yield Quiet(f"{after}.0")

    @contextlib.contextmanager
    def _woken(
        self, namespace: str, waiting: dict[KeyT, set[asyncio.Event]], key: KeyT
    ) -> Generator[asyncio.Event]:
        """An event that `hint` sets, while one is inside."""
        woken = asyncio.Event()
        waiting[key].add(woken)
        try:
            with self._following(namespace):
                yield woken
        finally:
            waiting[key].discard(woken)
            if not waiting[key]:
                del waiting[key]

    async def _start(self, transitions: Transitions, cursor: str) -> tuple[str, int, Gap | None]:
        """Where to read from: the id of the last whole entry, and how many events of the
        next one have been seen."""
        feed: Feed = await transitions.read_feed("$")
        if not cursor:
            return feed.newest, 0, None
        at = cursors.feed_position(cursor)
        if at.id > cursors.stream_id(feed.newest):
            return feed.newest, 0, Gap(0, 0, "epoch", f"{feed.newest}.0")
        before = cursors.before(feed.oldest)
        if at.id < cursors.stream_id(before) and at.id != (0, 0):
            return before, 0, Gap(0, 0, "trimmed", f"{before}.0")
        if at.seen == 0:
            return at.entry, 0, None
        return cursors.before(at.entry), at.seen, None

    async def _wait(self, woken: asyncio.Event) -> None:
        if not self._closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await woken.wait()
        if self._closed:
            raise Unavailable("this hub is stopping: subscribe at another, from the last cursor")


async def _kept(transitions: Transitions, run: str, at: Position, latest: int) -> Position:
    """Up to where the store has what was given. When it lost its latest writes and the run went
    on, other events have the same numbers now; they happened later than any that was lost."""
    if at.number == 0:
        return at
    if at.time_ms == 0:
        return Position(min(at.number, latest))
    (found,), _ = await transitions.read_events([run], at.number - 1, 1)
    if found and any(_event.decode(raw).time_ms == at.time_ms for raw in found.events):
        return at
    kept = Position()
    while True:
        (found,), _ = await transitions.read_events([run], kept.number, PAGE)
        if found is None or not found.events:
            return kept
        for raw in found.events:
            event = _event.decode(raw)
            if event.time_ms > at.time_ms:
                return kept
            if event.number == at.number:
                # Another one, and not later: a clock was set back, and no time says anything.
                return Position()
            kept = Position(event.number, event.time_ms)


def _now() -> float:
    return asyncio.get_running_loop().time()
