"""The attempts that a worker holds, and what becomes of each when words about it arrive.

A state machine over offers, assignments, stops, ends of handlers and acknowledgements. Gives
actions for handlers and messages to report; knows nothing of streams.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum

from corral.offers import Decline
from corral.session import remarks
from corral.session.messages import (
    GONE,
    Action,
    Answered,
    Consider,
    DrainBegan,
    Failure,
    FreeEvent,
    Log,
    Outcome,
    Output,
    Park,
    Remark,
    Start,
    StopRun,
    Told,
)
from corral.session.remarks import Remarks
from corral.session.reports import Key, Reports
from corral.spool import Spools
from corral_proto.v1 import common_pb2, worker_pb2

# Attempts that have ended and are remembered, so that a late word about one is recognised.
ENDED_REMEMBERED = 10_000
# Part of an offer's life after which no answer of the hook is waited for: it must still travel.
ANSWER_SHARE = 0.9
DRAINING = Decline("draining")


class State(Enum):
    """What an attempt is doing."""

    # The hook is asked; the run is not held.
    OFFERED = "offered"
    # Not taken; the report waits, and the run is not held.
    DECLINED = "declined"
    # Taken; the handler starts when the store has it, as the run may have gone meanwhile.
    CLAIMED = "claimed"
    RUNNING = "running"
    # Told to stop; the handler has not ended.
    STOPPING = "stopping"
    # Told to stop so that the run goes back into its line.
    GIVING_BACK = "giving_back"
    # The hub does not want to hear of it any more; the handler has not ended.
    FORGOTTEN = "forgotten"
    # The handler has ended, or never began; a report waits for its acknowledgement.
    REPORTED = "reported"


# The handler has not ended, and what it says is of interest.
SPEAKING = frozenset({State.RUNNING, State.STOPPING, State.GIVING_BACK})


class Attempts:
    """Attempts by run and fence. Messages to send and actions gather until `take`."""

    def __init__(self) -> None:
        self.reports = Reports()
        self.remarks = Remarks(self.reports)
        self.spools = Spools()
        self.max_payload_bytes = 0
        self.draining = False
        self._states: dict[Key, State] = {}
        self._ended: OrderedDict[Key, None] = OrderedDict()
        # What is offered or claimed, and when the hook's answer comes too late.
        self._offers: dict[Key, tuple[worker_pb2.Assignment, float]] = {}
        self._warned: set[Key] = set()
        self._ending: list[Key] = []
        self._actions: list[Action] = []
        self._messages: list[worker_pb2.WorkerMessage] = []

    @property
    def busy(self) -> bool:
        """True while a handler runs or a report waits."""
        return len(self.reports) > 0 or any(
            state not in (State.REPORTED, State.DECLINED) for state in self._states.values()
        )

    @property
    def running(self) -> int:
        """How many handlers have begun, or will as soon as a hub agrees, and not ended."""
        open_ones = (*SPEAKING, State.CLAIMED, State.FORGOTTEN)
        return sum(state in open_ones for state in self._states.values())

    def take(
        self, now: float, *, connected: bool
    ) -> tuple[list[Action], list[worker_pb2.WorkerMessage]]:
        """Gives what has gathered, and forgets it; what is said for the moment waits for a
        connection."""
        actions, self._actions = self._actions, []
        messages, self._messages = self._messages, []
        ending, self._ending = self._ending, []
        if connected:
            # Parts of an answer before the report that ends it.
            messages[:0] = self.spools.due(now, ending)
        else:
            self.spools.pause()
        return actions, messages

    def unsaid(self) -> list[worker_pb2.WorkerMessage]:
        """Gives all that a new stream may have to be told, in order."""
        return [*self.spools.again(), *self.reports.all()]

    def drop_messages(self) -> None:
        """Forgets gathered messages: they are among the reports that are sent anew."""
        self._messages.clear()

    def held(self) -> list[worker_pb2.Held]:
        """Gives what a Hello lists."""
        return [
            worker_pb2.Held(run_id=run_id, fence=fence, stopping=state is State.STOPPING)
            for (run_id, fence), state in self._states.items()
            if state not in (State.OFFERED, State.DECLINED, State.FORGOTTEN)
        ]

    def assigned(self, assignment: worker_pb2.Assignment) -> None:
        """An assignment came, perhaps not for the first time."""
        key = (assignment.run_id, assignment.fence)
        if self._states.get(key) is State.CLAIMED:
            # The store has the claim, whose acknowledgement was lost on the way.
            self._start(key)
            return
        if key in self._states:
            return
        if key in self._ended:
            self._report(key, self.reports.stopped(key))
        elif self.draining:
            self._report(key, self.reports.give_back(key, "the worker is draining"))
        else:
            self._states[key] = State.RUNNING
            self._actions.append(Start(assignment))

    def offered(self, offer: worker_pb2.Offer, now: float) -> None:
        """An offer came, perhaps not for the first time."""
        key = (offer.assignment.run_id, offer.assignment.fence)
        if key in self._states:
            return
        if key in self._ended:
            self._report(key, self.reports.stopped(key), State.DECLINED)
        elif self.draining:
            self._decline(key, DRAINING)
        else:
            self._states[key] = State.OFFERED
            self._offers[key] = (offer.assignment, now + offer.ttl_ms * ANSWER_SHARE)
            self._actions.append(Consider(offer))

    def answered(self, key: Key, refusal: Decline | None) -> None:
        """The hook takes an offer, or says why not."""
        if self._states.get(key) is not State.OFFERED:
            return
        if refusal is not None:
            self._decline(key, refusal)
            return
        self._states[key] = State.CLAIMED
        self._messages.append(self.reports.claim(key))

    def next_due(self) -> float | None:
        """Gives when the next offer is declined for want of an answer, or something that was
        said is to be sent; None: never."""
        due = [due for key, (_, due) in self._offers.items() if self._is(key, State.OFFERED)]
        flush = self.spools.next_flush()
        return min(due if flush is None else [*due, flush], default=None)

    def lapse(self, now: float) -> None:
        """Offers that were not answered in time are declined."""
        for key, (_, due) in list(self._offers.items()):
            if self._is(key, State.OFFERED) and now >= due:
                self._actions.append(StopRun(key[0], key[1], "lapsed"))
                self._decline(key, Decline(detail="the hook did not answer in time"))

    def drain(self) -> None:
        """No new work from now on."""
        self.draining = True
        self._actions.append(DrainBegan())
        for key, state in list(self._states.items()):
            if state is State.OFFERED:
                self._actions.append(StopRun(key[0], key[1], "drain"))
                self._decline(key, DRAINING)

    def told_to_stop(self, key: Key, reason: str) -> None:
        """The hub wants an attempt to stop, or knows it no longer."""
        match self._states.get(key):
            case State.RUNNING | State.GIVING_BACK | State.FORGOTTEN:
                self._states[key] = State.STOPPING
                self.spools.discard(key)
                self._actions.append(StopRun(key[0], key[1], reason))
            case State.STOPPING:
                if reason in GONE:
                    # It may still do steps to clean up, which are another's now.
                    self._actions.append(StopRun(key[0], key[1], reason))
            case State.OFFERED:
                self._actions.append(StopRun(key[0], key[1], reason))
                self._report(key, self.reports.stopped(key), State.DECLINED)
            case State.DECLINED:
                self._report(key, self.reports.stopped(key), State.DECLINED)
            case State.CLAIMED | State.REPORTED | None:
                self._report(key, self.reports.stopped(key))

    def give_back_all(self) -> None:
        """Every run that executes goes back, as soon as its handler has ended."""
        for key, state in list(self._states.items()):
            if state is State.CLAIMED:
                self._report(key, self.reports.give_back(key, "the worker was drained"))
            elif state is State.RUNNING:
                self._states[key] = State.GIVING_BACK
                self._actions.append(StopRun(key[0], key[1], "drain"))

    def emitted(self, key: Key, type_: str, payload: bytes) -> None:
        """A handler emitted an event."""
        if self._states.get(key) in SPEAKING:
            self._messages.append(self.reports.event(key, type_, payload))
        else:
            self._actions.append(FreeEvent())

    def remarked(self, key: Key, remark: Remark) -> None:
        """A handler asks, or wants something kept."""
        if self._states.get(key) in SPEAKING:
            self._messages.extend(self.remarks.say(key, remark))
        else:
            self._actions.append(Told(*key, remark.ticket, "over"))

    def answers_came(self, answers: worker_pb2.InputAnswers) -> None:
        """People have answered questions of a run, perhaps not for the first time."""
        key = (answers.run_id, answers.fence)
        if self._states.get(key) in SPEAKING:
            self.remarks.answered(key, answers.answers)
            self._actions.append(Answered(*key, list(answers.answers)))

    def ask_again(self) -> None:
        """A hub has welcomed the worker."""
        waiting = [key for key, state in self._states.items() if state is State.RUNNING]
        self._messages.extend(self.remarks.again(waiting))

    def handler_ended(self, key: Key, outcome: Outcome) -> None:
        """A handler has really ended."""
        match self._states.get(key):
            case State.STOPPING:
                self._report(key, self.reports.stopped(key))
            case State.GIVING_BACK if not isinstance(outcome, Output):
                self._report(key, self.reports.give_back(key, "the worker was drained"))
            case State.RUNNING | State.GIVING_BACK:
                self._report(key, self._result(key, outcome))
            case State.FORGOTTEN:
                self._end(key)
            case _:
                pass

    def acknowledged(self, item: worker_pb2.ReportAck.Item) -> None:
        """The hub has stored or refused a report."""
        report = self.reports.acknowledged(item.seq)
        if report is None:
            return
        key = report.key
        if report.kind == "event":
            self._actions.append(FreeEvent())
            if item.verdict == worker_pb2.REPORT_VERDICT_REFUSED and key not in self._warned:
                self._warned.add(key)
                self._actions.append(
                    Log("warning", f"Run {key[0]}: the hub refuses its events; it has too many.")
                )
        if report.kind in remarks.KINDS:
            self._actions.append(self.remarks.verdict(report, item.verdict))
        if report.kind == "event" or report.kind in remarks.KINDS:
            self._end_by(key, item.verdict)
        if report.kind == "claim" and self._is(key, State.CLAIMED):
            if item.verdict == worker_pb2.REPORT_VERDICT_OK:
                self._start(key)
            else:
                self._end(key)
            return
        if self._states.get(key) in (State.REPORTED, State.DECLINED) and not self.reports.of(key):
            self._end(key)

    def unsupported(self, kind: str, run_id: str, detail: str) -> None:
        """The hub cannot read a report and will never acknowledge it."""
        # It does not say which one; hubs answer in order, so it is the oldest.
        seq = self.reports.oldest(kind, run_id)
        if seq is None or kind not in ("event", "park", *remarks.KINDS):
            return
        if kind == "event":
            self.acknowledged(worker_pb2.ReportAck.Item(seq=seq))
            return
        report = self.reports.acknowledged(seq)
        if report is None:
            return
        if kind == "park":
            self._report(report.key, self.reports.error(report.key, _no_parking(detail)))
        else:
            self._actions.append(self.remarks.unsupported(report, detail))

    def _end_by(self, key: Key, verdict: worker_pb2.ReportVerdict) -> None:
        """Stops a handler when a verdict says that its attempt is not the run's any more."""
        state = self._states.get(key)
        match verdict:
            case worker_pb2.REPORT_VERDICT_STALE | worker_pb2.REPORT_VERDICT_UNKNOWN if (
                state in SPEAKING
            ):
                self._states[key] = State.FORGOTTEN
                self._actions.append(StopRun(key[0], key[1], "lost"))
            case worker_pb2.REPORT_VERDICT_ALREADY_FINAL if state is State.RUNNING:
                self.told_to_stop(key, "ended")
            case _:
                pass

    def _result(self, key: Key, outcome: Outcome) -> worker_pb2.WorkerMessage:
        if isinstance(outcome, Output):
            size, limit = len(outcome.data), self.max_payload_bytes
            if not limit or size <= limit:
                return self.reports.output(key, outcome.data)
            return self.reports.error(
                key,
                common_pb2.RunError(
                    code=common_pb2.ERROR_CODE_BAD_OUTPUT,
                    type="PayloadTooLarge",
                    message=f"The output has {size} bytes, the limit is {limit}. Store it "
                    "elsewhere and return a reference.",
                ),
            )
        if isinstance(outcome, Failure):
            return self.reports.error(key, outcome.error)
        if isinstance(outcome, Park):
            return self.reports.park(key, outcome.request_id)
        return self.reports.error(
            key,
            common_pb2.RunError(
                code=common_pb2.ERROR_CODE_HANDLER,
                type="CancelledError",
                message="The handler was cancelled by its own worker.",
                retryable=True,
            ),
        )

    def _is(self, key: Key, state: State) -> bool:
        return self._states.get(key) is state

    def _start(self, key: Key) -> None:
        self._states[key] = State.RUNNING
        self._actions.append(Start(self._offers.pop(key)[0]))

    def _decline(self, key: Key, refusal: Decline) -> None:
        self._report(key, self.reports.decline(key, refusal), State.DECLINED)

    def _report(
        self, key: Key, message: worker_pb2.WorkerMessage, state: State = State.REPORTED
    ) -> None:
        self._states[key] = state
        self._offers.pop(key, None)
        self._ending.append(key)
        self._messages.append(message)

    def _end(self, key: Key) -> None:
        self._states.pop(key, None)
        self._offers.pop(key, None)
        self._warned.discard(key)
        self.remarks.end(key)
        self.spools.discard(key)
        self._ended[key] = None
        while len(self._ended) > ENDED_REMEMBERED:
            self._ended.popitem(last=False)


def _no_parking(detail: str) -> common_pb2.RunError:
    return common_pb2.RunError(
        code=common_pb2.ERROR_CODE_HANDLER,
        type="NotImplementedByHub",
        message=f"The hub does not park runs: {detail}. Ask without park=True.",
    )
