"""What the hub in memory has heard of a run, and what its end means to who called it.

Keeps the run's state over its attempts as a store would. Called on the session's thread.
"""

from __future__ import annotations

from typing import Any

from corral import encoding
from corral.errors import BadResult, CorralError, RunCancelled, RunFailed
from corral.records import ErrorRecord, error_from_wire
from corral.testing.said import Line, Progress, Question, RunParked, Said
from corral_proto.v1 import worker_pb2

MAX_QUESTIONS = 64

Outcome = worker_pb2.Result | worker_pb2.Stopped | worker_pb2.GiveBack | worker_pb2.Park | None


class Hearing:
    """What was said in all attempts, and how the last one ended."""

    def __init__(self, checkpoint: bytes, steps: dict[str, bytes], max_state_bytes: int) -> None:
        self.max_state_bytes = max_state_bytes
        self.checkpoint = checkpoint
        self.steps = steps
        self.events: list[Said] = []
        self.chunks: list[Any] = []
        self.progress: list[Progress] = []
        self.lines: list[Line] = []
        self.checkpoints: list[Any] = []
        self.questions: dict[str, Question] = {}
        self.outcome: Outcome = None
        self.error: ErrorRecord | None = None
        # What a function of the test raised while the handler was executed.
        self.failure: Exception | None = None
        self._asked_bytes = 0

    def begin(self) -> None:
        """Another attempt begins: parts of an answer count for one attempt only."""
        self.chunks.clear()
        self.outcome = self.error = self.failure = None

    def heard(self, kind: str, body: Any) -> bool:
        """Takes a message of the worker; false for what a store would refuse."""
        match kind:
            case "event":
                self.events.append(Said(body.type, encoding.decode(body.payload)))
            case "ephemeral":
                for item in body.items:
                    self._ephemeral(item.type, encoding.decode(item.payload))
            case "checkpoint":
                if self._too_large(len(body.state) - len(self.checkpoint)):
                    return False
                self.checkpoint = body.state
                self.checkpoints.append(encoding.decode(body.state))
            case "step":
                if self._too_large(len(body.key) + len(body.result)):
                    return False
                self.steps.setdefault(body.key, body.result)
            case "input_request":
                return self._asked(body)
            case "result" | "stopped" | "give_back" | "park":
                self.outcome = body
                if kind == "result" and body.HasField("error"):
                    self.error = error_from_wire(body.error)
            case _:
                # Pongs, acknowledgements and the like say nothing about the run.
                return True
        return True

    def _ephemeral(self, type_: str, payload: Any) -> None:
        match type_:
            case "chunk":
                self.chunks.append(payload)
            case "progress":
                self.progress.append(Progress(payload["fraction"], payload["note"]))
            case "log" if "message" in payload:
                self.lines.append(Line(payload["level"], payload["message"]))
            case _:
                # How many lines were dropped.
                return

    def _asked(self, asked: worker_pb2.InputRequest) -> bool:
        if asked.request_id in self.questions:
            return True
        if len(self.questions) >= MAX_QUESTIONS or self._too_large(asked.ByteSize()):
            return False
        self._asked_bytes += asked.ByteSize()
        self.questions[asked.request_id] = Question(
            key=asked.request_id,
            prompt=asked.prompt,
            metadata=encoding.decode(asked.metadata),
            schema=encoding.decode(asked.schema),
            timeout=asked.timeout_ms / 1000 if asked.timeout_ms else None,
        )
        return True

    def _too_large(self, more: int) -> bool:
        steps = sum(len(key) + len(result) for key, result in self.steps.items())
        return len(self.checkpoint) + steps + self._asked_bytes + more > self.max_state_bytes

    def __repr__(self) -> str:
        questions = list(self.questions)
        return (
            f"{len(self.events)} events, {len(self.chunks)} chunks, steps {list(self.steps)}, "
            f"{len(self.checkpoints)} checkpoints, questions {questions}"
        )


def outcome_of(
    outcome: Outcome, run_id: str, attempt: int, cancel_reason: str, output_type: Any
) -> Any:
    """The result of an attempt as its type, or the error that a client would raise."""
    match outcome:
        case worker_pb2.Result() if not outcome.HasField("error"):
            try:
                return encoding.convert(encoding.decode(outcome.output), output_type)
            except ValueError as error:
                raise BadResult(
                    f"The output does not fit {output_type!r}: {error}. Correct the annotation of "
                    "the handler, or what it returns."
                ) from error
        case worker_pb2.Result():
            error = error_from_wire(outcome.error)
            raise RunFailed(
                run_id=run_id,
                code=error.code,
                type=error.type,
                message=error.message,
                retryable=error.retryable,
                details=error.details,
                attempt=attempt,
            )
        case worker_pb2.Park():
            raise RunParked(outcome.request_id)
        case worker_pb2.Stopped():
            raise RunCancelled(run_id=run_id, reason=cancel_reason)
        case _:
            raise CorralError(
                f"Run {run_id} was given back before it ended, as the test that ran it was "
                "cancelled. Run it again."
            )
