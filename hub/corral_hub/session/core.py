"""The state machine of one worker's stream.

Takes messages, letters and store verdicts, gives actions. Knows no socket, no store and
no clock: time comes in as a number of milliseconds. `driver.py` is its shell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from corral_hub.session.messages import (
    Acked,
    Acks,
    Actions,
    Challenge,
    ChallengeResponse,
    Draining,
    Goodbye,
    Hello,
    Incoming,
    Odd,
    Outgoing,
    Ping,
    Pong,
    Reconnect,
    Reject,
    Resident,
    Said,
    Streamed,
    Unsupported,
    Welcome,
    Word,
)
from corral_store.records import Letter, NewBatch, Opened, Report

# Fences of stopped runs that are remembered, so that a late `run` letter is dropped.
STOPPED_REMEMBERED = 1024
# Reports that only end something: what the worker keeps of them until they are acknowledged
# nobody waits for. With any other one a handler may be waiting.
PATIENT = frozenset(("ack", "completed", "failed", "stopped", "give_back"))

REJECTED = {
    "in_use": Reject(
        "worker_id_in_use",
        "another process has this worker id and is alive; give each process its own id, or "
        "wait until the other has been silent for two heartbeats",
        "worker_id",
    ),
    "ended": Reject("session_lost", "the session is over; say Hello with a new session id"),
    "superseded": Reject("superseded", "another process has taken this worker id over"),
    "not_yours": Reject("not_yours", "the session was opened with another token", "session_id"),
    "limit": Reject(
        "limit", "the namespace has as many sessions as it may; end some, or raise max_sessions"
    ),
    "gone": Reject("session_lost", "the session is over; say Hello with a new session id"),
    "moved": Reject("moved", "a newer stream of this session exists"),
}


class Gate(Protocol):
    """What stands between a Hello and the store: see `access/gate.py`."""

    def hello(self, hello: Hello) -> Reject | Challenge | None:
        """What is said to a Hello; None: it may pass."""
        ...

    def response(self, hello: Hello, signature: bytes) -> Reject | None:
        """What is said to the answer to a Challenge; None: the Hello may pass."""
        ...

    def still(self, hello: Hello) -> Reject | None:
        """What is said to a Hello that has passed, after a change of policy; None: nothing."""
        ...


class SessionCore:
    """One stream: from Hello over Welcome to its end. Without a `gate` every Hello may pass.

    `lease_ms`: mail that stays unacknowledged for so long ends the session, as heartbeats
    alone are not life. `ping_ms`: interval of the hub's pings. `move_at`: when the worker
    is asked to go to another hub.
    """

    def __init__(
        self,
        lease_ms: int,
        ping_ms: int,
        now: float,
        move_at: float = float("inf"),
        gate: Gate | None = None,
    ) -> None:
        self.lease_ms = lease_ms
        self.ping_ms = ping_ms
        self.move_at = move_at
        self._gate = gate
        self.hello: Hello | None = None
        self.session = ""
        self.stream = 0
        self.state = "new"
        self._sent: dict[tuple[str, str, str], float] = {}
        self._stopped: dict[tuple[str, str], None] = {}
        self._pinged = self._ticked = now
        self._ping = 0
        self._life = True
        # When pongs were said, by the worker's clock: the latest, the one whose renewal is under
        # way, and the one that has renewed the lease.
        self._ponged = self._renewing = self._renewed = 0

    @property
    def open(self) -> bool:
        """True between Welcome and the end."""
        return self.state == "open"

    def receive(self, messages: Iterable[Incoming], now: float) -> Actions:
        """A frame has come; its messages count in order."""
        actions = Actions()
        for message in messages:
            if self.state == "ended":
                break
            self._life = True
            if isinstance(message, Hello):
                self._on_hello(message, actions)
            elif self.state == "new":
                self._protocol("the first message of a stream must be Hello", actions)
            elif self.state == "challenged":
                self._on_response(message, actions)
            else:
                self._on_message(message, actions)
        return actions

    def _on_hello(self, hello: Hello, actions: Actions) -> None:
        if self.state != "new":
            self._protocol("Hello came twice on one stream; it belongs at its beginning", actions)
            return
        self.hello, self.session = hello, hello.session
        word = self._gate.hello(hello) if self._gate is not None else None
        match word:
            case None:
                self.state, actions.open = "opening", hello
            case Challenge():
                self.state = "challenged"
                actions.send.append(word)
            case _:
                self._turn_away(word, actions)

    def _on_response(self, message: Incoming, actions: Actions) -> None:
        assert self._gate is not None
        assert self.hello is not None
        if not isinstance(message, ChallengeResponse):
            self._protocol("a Challenge is answered before anything else is said", actions)
            return
        reject = self._gate.response(self.hello, message.signature)
        if reject is not None:
            self._turn_away(reject, actions)
        else:
            self.state, actions.open = "opening", self.hello

    def _turn_away(self, reject: Reject, actions: Actions) -> None:
        self.state = "ended"
        actions.send.append(reject)
        actions.end = "refused"

    def _on_message(self, message: Incoming, actions: Actions) -> None:
        match message:
            case Said(report):
                self._arrived(report)
                actions.reports.append(report)
            case Streamed(run, fence, first, count, chunks, items):
                actions.batches.append(
                    NewBatch(self.session, run, fence, first, count, chunks, items)
                )
            case Resident(models):
                actions.models = models
            case Draining():
                actions.draining = True
            case Goodbye():
                self.state, actions.end = "ended", "goodbye"
            case Odd(what, detail, run, fatal):
                if fatal:
                    self._protocol(detail, actions)
                else:
                    actions.send.append(Unsupported(what, detail, run))
            case ChallengeResponse():
                self._protocol("nothing was asked that this answers", actions)
            case Pong(_, clock_ms):
                self._ponged = clock_ms
            case Hello():
                pass

    def _protocol(self, detail: str, actions: Actions) -> None:
        was_open = self.state == "open"
        self.state = "ended"
        # A Hello earlier in the same frame has not reached the store, and never will.
        actions.open = None
        actions.send.append(Reject("protocol", detail))
        actions.end = "cut" if was_open else "refused"

    def refuse(self, reject: Reject) -> Actions:
        """The stream ends by the hub's wish, with a reason."""
        was_open = self.state == "open"
        self.state = "ended"
        return Actions(send=[reject], end="cut" if was_open else "refused")

    @property
    def no_longer_admitted(self) -> Reject | None:
        """Why the gate would not let this stream's Hello in any more; None: it would."""
        if self.hello is None or self._gate is None or self.state in ("challenged", "ended"):
            return None
        return self._gate.still(self.hello)

    def opened(self, verdict: Opened, now: float) -> Actions:
        """The store has answered the Hello. A stream that ended meanwhile stays ended, and
        keeps its number, so that the store can be told."""
        if self.state == "ended":
            self.stream = verdict.stream
            return Actions()
        if verdict.verdict != "ok":
            return self.refuse(REJECTED[verdict.verdict])
        self.state, self.stream = "open", verdict.stream
        self._pinged = now
        welcome = Welcome(self.session, verdict.stream, verdict.resumed, verdict.held)
        return Actions(send=[welcome])

    def letters(self, letters: Sequence[Letter], now: float) -> Actions:
        """Mail for this session. What was sent on this stream is not sent again; a `run`
        for a fence that was stopped meanwhile has crossed on its way and is dropped."""
        actions = Actions()
        for letter in letters:
            key = (letter.run, letter.fence, letter.word)
            if self.state != "open" or letter.stream > self.stream or key in self._sent:
                continue
            if letter.word == "stop":
                self._stopped[letter.run, letter.fence] = None
                self._sent.pop((letter.run, letter.fence, "run"), None)
                self._sent.pop((letter.run, letter.fence, "offer"), None)
                while len(self._stopped) > STOPPED_REMEMBERED:
                    del self._stopped[next(iter(self._stopped))]
            elif letter.word in ("run", "offer") and (letter.run, letter.fence) in self._stopped:
                continue
            self._sent[key] = now
            actions.send.append(Word(letter))
        return actions

    def _arrived(self, report: Report) -> None:
        if report.word == "ack":
            self._sent.pop((report.run, report.fence, str(report.a)), None)
            return
        self._sent.pop((report.run, report.fence, "run"), None)
        self._sent.pop((report.run, report.fence, "offer"), None)
        if report.word == "stopped":
            self._sent.pop((report.run, report.fence, "stop"), None)

    def reported(self, reports: Sequence[Report], verdicts: Sequence[str]) -> Actions:
        """The store has taken reports; the worker may forget them."""
        items = tuple(
            Acked(report.run, report.fence, report.seq, verdict)
            for report, verdict in zip(reports, verdicts, strict=True)
            if report.word != "ack"
        )
        if not items:
            return Actions()
        acks: list[Outgoing] = [Acks(items)]
        if all(report.word in PATIENT for report in reports):
            return Actions(in_passing=acks)
        return Actions(send=acks)

    def held_up(self, ms: float) -> None:
        """The hub looked at no frame of this stream for so long, as it waited for its store:
        that time is no silence of the worker's."""
        if ms > self.ping_ms:
            self._sent = {key: at + ms for key, at in self._sent.items()}

    def tick(self, now: float, *, others: bool = False) -> Actions:
        """Time has passed: ping, look whether the mail arrives, and after a long while ask
        the worker to move when there are `others` to move to."""
        slept, self._ticked = now - self._ticked, now
        if self.state != "open":
            return Actions()
        if slept > self.lease_ms / 3:
            # A hub that did not run has heard no acknowledgement; by now the worker may be on
            # its way to another, and must find its session there.
            self._sent = {key: at + slept for key, at in self._sent.items()}
        stuck = [
            key for key, at in self._sent.items() if now - at > self.lease_ms and key[0] != "*"
        ]
        if stuck:
            run, _, word = stuck[0]
            self.state = "ended"
            detail = f"the word {word!r} about run {run} was not acknowledged within a lease"
            return Actions(send=[Reject("session_lost", detail)], end="lost")
        if others and now >= self.move_at:
            self.move_at = float("inf")
            return Actions(send=[Reconnect("rebalance")])
        # Timers wake early at times; to miss one would make the worker wait for another.
        if now - self._pinged < 0.9 * self.ping_ms:
            return Actions()
        self._pinged = now
        self._ping += 1
        return Actions(send=[Ping(self._ping, self._renewed)])

    def take_life(self) -> bool:
        """True when there was a sign of life since this was asked last: renew the lease."""
        life, self._life = self._life, False
        self._renewing = self._ponged
        return life and self.state == "open"

    def renewed(self) -> None:
        """The store has renewed the lease since life was taken last."""
        self._renewed = self._renewing
