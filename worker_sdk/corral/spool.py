"""What an attempt has said for the moment: parts of its answer, progress, lines of its log.

Written by handlers on any thread, taken by the session. Bounded: a part of the answer
waits for room, a line of the log is dropped and counted, of progress the latest counts.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from corral.signalling import Flag
from corral_proto.v1 import worker_pb2

# Bytes that may wait in one spool; lines of the log take no more than their share.
SPOOL_BYTES = 256 * 1024
LOG_BYTES = 16 * 1024
# Beyond so many bytes nothing more is waited for.
URGENT_BYTES = 4 * 1024
# What one message may carry, and how much of what was sent is kept for another stream.
BATCH_ITEMS = 256
BATCH_BYTES = 64 * 1024
KEPT_BYTES = 64 * 1024
# Between two times at which something of an attempt is sent, unless there are URGENT_BYTES of it.
FLUSH_MS = 20
# The same of all attempts, as a frame costs more than what is in it.
SLICE_MS = 10
# So many may always leave at once.
FEW = 8

Item = tuple[str, bytes]
Key = tuple[str, str]


class Sink(Protocol):
    """Where an attempt's ephemeral events go; payloads are JSON."""

    async def put(self, payload: bytes) -> None:
        """Adds a part of the answer, waiting for room on the running loop."""
        ...

    def put_sync(self, payload: bytes) -> None:
        """Adds a part of the answer, waiting for room in a thread."""
        ...

    def log(self, payload: bytes) -> None:
        """Adds a line of the log, or drops and counts it."""
        ...

    def progress(self, payload: bytes) -> None:
        """Says how far the attempt is; the latest word counts."""
        ...


class Spool:
    """The spool of one attempt. What is put in after `close` is dropped."""

    def __init__(self, key: Key, speak: Callable[[Spool, bool], None]) -> None:
        self._key = key
        self._speak = speak
        self._lock = threading.Lock()
        self._items: list[Item] = []
        self._bytes = 0
        self._log_bytes = 0
        self._dropped = 0
        self._progress: bytes | None = None
        self._room: Flag | None = None
        self._closed = False
        # Whether there is something to send, and so much that it does not wait for its time.
        self.waits = self._urgent = False
        # Written by who has the session's turn: when something was sent, numbers, and what.
        self.sent_at = -float(FLUSH_MS)
        self._number = 0
        self._sent: deque[worker_pb2.WorkerMessage] = deque()
        self._sent_bytes = 0

    @property
    def due_at(self) -> float:
        """When what waits may be sent."""
        return -math.inf if self._urgent else self.sent_at + FLUSH_MS

    async def put(self, payload: bytes) -> None:
        """Adds a part of the answer, waiting for room on the running loop."""
        while (room := self._add(payload)) is not None:
            await room.wait()

    def put_sync(self, payload: bytes) -> None:
        """Adds a part of the answer, waiting for room in a thread."""
        while (room := self._add(payload)) is not None:
            room.wait_sync()

    def log(self, payload: bytes) -> None:
        """Adds a line of the log, or drops and counts it."""
        with self._lock:
            if self._closed:
                return
            if self._log_bytes + len(payload) > LOG_BYTES or self._bytes >= SPOOL_BYTES:
                self._dropped += 1
                return
            self._say_dropped()
            self._log_bytes += len(payload)
            self._append("log", payload)
            first, self.waits = not self.waits, True
        if first:
            self._speak(self, False)

    def progress(self, payload: bytes) -> None:
        """Says how far the attempt is; the latest word counts."""
        with self._lock:
            if self._closed:
                return
            self._progress = payload
            first, self.waits = not self.waits, True
        if first:
            self._speak(self, False)

    def close(self) -> None:
        """Nobody wants to hear more: lets go of what is there, and of who waits for room."""
        with self._lock:
            self._closed = True
            self._items.clear()
            self._progress = None
            self.waits = self._urgent = False
            self._make_room()
        self._sent.clear()

    def take(self) -> list[worker_pb2.WorkerMessage]:
        """Gives what waits as numbered messages, and keeps the latest of them."""
        with self._lock:
            if self._progress is not None:
                self._append("progress", self._progress)
                self._progress = None
            self._say_dropped()
            items, self._items = self._items, []
            self.waits = self._urgent = False
            self._make_room()
        messages: list[worker_pb2.WorkerMessage] = []
        at = 0
        while at < len(items):
            message, at, size = self._message(items, at)
            messages.append(message)
            self._sent.append(message)
            self._sent_bytes += size
        while self._sent_bytes > KEPT_BYTES and len(self._sent) > 1:
            self._sent_bytes -= _size(self._sent.popleft())
        return messages

    def sent(self) -> list[worker_pb2.WorkerMessage]:
        """Gives the latest messages that were sent: some may not have arrived."""
        return list(self._sent)

    def _add(self, payload: bytes) -> Flag | None:
        with self._lock:
            if self._closed:
                return None
            if self._bytes >= SPOOL_BYTES:
                self._room = self._room or Flag()
                return self._room
            first, self.waits = not self.waits, True
            before, self._bytes = self._bytes, self._bytes + len(payload)
            self._items.append(("chunk", payload))
            urgent = before < URGENT_BYTES <= self._bytes
            self._urgent = self._urgent or urgent
        if first or urgent:
            self._speak(self, urgent)
        return None

    def _append(self, type_: str, payload: bytes) -> None:
        self._items.append((type_, payload))
        self._bytes += len(payload)

    def _say_dropped(self) -> None:
        if self._dropped:
            self._append("log", b'{"dropped":%d}' % self._dropped)
            self._dropped = 0

    def _make_room(self) -> None:
        self._bytes = self._log_bytes = 0
        room, self._room = self._room, None
        if room is not None:
            room.raise_()

    def _message(self, items: list[Item], at: int) -> tuple[worker_pb2.WorkerMessage, int, int]:
        message = worker_pb2.WorkerMessage()
        batch = message.ephemeral
        batch.run_id, batch.fence = self._key
        batch.first = self._number + 1
        add, size, end = batch.items.add, 0, min(len(items), at + BATCH_ITEMS)
        while at < end:
            type_, payload = items[at]
            size += len(payload)
            if size > BATCH_BYTES:
                size -= len(payload)
                break
            add(type=type_, payload=payload)
            self._number += 1
            at += 1
        return message, at, size


class Spools:
    """The spools of one worker by attempt, and when each is emptied.

    `wake` is called on any thread when something is to be sent earlier than was planned;
    `has_room` is asked by who has the session's turn whether more can be sent now. Handlers'
    threads speak without a lock: each line that they share with the session's is one step of
    CPython's.
    """

    def __init__(self) -> None:
        self.wake: Callable[[], None] = _nothing
        self.has_room: Callable[[], bool] = _always
        self._lock = threading.Lock()
        self._spools: dict[Key, Spool] = {}
        # Those in which something waits; one may stand there twice, or be empty by now.
        self._waiting: deque[Spool] = deque()
        # Somebody has spoken whose time is before the plan, and has woken the session.
        self._earlier = False
        self._flush_at: float | None = None
        self._flushed_at = -math.inf

    def of(self, run_id: str, fence: str) -> Spool:
        """Gives the spool of an attempt. Safe in threads."""
        key = (run_id, fence)
        with self._lock:
            found = self._spools.get(key)
            if found is None:
                found = self._spools[key] = Spool(key, self._speak)
            return found

    def discard(self, key: Key) -> None:
        """The attempt is over, or of no interest any more."""
        with self._lock:
            spool = self._spools.pop(key, None)
        if spool is not None:
            spool.close()

    def next_flush(self) -> float | None:
        """Gives when `due` is to be asked again; None: not before `wake` is called."""
        return self._flush_at

    def due(self, now: float, ending: list[Key]) -> list[worker_pb2.WorkerMessage]:
        """Gives what is to be sent now: of those attempts whose time has come, and of those
        whose end is about to be said."""
        # First, so that what is said from here on wakes the session again.
        earlier, self._earlier = self._earlier, False
        if not self._waiting:
            return self._of(ending)
        if self._flush_at is None or earlier:
            self._flush_at = self._next(now)
        if now < self._flush_at:
            return self._of(ending)
        if not self.has_room():
            self._flush_at = now + FLUSH_MS
            return self._of(ending)
        # Before anything is taken: what comes from here on does not wait for a plan that is over.
        self._flush_at = None
        messages = [*self._of(ending), *self._ripe(now)]
        if messages:
            self._flushed_at = now
        if self._waiting:
            self._flush_at = self._next(now)
        return messages

    def again(self) -> list[worker_pb2.WorkerMessage]:
        """Gives what may not have arrived over an earlier stream, and all that has waited."""
        self._earlier = False
        self._flush_at = None
        self._waiting.clear()
        return [message for spool in self._all() for message in (*spool.sent(), *spool.take())]

    def pause(self) -> None:
        """There is no stream: everything waits."""
        self._flush_at = None

    def close(self) -> None:
        """The session is over: nobody waits for room any more."""
        for spool in self._all():
            spool.close()

    def _next(self, now: float) -> float:
        """When the first of those that wait may be sent."""
        # A copy, as handlers' threads add to it.
        first = min(spool.due_at for spool in list(self._waiting))
        return max(now, first, self._flushed_at + SLICE_MS) if first > -math.inf else now

    def _ripe(self, now: float) -> list[worker_pb2.WorkerMessage]:
        """Takes from those whose time has come; the others wait on."""
        some = [self._waiting.popleft() for _ in range(len(self._waiting))]
        ripe = [spool for spool in some if spool.waits and spool.due_at <= now]
        later = [spool for spool in some if spool.waits and spool.due_at > now]
        if len(ripe) > max(FEW, len(self._spools) * 3 // 4):
            # They have fallen into step: the hops would treat all of them in turns, and not some
            # here while others are there.
            half = len(ripe) // 2
            ripe, later = ripe[:half], ripe[half:] + later
        self._waiting.extend(later)
        for spool in ripe:
            spool.sent_at = now
        return [message for spool in ripe for message in spool.take()]

    def _all(self) -> list[Spool]:
        with self._lock:
            return list(self._spools.values())

    def _of(self, ending: list[Key]) -> list[worker_pb2.WorkerMessage]:
        with self._lock:
            spools = [self._spools[key] for key in ending if key in self._spools]
        return [message for spool in spools for message in spool.take()]

    def _speak(self, spool: Spool, urgent: bool) -> None:
        """Something new waits; a wake-up costs more than a part, so only when it is needed."""
        self._waiting.append(spool)
        # Read behind that, as the session forgets its plan before it takes anything.
        planned = self._flush_at
        at = -math.inf if urgent else max(spool.due_at, self._flushed_at + SLICE_MS)
        if planned is None or at < planned:
            # Else the session is on its way already.
            woken, self._earlier = self._earlier, True
            if not woken:
                self.wake()


def _size(message: worker_pb2.WorkerMessage) -> int:
    return sum(len(item.payload) for item in message.ephemeral.items)


def _nothing() -> None:
    """There is no session yet."""


def _always() -> bool:
    return True
