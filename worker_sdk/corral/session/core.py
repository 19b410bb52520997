"""The worker's side of the session protocol: streams, leases, mail, draining.

Takes what hubs say and what happens on the worker, gives actions. Knows no socket, no clock
and no randomness; what becomes of each run is decided in `attempts.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from corral.errors import PermissionDenied, Unauthenticated
from corral.offers import Decline
from corral.session import rejects
from corral.session.acks import Acks
from corral.session.attempts import Attempts
from corral.session.hello import answer, hello, models
from corral.session.lease import Lease
from corral.session.messages import (
    Action,
    Connect,
    Connected,
    Declaration,
    Ended,
    Ending,
    HalfClose,
    Hangup,
    LeaseHolds,
    Log,
    Phase,
    Remark,
    Send,
)
from corral.session.route import Route
from corral_proto.v1 import worker_pb2

WELCOME_MS = 10_000
# A stream that lived so long after its Welcome was a good one.
SETTLED_MS = 2_000
GOODBYE_MS = 2_000
# How long a worker that gives everything back looks for a hub to say so.
GIVE_UP_MS = 5_000
UNHEARD = "Ended before a hub took everything back; other workers get it when the lease is over."


class SessionCore:
    """One worker process, from its first stream to its Goodbye.

    Every method takes the time in milliseconds of any steady clock and gives actions.
    `hubs` are names for messages to people; `in_use_ms` is how long another owner of the
    worker id is waited for.
    """

    def __init__(
        self,
        declaration: Declaration,
        hubs: Sequence[str],
        route: Route,
        new_id: Callable[[], str],
        *,
        in_use_ms: int = 60_000,
    ) -> None:
        self.phase = Phase.WAITING
        self.session_id = new_id()
        self._declaration = declaration
        self._hubs = hubs
        self._route = route
        self._new_id = new_id
        self._in_use_ms = in_use_ms
        self._attempts = Attempts()
        self.spools = self._attempts.spools
        self._resident: Mapping[str, int] = {}
        self._resident_said: Mapping[str, int] = {}
        self._actions: list[Action] = []
        self._acks = Acks()
        self._stream = 0
        self._known = False
        self._immediate = False
        self._in_use_since: float | None = None
        self._lease = Lease()
        self._heard_at = 0.0
        self._welcomed_at = 0.0
        self._lost_at: float | None = None
        # What time brings, each None when nothing is due.
        self._connect_at: float | None = None
        self._move_at: float | None = None
        self._end_at: float | None = None

    @property
    def stream(self) -> int:
        """Number of the present stream; words from others count no more."""
        return self._stream

    def next_wakeup(self) -> float | None:
        """Gives the time at which `tick` has something to do; None: never."""
        end_at = None if self.phase is Phase.OPEN else self._end_at
        times = [self._connect_at, self._acks.due, self._move_at, end_at, self._silence_at()]
        times.append(self._attempts.next_due())
        return min((time for time in times if time is not None), default=None)

    def begin(self, now: float) -> list[Action]:
        """Opens the first stream."""
        self._connect(self._route.hub, now)
        return self._take(now)

    def received(self, stream: int, frame: worker_pb2.HubFrame, now: float) -> list[Action]:
        """A frame came from a hub."""
        live = stream == self._stream and self.phase in (Phase.OPENING, Phase.OPEN)
        if live and self._lease.overslept(self._heard_at, frame, now):
            self._lost("this process stalled for a whole lease", now)
        for message in frame.messages:
            if stream != self._stream or self.phase not in (Phase.OPENING, Phase.OPEN):
                break
            self._heard_at = now
            self._on_message(message, now)
        return self._take(now)

    def stream_closed(self, stream: int, code: str, detail: str, now: float) -> list[Action]:
        """A stream ended; `code` is the name of the gRPC status."""
        # The end of a stream that was hung up is no other loss, which would pass over a hub.
        if stream == self._stream and self.phase not in (Phase.WAITING, Phase.ENDED):
            if self.phase is Phase.CLOSING:
                self._end(None)
            elif code == "UNAUTHENTICATED":
                self._end(Unauthenticated(f"{self._hub()}: {detail}"))
            elif code == "PERMISSION_DENIED":
                self._end(PermissionDenied(f"{self._hub()}: {detail}"))
            else:
                self._lost(f"{code} {detail}".strip(), now)
        return self._take(now)

    def handlers_ended(self, ended: Sequence[Ending], now: float) -> list[Action]:
        """Handlers have really ended."""
        for run_id, fence, outcome in ended:
            self._attempts.handler_ended((run_id, fence), outcome)
        return self._take(now)

    def offer_answered(
        self, run_id: str, fence: str, refusal: Decline | None, now: float
    ) -> list[Action]:
        """The worker takes an offer, or says why not."""
        self._attempts.answered((run_id, fence), refusal)
        return self._take(now)

    def event_emitted(
        self, run_id: str, fence: str, type_: str, payload: bytes, now: float
    ) -> list[Action]:
        """A handler emitted an event."""
        self._attempts.emitted((run_id, fence), type_, payload)
        return self._take(now)

    def remarked(self, run_id: str, fence: str, remark: Remark, now: float) -> list[Action]:
        """A handler asks, or wants something kept."""
        self._attempts.remarked((run_id, fence), remark)
        return self._take(now)

    def resident_changed(self, resident: Mapping[str, int], now: float) -> list[Action]:
        """Other models are loaded now: name to MB of video memory."""
        self._resident = dict(resident)
        if self.phase is Phase.OPEN:
            self._say_resident()
        return self._take(now)

    def drain(self, now: float, *, immediate: bool = False) -> list[Action]:
        """Take no new work; end when all is done, or given back when `immediate`."""
        self._drain("this process", now, immediate=immediate)
        return self._take(now)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        if self._connect_at is not None and now >= self._connect_at:
            self._connect(self._route.hub, now)
        silence_at = self._silence_at()
        if silence_at is not None and now >= silence_at:
            if self.phase is Phase.CLOSING:
                self._end(None)
            else:
                self._lost("no word from the hub", now)
        if self._move_at is not None and now >= self._move_at:
            self._lost("the hub asked to move", now, elsewhere=True)
        self._attempts.lapse(now)
        if self._end_at is not None and now >= self._end_at and self.phase is not Phase.OPEN:
            self._end(None)
        if self._acks.due is not None and now >= self._acks.due:
            self._acknowledge(self._acks.take_old(now))
        return self._take(now)

    def _take(self, now: float) -> list[Action]:
        actions, messages = self._attempts.take(now, connected=self.phase is Phase.OPEN)
        self._actions.extend(actions)
        if self.phase is Phase.OPEN:
            for message in messages:
                self._send(message)
        if self._attempts.draining and not self._attempts.busy:
            self._finish(now)
        # Behind what stops handlers: who has waited for the lease must have heard of that.
        if (until := self._lease.news()) is not None:
            self._actions.append(LeaseHolds(until))
        if now < self._lease.until:
            self._actions.extend(self._attempts.remarks.assured())
        taken, self._actions = self._actions, []
        return taken

    def _on_message(self, message: worker_pb2.HubMessage, now: float) -> None:
        kind = message.WhichOneof("message")
        if self.phase is not Phase.OPEN and kind not in ("welcome", "reject", "challenge"):
            self._lost(f"the hub said {kind} before Welcome", now)
            return
        match kind:
            case "welcome" if self.phase is Phase.OPENING:
                self._on_welcome(message.welcome, now)
            case "reject":
                self._on_reject(message.reject, now)
            case "challenge" if self.phase is Phase.OPENING:
                self._send(answer(self._declaration, message.challenge, self.session_id))
            case "assignment":
                self._acks.add(message.assignment.run_id, message.assignment.fence, "run", now)
                self._attempts.assigned(message.assignment)
            case "offer":
                run = message.offer.assignment
                self._acks.add(run.run_id, run.fence, "offer", now)
                self._attempts.offered(message.offer, now)
            case "stop":
                stop = message.stop
                self._acks.add(stop.run_id, stop.fence, "stop", now)
                self._attempts.told_to_stop((stop.run_id, stop.fence), stop.reason)
            case "answers":
                answers = message.answers
                self._acks.add(answers.run_id, answers.fence, answers.word, now)
                self._attempts.answers_came(answers)
            case "report_ack":
                for item in message.report_ack.items:
                    self._attempts.acknowledged(item)
            case "ping":
                self._lease.pinged(message.ping, now)
                pong = worker_pb2.Pong(number=message.ping.number, clock_ms=int(now))
                self._send(worker_pb2.WorkerMessage(pong=pong))
            case "reconnect":
                self._move_at = now + message.reconnect.after_ms
            case "drain":
                by = f"an operator over {self._hub()}"
                self._drain(by, now, immediate=message.drain.immediate)
            case "unsupported":
                unsupported = message.unsupported
                text = f"{self._hub()} does not support {unsupported.what}: {unsupported.detail}"
                self._log("warning", text)
                self._attempts.unsupported(unsupported.what, unsupported.run_id, unsupported.detail)
            case _:
                text = f"{self._hub()} said something that this SDK does not know: {kind}"
                self._log("warning", text)

    def _on_welcome(self, welcome: worker_pb2.Welcome, now: float) -> None:
        self.phase = Phase.OPEN
        self._known = True
        self._in_use_since = None
        self._lost_at = None
        self._welcomed_at = now
        self._lease.welcomed(welcome)
        self._attempts.max_payload_bytes = welcome.max_payload_bytes
        self._attempts.remarks.max_state_bytes = welcome.max_state_bytes
        self._actions.append(Connected(welcome.hub))
        # What was said before this stream goes first and in order; what the verdicts bring
        # about is said after it.
        waiting = self._attempts.unsaid()
        self._attempts.drop_messages()
        for message in waiting:
            self._send(message)
        for verdict in welcome.held:
            if not verdict.keep:
                self._attempts.told_to_stop((verdict.run_id, verdict.fence), "lost")
        self._attempts.ask_again()
        self._say_resident()
        if self._attempts.draining:
            self._say_draining()

    def _on_reject(self, reject: worker_pb2.Reject, now: float) -> None:
        error = rejects.final_error(reject, self._hub(), self._declaration.worker_id)
        if error is not None:
            self._end(error)
            return
        if reject.reason == worker_pb2.REJECT_REASON_SESSION_LOST:
            # The runs that it holds are listed again; the verdicts say which may go on.
            self.session_id = self._new_id()
            self._known = False
            self._lease.lost()
        if reject.reason == worker_pb2.REJECT_REASON_WORKER_ID_IN_USE:
            if self._in_use_since is None:
                self._in_use_since = now
            elif now - self._in_use_since >= self._in_use_ms:
                self._end(rejects.in_use(reject, self._declaration.worker_id, self._in_use_ms))
                return
        self._lost(f"{rejects.name(reject.reason)}: {reject.detail}", now)

    def _drain(self, by: str, now: float, *, immediate: bool) -> None:
        if self.phase is Phase.ENDED or (self._attempts.draining and self._immediate >= immediate):
            return
        goal = "given back" if immediate else "finished"
        self._log(
            "info", f"Draining, as {by} wants it: {self._attempts.running} run(s) are {goal}."
        )
        if not self._attempts.draining:
            self._attempts.drain()
            if self.phase is Phase.OPEN:
                self._say_draining()
        if immediate:
            self._immediate = True
            self._attempts.give_back_all()
            self._end_at = now + GIVE_UP_MS

    def _say_draining(self) -> None:
        self._send(worker_pb2.WorkerMessage(draining=worker_pb2.Draining(reason="stopping")))

    def _say_resident(self) -> None:
        if self._resident != self._resident_said:
            self._resident_said = self._resident
            update = worker_pb2.Update(resident=models(self._resident))
            self._send(worker_pb2.WorkerMessage(update=update))

    def _finish(self, now: float) -> None:
        if self.phase is Phase.OPEN:
            self._acknowledge(self._acks.take())
            goodbye = worker_pb2.Goodbye(reason="drained")
            self._send(worker_pb2.WorkerMessage(goodbye=goodbye))
            self._actions.append(HalfClose())
            self.phase = Phase.CLOSING
            self._move_at = None
            self._heard_at = now
        elif self.phase is Phase.WAITING:
            # Nothing is held and nobody listens: the session's grace does the rest.
            self._end(None)
        elif self.phase is Phase.OPENING and self._end_at is None:
            self._end_at = now + GOODBYE_MS

    def _connect(self, hub: int, now: float) -> None:
        self._connect_at = None
        self._heard_at = now
        self._lease.hello(now)
        self._stream += 1
        self.phase = Phase.OPENING
        self._resident_said = self._resident
        held = self._attempts.held()
        first = hello(self._declaration, self.session_id, self._resident, held, resume=self._known)
        self._actions.append(Connect(self._stream, hub, first))

    def _lost(self, why: str, now: float, *, elsewhere: bool = False) -> None:
        """The present stream is no longer of use: go to the next hub, or to any other one."""
        if self.phase is Phase.OPEN and now - self._welcomed_at >= SETTLED_MS:
            self._route.settle()
        left = self._hub()
        self._actions.append(Hangup())
        self._acks.clear()
        self._lease.cut()
        self._move_at = None
        if self._lost_at is None:
            self._lost_at = now
        in_grace = self._known and now - self._lost_at < self._lease.grace_ms
        hub, delay_ms = self._route.next(in_grace=in_grace, anywhere=elsewhere)
        if self._route.worth_saying:
            level = "warning" if self._route.tries > len(self._hubs) else "info"
            self._log(level, f"Left {left} ({why}); {self._hubs[hub]} is next, in {delay_ms} ms.")
        self.phase = Phase.WAITING
        self._connect_at = now + delay_ms
        if delay_ms == 0:
            self._connect(hub, now)

    def _end(self, error: Exception | None) -> None:
        self.phase = Phase.ENDED
        if error is None:
            self._log(*(("warning", UNHEARD) if self._attempts.busy else ("info", "Drained.")))
        self._acks.clear()
        self._connect_at = self._move_at = self._end_at = None
        self._actions.append(Ended(error))

    def _silence_at(self) -> float | None:
        match self.phase:
            case Phase.OPENING:
                # A lease that is held must not run out at a hub that does not answer.
                held = self._lease.ms / 2 if self._lease.ms else WELCOME_MS
                return self._heard_at + min(WELCOME_MS, held)
            case Phase.OPEN:
                return self._heard_at + self._lease.ms / 2 if self._lease.ms else None
            case Phase.CLOSING:
                return self._heard_at + GOODBYE_MS
            case _:
                return None

    def _acknowledge(self, ack: worker_pb2.WorkerMessage | None) -> None:
        if ack is not None and self.phase is Phase.OPEN:
            self._actions.append(Send(ack))

    def _send(self, message: worker_pb2.WorkerMessage) -> None:
        self._acks.sending(message)
        self._actions.append(Send(message))

    def _log(self, level: Literal["info", "warning"], text: str) -> None:
        self._actions.append(Log(level, text))

    def _hub(self) -> str:
        return self._hubs[self._route.hub]
