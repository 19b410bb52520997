"""Reports that the hub has not acknowledged yet, in the order in which they were said.

Numbers them, keeps them until their acknowledgement, and hands all of them out again for a
new stream. Decides nothing about runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from corral.offers import Decline
from corral.session.messages import Saying
from corral_proto.v1 import common_pb2, worker_pb2

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """One report; `kind` is the name of its message, `key` is run and fence.

    `ticket` is that of the remark that it carries, 0 for what nobody waits for.
    """

    kind: str
    key: Key
    message: worker_pb2.WorkerMessage
    ticket: int = 0


class Reports:
    """The unacknowledged reports of one worker process."""

    def __init__(self) -> None:
        self._seq = 0
        self._waiting: dict[int, Report] = {}
        self._of: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def of(self, key: Key) -> int:
        """Gives how many reports about an attempt wait."""
        return self._of.get(key, 0)

    def asks(self, key: Key, request_id: str) -> bool:
        """Tells whether a question of an attempt waits."""
        return self.of(key) > 0 and any(
            report.kind == "input_request"
            and report.key == key
            and report.message.input_request.request_id == request_id
            for report in self._waiting.values()
        )

    def all(self) -> list[worker_pb2.WorkerMessage]:
        """Gives everything that waits, oldest first."""
        return [report.message for report in self._waiting.values()]

    def event(self, key: Key, type_: str, payload: bytes) -> worker_pb2.WorkerMessage:
        """Keeps an event and gives its message."""
        return self._keep(
            "event",
            key,
            worker_pb2.WorkerMessage(
                event=worker_pb2.EventReport(
                    run_id=key[0], fence=key[1], type=type_, payload=payload, seq=self._next()
                )
            ),
        )

    def remark(self, key: Key, ticket: int, saying: Saying) -> worker_pb2.WorkerMessage:
        """Keeps what a handler says and gives its message."""
        saying.run_id, saying.fence, saying.seq = key[0], key[1], self._next()
        match saying:
            case worker_pb2.InputRequest():
                kind, message = "input_request", worker_pb2.WorkerMessage(input_request=saying)
            case worker_pb2.Checkpoint():
                kind, message = "checkpoint", worker_pb2.WorkerMessage(checkpoint=saying)
            case _:
                kind, message = "step", worker_pb2.WorkerMessage(step=saying)
        return self._keep(kind, key, message, ticket)

    def park(self, key: Key, request_id: str) -> worker_pb2.WorkerMessage:
        """Keeps the word that a run waits without holding room and gives its message."""
        park = worker_pb2.Park(run_id=key[0], fence=key[1], request_id=request_id, seq=self._next())
        return self._keep("park", key, worker_pb2.WorkerMessage(park=park))

    def output(self, key: Key, output: bytes) -> worker_pb2.WorkerMessage:
        """Keeps a result that is an output and gives its message."""
        message = worker_pb2.WorkerMessage()
        # In place: what is put into a message is copied, and nearly every report is one of these.
        result = message.result
        result.run_id, result.fence, result.output, result.seq = *key, output, self._next()
        return self._keep("result", key, message)

    def error(self, key: Key, error: common_pb2.RunError) -> worker_pb2.WorkerMessage:
        """Keeps a result that is an error and gives its message."""
        result = worker_pb2.Result(run_id=key[0], fence=key[1], error=error, seq=self._next())
        return self._keep("result", key, worker_pb2.WorkerMessage(result=result))

    def stopped(self, key: Key) -> worker_pb2.WorkerMessage:
        """Keeps the word that a run has stopped and gives its message."""
        stopped = worker_pb2.Stopped(run_id=key[0], fence=key[1], seq=self._next())
        return self._keep("stopped", key, worker_pb2.WorkerMessage(stopped=stopped))

    def give_back(self, key: Key, reason: str) -> worker_pb2.WorkerMessage:
        """Keeps a give-back and gives its message."""
        give_back = worker_pb2.GiveBack(
            run_id=key[0], fence=key[1], reason=reason, seq=self._next()
        )
        return self._keep("give_back", key, worker_pb2.WorkerMessage(give_back=give_back))

    def claim(self, key: Key) -> worker_pb2.WorkerMessage:
        """Keeps the word that an offer is taken and gives its message."""
        claim = worker_pb2.Claim(run_id=key[0], fence=key[1], seq=self._next())
        return self._keep("claim", key, worker_pb2.WorkerMessage(claim=claim))

    def decline(self, key: Key, refusal: Decline) -> worker_pb2.WorkerMessage:
        """Keeps the word that an offer is not taken and gives its message."""
        decline = refusal.to_wire(key[0], key[1], self._next())
        return self._keep("decline", key, worker_pb2.WorkerMessage(decline=decline))

    def acknowledged(self, seq: int) -> Report | None:
        """Forgets a report; None when it was not waiting."""
        report = self._waiting.pop(seq, None)
        if report is not None:
            left = self._of[report.key] - 1
            if left:
                self._of[report.key] = left
            else:
                del self._of[report.key]
        return report

    def oldest(self, kind: str, run_id: str) -> int | None:
        """Gives the number of the oldest report of a kind about a run; None: there is none."""
        for seq, report in self._waiting.items():
            if report.kind == kind and report.key[0] == run_id:
                return seq
        return None

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _keep(
        self, kind: str, key: Key, message: worker_pb2.WorkerMessage, ticket: int = 0
    ) -> worker_pb2.WorkerMessage:
        self._waiting[self._seq] = Report(kind, key, message, ticket)
        self._of[key] = self._of.get(key, 0) + 1
        return message
