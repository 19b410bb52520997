"""The shell of a session core: one worker's stream between a wire and the store.

Owns the queue of what is to be sent and the order of the session's store calls: one at
a time, but for reports (see `reporting.py`). A wire gives it frames and a way to send; it
knows no wire.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from corral_hub.session.core import REJECTED, Gate, SessionCore
from corral_hub.session.messages import Actions, Hello, Incoming, Outgoing, Reject
from corral_hub.session.reporting import Reporting
from corral_store.digests import pool_of
from corral_store.errors import StoreError, StoreFull
from corral_store.records import Letter, NewBatch, NewSession, Report
from corral_store.transitions import Transitions

OUT_LIMIT = 4096
BATCHES_PER_CALL = 256
RELAYED_BYTES = 1_048_576
# How long what nobody waits for may wait for something to go with.
PASSING_SECONDS = 0.01

log = structlog.get_logger("corral.session")


class Driver:
    """Drives one stream from its first frame to its end.

    `expect` is called before the store is asked, as mail comes with its answer, and
    `register` once it has accepted the session, before its Welcome is sent; `max_sessions`
    and `grace_ms` are as in the hub's configuration. A Hello that the store does not answer
    within `open_seconds` is refused, so that its worker goes on.
    """

    def __init__(
        self,
        transitions: Transitions,
        *,
        principal: str,
        connection: str,
        lease_ms: int,
        ping_ms: int,
        grace_ms: int,
        max_sessions: int,
        register: Callable[[Driver], None],
        expect: Callable[[Driver], None],
        open_seconds: float = 10.0,
        move_after_ms: float = float("inf"),
        gate: Gate | None = None,
    ) -> None:
        self.transitions = transitions
        self.core = SessionCore(
            lease_ms, ping_ms, now_ms(), move_at=now_ms() + move_after_ms, gate=gate
        )
        self.ended = False
        self._principal = principal
        self._connection = connection
        self._grace_ms = grace_ms
        self._max_sessions = max_sessions
        self._register = register
        self._expect = expect
        self._open_seconds = open_seconds
        self._out: list[Outgoing] = []
        self._out_ready = asyncio.Event()
        self._passing: asyncio.TimerHandle | None = None
        self._early: list[Letter] = []
        self._how = ""
        self._treating_since: float | None = None
        self._reporting = Reporting(self._report, self._unreported)
        self._error: Exception | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and session."""
        return self.transitions.namespace, self.core.session

    async def receive(self, messages: Sequence[Incoming]) -> None:
        """Treats one frame of the worker. Its store calls are included, but for its last reports:
        verdicts of these come later."""
        self._treating_since = began = now_ms()
        try:
            await self._act(self.core.receive(messages, began))
        finally:
            self.core.held_up(now_ms() - (self._treating_since or began))
            self._treating_since = None

    def deliver(self, letters: Sequence[Letter]) -> None:
        """Mail for the session; before Welcome it waits."""
        if not self.core.open:
            self._early.extend(letters)
            return
        self._send(self.core.letters(letters, now_ms()).send)

    def refuse(self, verdict_or_reject: str | Reject) -> None:
        """Ends the stream with a reason: a verdict of the store, or a Reject."""
        reject = (
            REJECTED[verdict_or_reject] if isinstance(verdict_or_reject, str) else verdict_or_reject
        )
        actions = self.core.refuse(reject)
        self._send(actions.send)
        # The store knows already that a session is gone, superseded or elsewhere.
        self._end("" if isinstance(verdict_or_reject, str) else actions.end)

    def look_again(self) -> bool:
        """Ends the stream when its worker may no longer join; tells whether it did."""
        reject = self.core.no_longer_admitted
        if reject is not None:
            self.refuse(reject)
        return reject is not None

    async def hang_up(self) -> None:
        """The worker has closed its side; what it said before counts."""
        await self._reporting.settled()
        self._end("cut")

    def push(self, message: Outgoing) -> None:
        """Sends a message beside the protocol, e.g. Reconnect."""
        self._send([message])

    def tick(self, *, others: bool) -> None:
        """Lets the core see the time, and whether there are other hubs."""
        now = now_ms()
        if self._treating_since is not None and now - self._treating_since > self.core.ping_ms:
            # Acknowledgements may stand behind the frame that waits for the store.
            self.core.held_up(now - self._treating_since)
            self._treating_since = now
        actions = self.core.tick(now, others=others)
        self._send(actions.send)
        if actions.end:
            self._end(actions.end)

    async def run_writer(self, write: Callable[[list[Outgoing]], Awaitable[None]]) -> None:
        """Sends all that is queued as one frame, until the end was sent. Raises what went wrong
        in treating verdicts."""
        while True:
            await self._out_ready.wait()
            self._out_ready.clear()
            if self._passing is not None:
                self._passing.cancel()
                self._passing = None
            while self._out:
                batch, self._out = self._out, []
                await write(batch)
            if self.ended:
                if self._error is not None:
                    raise self._error
                return

    async def close(self) -> None:
        """The stream is gone: tells the store how, once."""
        self._end("cut")
        await self._reporting.stop()
        if self.core.stream and self._how in ("cut", "goodbye", "lost"):
            how, self._how = self._how, "told"
            await self.transitions.close_session(
                self.core.session, self.core.stream, how, self._grace_ms
            )

    def _send(self, messages: Sequence[Outgoing]) -> None:
        if self._queue(messages):
            self._out_ready.set()

    def _send_in_passing(self, messages: Sequence[Outgoing]) -> None:
        """Sends with the next frame, or with one of its own after a while: a frame costs hub and
        worker more than what is in it."""
        if self._queue(messages) and self._passing is None:
            loop = asyncio.get_running_loop()
            self._passing = loop.call_later(PASSING_SECONDS, self._out_ready.set)

    def _queue(self, messages: Sequence[Outgoing]) -> bool:
        if len(self._out) + len(messages) > OUT_LIMIT:
            self._end("cut")
            return False
        self._out.extend(messages)
        return bool(messages)

    def _end(self, how: str) -> None:
        if not self.ended:
            self._how = how
            self.ended = True
            self._out_ready.set()

    async def _act(self, actions: Actions) -> None:
        self._send(actions.send)
        if actions.open is not None:
            await self._open(actions.open)
            if not self.core.stream:
                # Refused: what came in the frame of that Hello is nobody's word.
                return
        # Parts of an answer before the report that ends it, or nobody could hand them on.
        if actions.batches:
            await self._relay(actions.batches)
        if actions.reports:
            await self._reporting.take(actions.reports)
        if actions.draining or actions.end:
            # Both may bring runs back, and what was said of them before counts first.
            await self._reporting.settled()
        if actions.models is not None and self.core.open:
            await self.transitions.resident(self.core.session, self.core.stream, actions.models)
        if actions.draining and self.core.hello is not None:
            await self.transitions.drain(self.core.hello.worker, "quiet")
        if actions.end:
            self._end(actions.end)

    async def _open(self, hello: Hello) -> None:
        pool, pool_json = pool_of(hello.declaration)
        request = NewSession(
            session=hello.session,
            connection=self._connection,
            worker=hello.worker,
            instance=hello.instance,
            principal=self._principal,
            pool=pool,
            pool_json=pool_json,
            lease_ms=self.core.lease_ms,
            silent_ms=2 * self.core.ping_ms,
            models=",".join(sorted(hello.models)),
            sdk=hello.sdk[:64],
            max_sessions=self._max_sessions,
        )
        self._expect(self)
        try:
            async with asyncio.timeout(self._open_seconds):
                verdict = await self.transitions.open_session(
                    request, hello.held, resume=hello.resume
                )
        except TimeoutError:
            detail = f"the store of this hub did not answer within {self._open_seconds:g} s"
            self.refuse(Reject("unavailable", f"{detail}: go to another hub"))
            return
        except StoreError as error:
            what = "is at its memory limit" if isinstance(error, StoreFull) else "does not answer"
            self.refuse(Reject("unavailable", f"the store of this hub {what}: {error}"))
            return
        actions = self.core.opened(verdict, now_ms())
        if verdict.verdict == "ok":
            # Not before: who may not have the session must not end the stream that has it.
            self._register(self)
        self._send(actions.send)
        if actions.end:
            self._end(actions.end)
            return
        early, self._early = self._early, []
        self.deliver(early)

    async def _relay(self, batches: list[NewBatch]) -> None:
        part: list[NewBatch] = []
        size = 0
        for batch in batches:
            if len(part) == BATCHES_PER_CALL or size + len(batch.items) > RELAYED_BYTES:
                await self._relay_part(part)
                part, size = [], 0
            part.append(batch)
            size += len(batch.items)
        await self._relay_part(part)

    async def _relay_part(self, batches: list[NewBatch]) -> None:
        try:
            await self.transitions.relay(batches)
        except StoreError as error:
            # Subscribers are told which numbers are gone; the session goes on.
            log.debug("ephemeral events are lost", session=self.core.session, error=str(error))

    async def _report(self, reports: Sequence[Report]) -> None:
        verdicts = await self.transitions.report(self.core.session, self.core.stream, reports)
        actions = self.core.reported(reports, verdicts)
        self._send(actions.send)
        self._send_in_passing(actions.in_passing)

    def _unreported(self, error: Exception) -> None:
        if isinstance(error, StoreError):
            self.refuse(Reject("unavailable", f"the store of this hub refuses: {error}"))
        else:
            self._error = error
            self._end("cut")


def now_ms() -> float:
    """Monotonic milliseconds, for the intervals of this process only."""
    return time.monotonic() * 1000
