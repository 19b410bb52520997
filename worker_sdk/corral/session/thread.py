"""The shell of the session: it feeds the core and carries out its actions.

Owns the core, the present stream and the clock. A thread of its own does so, so that a handler
that blocks the user's event loop stops neither pongs nor reports. What a hub says is treated by
the stream's thread when nobody else is at it: to wake another thread for that would take as long
as the rest. One lock, the turn, tells who is at it; nobody waits for it but the session's thread.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from corral.addresses import Address
from corral.channel import Metadata
from corral.clock import now_ms
from corral.offers import Decline
from corral.session.core import SessionCore
from corral.session.credit import Credit
from corral.session.lease import Horizon
from corral.session.messages import (
    Action,
    Answered,
    Connect,
    Connected,
    Consider,
    DrainBegan,
    Ended,
    Ending,
    FreeEvent,
    HalfClose,
    Hangup,
    LeaseHolds,
    Log,
    Outcome,
    Phase,
    Remark,
    Send,
    Start,
    StopRun,
    Told,
)
from corral.session.stream import Dial, HubStream, Stream
from corral.spool import Spool
from corral_proto.v1 import worker_pb2

logger = logging.getLogger("corral.session")

# Events that may be on their way from handlers to a hub, all runs together.
EVENTS_ON_THEIR_WAY = 1024
# Messages that may wait for the hub to read, before parts of answers wait in their spools.
MESSAGES_ON_THEIR_WAY = 64
# Words that are treated before what they cause is carried out.
BATCH = 256

Step = Callable[[float], list[Action]]


class Host(Protocol):
    """Who executes what the session wants. Called by one of its threads at a time; must not
    wait."""

    def start(self, assignment: worker_pb2.Assignment) -> None:
        """Executes an assignment."""
        ...

    def consider(self, offer: worker_pb2.Offer) -> None:
        """Asks the hook about an offer."""
        ...

    def stop(self, run_id: str, fence: str, reason: str) -> None:
        """Tells a handler to stop, or the hook that considers the run's offer."""
        ...

    def told(self, told: Told) -> None:
        """Tells a handler what became of a remark."""
        ...

    def answered(self, answered: Answered) -> None:
        """Tells a handler that its questions are answered."""
        ...

    def drain_began(self) -> None:
        """The worker takes no new work from now on."""
        ...

    def connected(self, hub: str) -> None:
        """A hub has welcomed the worker."""
        ...

    def ended(self, error: Exception | None) -> None:
        """The session is over; the last call."""
        ...


class SessionThread:
    """Runs a session from `start` until the host is told that it ended. Safe in threads."""

    def __init__(
        self,
        core: SessionCore,
        addresses: tuple[Address, ...],
        metadata: Metadata,
        host: Host,
        dial: Dial = HubStream,
    ) -> None:
        self.credit = Credit(EVENTS_ON_THEIR_WAY)
        self.horizon = Horizon()
        self._core = core
        self._addresses = addresses
        self._metadata = metadata
        self._host = host
        self._dial = dial
        # Ends of handlers are no steps of their own: those that come together are one.
        self._inbox: queue.SimpleQueue[Step | Ending | None] = queue.SimpleQueue()
        # What hubs said, taken in this order by whoever has the turn.
        self._frames: queue.SimpleQueue[tuple[int, worker_pb2.HubFrame]] = queue.SimpleQueue()
        self._turn = threading.Lock()
        # When the session's thread wakes by itself, at the latest; None: not.
        self._rings_at: float | None = None
        # What the stream's thread ran into, for the session's thread to end of.
        self._failure: Exception | None = None
        self._over = False
        self._unsent: list[worker_pb2.WorkerMessage] = []
        self._stream: Stream | None = None
        self._spools = core.spools
        self._spools.wake = lambda: self._inbox.put(lambda now: [])
        self._spools.has_room = self._has_room
        self._thread = threading.Thread(target=self._run, name="corral-session", daemon=True)

    def start(self) -> None:
        """Begins the session."""
        self._inbox.put(self._core.begin)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread at once, saying nothing to the hub, and waits for its end."""
        self._inbox.put(None)
        self._thread.join()
        self.credit.open()
        self._spools.close()

    def abort(self, error: Exception) -> None:
        """Ends the session at once with an error, saying nothing to the hub, as a crash would."""
        self._inbox.put(lambda now: [Hangup(), Ended(error)])

    def drain(self, *, immediate: bool) -> None:
        """Asks for no new work and for the end."""
        self._inbox.put(lambda now: self._core.drain(now, immediate=immediate))

    def say_event(self, run_id: str, fence: str, type_: str, payload: bytes) -> None:
        """Hands an event over; the caller has taken a place of `credit` for it."""
        self._inbox.put(lambda now: self._core.event_emitted(run_id, fence, type_, payload, now))

    def say_remark(self, run_id: str, fence: str, remark: Remark) -> None:
        """Hands over what a handler asks, or wants kept."""
        self._inbox.put(lambda now: self._core.remarked(run_id, fence, remark, now))

    def spool(self, run_id: str, fence: str) -> Spool:
        """Gives where an attempt says what is not kept."""
        return self._spools.of(run_id, fence)

    def handler_ended(self, run_id: str, fence: str, outcome: Outcome) -> None:
        """Hands the end of a handler over."""
        self._inbox.put((run_id, fence, outcome))

    def offer_answered(self, run_id: str, fence: str, refusal: Decline | None) -> None:
        """Hands the hook's answer over; None takes the offer."""
        self._inbox.put(lambda now: self._core.offer_answered(run_id, fence, refusal, now))

    def resident_changed(self, resident: Mapping[str, int]) -> None:
        """Hands over which models are loaded now."""
        self._inbox.put(lambda now: self._core.resident_changed(resident, now))

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as error:
            # The edge of the thread: whoever waits for the session must hear of its end.
            logger.exception("The session's thread failed; the worker ends.")
            self._host.ended(error)
        finally:
            with self._turn:
                self._over = True
                self._hang_up()

    def _loop(self) -> None:
        more = True
        while more:
            steps = self._wait()
            with self._turn:
                more = self._round(steps)
                self._rings_at = self._core.next_wakeup()

    def _round(self, steps: list[Step | Ending | None]) -> bool:
        """Carries out what has come; false when the session is over."""
        if self._failure is not None:
            raise self._failure
        self._take_frames()
        ended: list[Ending] = []
        for step in steps:
            if isinstance(step, tuple):
                ended.append(step)
                continue
            self._take_ended(ended)
            if step is None:
                return False
            self._perform(step(now_ms()))
        self._take_ended(ended)
        # After what has arrived: silence is judged by what was heard, not by what a
        # stalled process has not looked at yet.
        self._perform(self._core.tick(now_ms()))
        self._flush()
        return self._core.phase is not Phase.ENDED

    def _take_frames(self) -> None:
        while not self._frames.empty():
            stream, frame = self._frames.get()
            self._perform(self._core.received(stream, frame, now_ms()))

    def _take_ended(self, ended: list[Ending]) -> None:
        if ended:
            self._perform(self._core.handlers_ended(ended, now_ms()))
            ended.clear()

    def _wait(self) -> list[Step | Ending | None]:
        rings_at = self._rings_at
        timeout = None if rings_at is None else max(0.0, (rings_at - now_ms()) / 1000)
        steps: list[Step | Ending | None] = []
        try:
            steps.append(self._inbox.get(timeout=timeout))
            while len(steps) < BATCH:
                steps.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        return steps

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(message):
                    self._unsent.append(message)
                case Start(assignment):
                    self._host.start(assignment)
                case Consider(offer):
                    self._host.consider(offer)
                case DrainBegan():
                    self._host.drain_began()
                case StopRun(run_id, fence, reason):
                    self._host.stop(run_id, fence, reason)
                case Told() as told:
                    self._host.told(told)
                case Answered() as answered:
                    self._host.answered(answered)
                case FreeEvent():
                    self.credit.give()
                case Connect(number, hub, hello):
                    self._hang_up()
                    self._stream = self._dial(
                        number,
                        self._addresses[hub],
                        self._metadata,
                        hello,
                        self._on_frame,
                        self._on_closed,
                    )
                case Hangup():
                    self._hang_up()
                case HalfClose():
                    self._flush()
                    if self._stream is not None:
                        self._stream.half_close()
                case Connected(hub):
                    self._host.connected(hub)
                case LeaseHolds(until_ms):
                    self.horizon.until_ms = until_ms
                case Log(level, text):
                    logger.log(logging.WARNING if level == "warning" else logging.INFO, text)
                case Ended(error):
                    self._hang_up()
                    self._host.ended(error)

    def _has_room(self) -> bool:
        if self._stream is None:
            return True
        return self._stream.waiting + len(self._unsent) < MESSAGES_ON_THEIR_WAY

    def _flush(self) -> None:
        """Hands over what was said, all at once, as each time wakes a thread."""
        unsent, self._unsent = self._unsent, []
        if unsent and self._stream is not None:
            self._stream.send(unsent)

    def _hang_up(self) -> None:
        self._flush()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.hang_up()

    def _on_frame(self, stream: int, frame: worker_pb2.HubFrame) -> None:
        self._frames.put((stream, frame))
        wake = True
        if self._turn.acquire(blocking=False):
            try:
                if self._over:
                    return
                self._take_frames()
                self._flush()
                wake = self._rings_too_late()
            except Exception as error:
                # The edge of this thread; it is raised again on the session's.
                self._failure = error
            finally:
                self._turn.release()
        if wake:
            self._inbox.put(lambda now: [])

    def _rings_too_late(self) -> bool:
        """Tells whether the session's thread has something to do before it wakes by itself."""
        if self._core.phase is Phase.ENDED:
            return True
        due, at = self._core.next_wakeup(), self._rings_at
        return due is not None and (at is None or due < at)

    def _on_closed(self, stream: int, code: str, detail: str) -> None:
        self._inbox.put(lambda now: self._core.stream_closed(stream, code, detail, now))
