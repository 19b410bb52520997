"""Ephemeral events on their way to the subscribers of this hub: who listens to which run.

Takes what the store publishes for this hub and puts it into the queue of each listener. A
queue is bounded: what a slow subscriber has not taken is dropped, and read again later from
what the store keeps. Loses nothing by itself that it does not say.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable

import msgspec
import structlog

from corral_store.errors import StoreError
from corral_store.store import Store

# What one subscriber may leave in its queue: more than the store keeps of a run, as what does
# not fit is dropped with all that is queued.
QUEUE_BATCHES = 256
QUEUE_BYTES = 1_048_576

log = structlog.get_logger("corral.relays")


class Batch(msgspec.Struct):
    """Ephemeral events of one assignment in order, as they are kept; an item is (type,
    payload), and `first` the number of the first one."""

    run: str
    fence: str
    attempt: int
    first: int
    count: int
    size: int
    items: list[tuple[str, msgspec.Raw]]


_batch = msgspec.json.Decoder(Batch)
_batches = msgspec.json.Decoder(list[Batch])


def decode(raw: bytes) -> Batch:
    """A batch from its kept text."""
    return _batch.decode(raw)


class Listener:
    """The queue of one subscriber; `wake` is called whenever there is something to do.

    `lost` says why what is kept must be read: "slow" (the queue was full), "relay" (what was
    published may not have come), or "" for no reason.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.lost = ""
        self._wake = wake
        self._queue: deque[Batch] = deque()
        self._bytes = 0

    def give(self, batch: Batch) -> None:
        """Queues a batch, or drops all when there is no room."""
        self._wake()
        if self.lost == "slow":
            return
        if len(self._queue) >= QUEUE_BATCHES or self._bytes + batch.size > QUEUE_BYTES:
            self.lost = "slow"
            self._queue.clear()
            self._bytes = 0
            return
        self._queue.append(batch)
        self._bytes += batch.size

    def doubt(self) -> None:
        """What was published meanwhile may be lost."""
        self.lost = self.lost or "relay"
        self._wake()

    def take(self) -> tuple[list[Batch], str]:
        """Gives what is queued, and why more must be read."""
        taken, lost = list(self._queue), self.lost
        self._queue.clear()
        self._bytes, self.lost = 0, ""
        return taken, lost


class Relays:
    """The listeners of this hub by namespace and run."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, str], set[Listener]] = defaultdict(set)
        self._left: set[tuple[str, str]] = set()
        self._leaving = asyncio.Event()

    def add(self, namespace: str, run: str, listener: Listener) -> None:
        """Enters a listener; the store is to be told by who adds it."""
        self._left.discard((namespace, run))
        self._listeners[namespace, run].add(listener)

    def remove(self, namespace: str, run: str, listener: Listener) -> None:
        """Removes a listener; with the last one the hub follows the run no more."""
        key = namespace, run
        self._listeners[key].discard(listener)
        if not self._listeners[key]:
            del self._listeners[key]
            self._left.add(key)
            self._leaving.set()

    def take(self, namespace: str, raw: bytes) -> None:
        """Batches were published for this hub; nothing at all means that some may be lost."""
        if not raw:
            for (name, _), listeners in self._listeners.items():
                if name == namespace:
                    for listener in listeners:
                        listener.doubt()
            return
        for batch in _batches.decode(raw):
            listeners = self._listeners.get((namespace, batch.run))
            if listeners:
                # Parts of the message would keep all of it in memory while they are queued.
                batch.items = [(kind, payload.copy()) for kind, payload in batch.items]
                for listener in listeners:
                    listener.give(batch)

    async def run(self, store: Store) -> None:
        """Tells the store which runs are followed no more, forever; the owner cancels it."""
        while True:
            await self._leaving.wait()
            self._leaving.clear()
            while self._left:
                namespace, run = self._left.pop()
                try:
                    await store.namespace(namespace).listen(run, "off")
                except StoreError as error:
                    # The hub is told for nothing until the run ends.
                    log.debug("a run is still followed", run=run, error=str(error))
