"""The attempts that a worker holds, and what becomes of each when words about it arrive.

A state machine over assignments, stops, ends of handlers and acknowledgements. Gives actions
for handlers and messages to report; knows nothing of streams.
"""

from __future__ import annotations

from enum import Enum

from corral.session.messages import Action, Failure, FreeEvent, Log, Outcome, Output, Start, StopRun
from corral.session.reports import Key, Reports
from corral_proto.v1 import common_pb2, worker_pb2

# Attempts that have ended and are remembered, so that a late word about one is recognised.
ENDED_REMEMBERED = 10_000


class State(Enum):
    """What an attempt is doing."""

    RUNNING = "running"
    # Told to stop; the handler has not ended.
    STOPPING = "stopping"
    # Told to stop so that the run goes back into its line.
    GIVING_BACK = "giving_back"
    # The hub does not want to hear of it any more; the handler has not ended.
    FORGOTTEN = "forgotten"
    # The handler has ended, or never began; a report waits for its acknowledgement.
    REPORTED = "reported"


class Attempts:
    """Attempts by run and fence. Messages to send and actions gather until `take`."""

    def __init__(self) -> None:
        self.reports = Reports()
        self.max_payload_bytes = 0
        self.draining = False
        self._states: dict[Key, State] = {}
        self._ended: dict[Key, None] = {}
        self._warned: set[Key] = set()
        self._actions: list[Action] = []
        self._messages: list[worker_pb2.WorkerMessage] = []

    @property
    def busy(self) -> bool:
        """True while a handler runs or a report waits."""
        return len(self.reports) > 0 or any(
            state is not State.REPORTED for state in self._states.values()
        )

    def take(self) -> tuple[list[Action], list[worker_pb2.WorkerMessage]]:
        """Gives what has gathered, and forgets it."""
        actions, self._actions = self._actions, []
        messages, self._messages = self._messages, []
        return actions, messages

    def take_messages(self) -> None:
        """Forgets gathered messages: they are among the reports that are sent anew."""
        self._messages.clear()

    def held(self) -> list[worker_pb2.Held]:
        """Gives what a Hello lists."""
        return [
            worker_pb2.Held(run_id=run_id, fence=fence, stopping=state is State.STOPPING)
            for (run_id, fence), state in self._states.items()
            if state is not State.FORGOTTEN
        ]

    def assigned(self, assignment: worker_pb2.Assignment) -> None:
        """An assignment came, perhaps not for the first time."""
        key = (assignment.run_id, assignment.fence)
        if key in self._states:
            return
        if key in self._ended:
            self._report(key, self.reports.stopped(key))
        elif self.draining:
            self._report(key, self.reports.give_back(key, "the worker is draining"))
        else:
            self._states[key] = State.RUNNING
            self._actions.append(Start(assignment))

    def told_to_stop(self, key: Key, reason: str) -> None:
        """The hub wants an attempt to stop, or knows it no longer."""
        match self._states.get(key):
            case State.RUNNING | State.GIVING_BACK | State.FORGOTTEN:
                self._states[key] = State.STOPPING
                self._actions.append(StopRun(key[0], key[1], reason))
            case State.STOPPING:
                pass
            case State.REPORTED | None:
                self._report(key, self.reports.stopped(key))

    def give_back_all(self) -> None:
        """Every run that executes goes back, as soon as its handler has ended."""
        for key, state in self._states.items():
            if state is State.RUNNING:
                self._states[key] = State.GIVING_BACK
                self._actions.append(StopRun(key[0], key[1], "drain"))

    def emitted(self, key: Key, type_: str, payload: bytes) -> None:
        """A handler emitted an event."""
        if self._states.get(key) in (State.RUNNING, State.STOPPING, State.GIVING_BACK):
            self._messages.append(self.reports.event(key, type_, payload))
        else:
            self._actions.append(FreeEvent())

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
            case State.REPORTED | None:
                pass

    def acknowledged(self, item: worker_pb2.ReportAck.Item) -> None:
        """The hub has stored or refused a report."""
        report = self.reports.acknowledged(item.seq)
        if report is None:
            return
        key = report.key
        if report.kind == "event":
            self._actions.append(FreeEvent())
            self._event_answered(key, item.verdict)
        if self._states.get(key) is State.REPORTED and not self.reports.of(key):
            self._end(key)

    def event_unsupported(self, run_id: str) -> None:
        """The hub cannot read an event and will never acknowledge it."""
        # It does not say which one; hubs answer in order, so it is the oldest.
        seq = self.reports.oldest_event(run_id)
        if seq is not None:
            self.acknowledged(worker_pb2.ReportAck.Item(seq=seq))

    def _event_answered(self, key: Key, verdict: worker_pb2.ReportVerdict) -> None:
        state = self._states.get(key)
        alive = state in (State.RUNNING, State.STOPPING, State.GIVING_BACK)
        match verdict:
            case worker_pb2.REPORT_VERDICT_STALE | worker_pb2.REPORT_VERDICT_UNKNOWN if alive:
                self._states[key] = State.FORGOTTEN
                if state is State.RUNNING:
                    self._actions.append(StopRun(key[0], key[1], "lost"))
            case worker_pb2.REPORT_VERDICT_ALREADY_FINAL if state is State.RUNNING:
                self.told_to_stop(key, "ended")
            case worker_pb2.REPORT_VERDICT_REFUSED if key not in self._warned:
                self._warned.add(key)
                self._actions.append(
                    Log("warning", f"Run {key[0]}: the hub refuses its events; it has too many.")
                )
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
        return self.reports.error(
            key,
            common_pb2.RunError(
                code=common_pb2.ERROR_CODE_HANDLER,
                type="CancelledError",
                message="The handler was cancelled by its own worker.",
                retryable=True,
            ),
        )

    def _report(self, key: Key, message: worker_pb2.WorkerMessage) -> None:
        self._states[key] = State.REPORTED
        self._messages.append(message)

    def _end(self, key: Key) -> None:
        self._states.pop(key, None)
        self._warned.discard(key)
        self._ended[key] = None
        while len(self._ended) > ENDED_REMEMBERED:
            del self._ended[next(iter(self._ended))]
