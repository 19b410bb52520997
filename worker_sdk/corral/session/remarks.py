"""What handlers ask and want kept: remarks become reports, and verdicts become words to them.

Keeps the questions that have no answer yet. Decides nothing about the attempts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corral.session.messages import Remark, Told
from corral.session.reports import Key, Report, Reports
from corral_proto.v1 import common_pb2, worker_pb2

KINDS = frozenset({"input_request", "checkpoint", "step"})


class Remarks:
    """The remarks of one worker process, on their way and back."""

    def __init__(self, reports: Reports) -> None:
        self.max_state_bytes = 0
        self._reports = reports
        self._asked: dict[Key, dict[str, worker_pb2.InputRequest]] = {}
        # Who wants to know whether the session lives.
        self._unsure: list[Told] = []

    def say(self, key: Key, remark: Remark) -> list[worker_pb2.WorkerMessage]:
        """Gives the message of a remark, which is a report from now on; none where nothing is
        said."""
        if remark.saying is None:
            self._unsure.append(Told(*key, remark.ticket, "kept"))
            return []
        if isinstance(remark.saying, worker_pb2.InputRequest):
            self._asked.setdefault(key, {})[remark.saying.request_id] = remark.saying
        return [self._reports.remark(key, remark.ticket, remark.saying)]

    def assured(self) -> list[Told]:
        """The session lives: gives what those are told who wanted to know."""
        unsure, self._unsure = self._unsure, []
        return unsure

    def again(self, keys: Iterable[Key]) -> list[worker_pb2.WorkerMessage]:
        """Asks again what attempts wait for, but for what a hub has yet to take: that is said
        again as it is, and would grow with every stream.

        A store that lost its last writes knows the questions then, and one that has an answer
        says it again.
        """
        messages: list[worker_pb2.WorkerMessage] = []
        for key in keys:
            for question in self._asked.get(key, {}).values():
                if self._reports.asks(key, question.request_id):
                    continue
                copy = worker_pb2.InputRequest()
                copy.CopyFrom(question)
                messages.append(self._reports.remark(key, 0, copy))
        return messages

    def answered(self, key: Key, answers: Sequence[common_pb2.InputAnswer]) -> None:
        """Questions of an attempt have answers."""
        for answer in answers:
            self._asked.get(key, {}).pop(answer.request_id, None)

    def verdict(self, report: Report, verdict: worker_pb2.ReportVerdict) -> Told:
        """Gives what its handler is told about a remark that a hub has answered."""
        match verdict:
            case worker_pb2.REPORT_VERDICT_OK:
                return Told(*report.key, report.ticket, "kept")
            case worker_pb2.REPORT_VERDICT_REFUSED:
                self._not_asked(report)
                limit = self.max_state_bytes
                return Told(*report.key, report.ticket, "refused", limit=limit)
            case _:
                return Told(*report.key, report.ticket, "over")

    def unsupported(self, report: Report, detail: str) -> Told:
        """Gives what its handler is told about a remark that a hub does not understand."""
        self._not_asked(report)
        return Told(*report.key, report.ticket, "unsupported", detail)

    def end(self, key: Key) -> None:
        """Nothing of an attempt is of interest any more."""
        self._asked.pop(key, None)

    def _not_asked(self, report: Report) -> None:
        self._asked.get(report.key, {}).pop(report.message.input_request.request_id, None)
