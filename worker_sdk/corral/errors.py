"""What can go wrong, as a tree of exceptions.

Every message says what happened, with the value and the limit where there are any, and
ends with the next step. Answers of a hub become these in `refusals.py`.
"""

from __future__ import annotations

from typing import Any


class CorralError(Exception):
    """Root of everything that this package raises on purpose."""


class ClientClosed(CorralError):
    """The client was closed, so it makes no more calls."""

    def __init__(self, message: str = "The client is closed; make a new one.") -> None:
        super().__init__(message)


class WrongLoop(CorralError, RuntimeError):
    """A `Client` or `Worker` was used where another event loop runs than its own."""

    def __init__(
        self,
        message: str = "The client was used on another event loop before; make one Client for each "
        "loop, e.g. inside of what asyncio.run runs.",
    ) -> None:
        super().__init__(message)


class BadAddress(CorralError, ValueError):
    """The address of a hub cannot be read; the message names the accepted forms."""


class BadMetadata(CorralError, ValueError):
    """A token or namespace has characters that cannot be sent with a call."""


class BadCertificate(CorralError, ValueError):
    """A certificate, key or authority for TLS cannot be read."""


class BadEnrolmentKey(CorralError, ValueError):
    """An enrolment key cannot be read or written, or is none."""


class HubError(CorralError):
    """A hub refused a call, or could not be asked.

    `field` and `limit` say what was wrong with the request, empty when nothing of it was;
    `run_id` is the run that the error is about; `retryable` tells whether the same call
    may succeed later as it is.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        limit: str = "",
        run_id: str = "",
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.limit = limit
        self.run_id = run_id
        self.retryable = retryable


class Unavailable(HubError):
    """No hub gave a definite answer in time; the outcome of the call is unknown.

    Every call may be repeated: send it again with the same ids.
    """


class NoHub(Unavailable):
    """None of the given addresses could be reached."""


class Unauthenticated(HubError):
    """The token is missing or unknown."""


class PermissionDenied(HubError):
    """The token is known and may not do this."""


class InvalidRequest(HubError):
    """A field of the request is wrong; `field` and `limit` say which and what would do."""


class WrongType(InvalidRequest, TypeError):
    """An argument is of another type than it is annotated with; `field` names it."""


class PayloadTooLarge(InvalidRequest):
    """An input, output or answer is larger than the limit."""


class RunNotFound(HubError):
    """The hub knows no such run; it may have been removed after its retention."""


class InputNotFound(HubError):
    """The run has no such question."""


class AlreadyAnswered(HubError):
    """The question has another answer already; the first one counts."""


class InputLapsed(HubError):
    """The time to answer the question has run out."""


class RunAlreadyEnded(HubError):
    """The run has ended, so nobody waits for the answer any more."""


class BadAnswer(InvalidRequest):
    """The answer does not fit the question's schema; the question is still open."""


class WorkerNotFound(HubError):
    """No worker of that id has a live session."""


class NotImplementedByHub(HubError):
    """The hub does not do this, or not yet."""


class InternalHubError(HubError):
    """The hub failed in a way that it did not foresee; its log says more."""


class SubmitRefused(HubError):
    """A run was not accepted."""


class AlreadyExists(SubmitRefused):
    """The run id or idempotency key is taken by another request; `run_id` names that run."""


class NoMatchingWorker(SubmitRefused):
    """No session can take this run as asked; the message names what emptied the list."""


class ResourceExhausted(SubmitRefused):
    """A limit of the namespace is reached; later, the same call may be accepted."""


class StoreFull(ResourceExhausted):
    """The store is near its memory limit and takes no new runs."""


class QueueFull(ResourceExhausted):
    """As many runs wait for the kind as the namespace may have; `limit` is how many."""


class RateLimited(ResourceExhausted):
    """The namespace submits faster than it may; `limit` is the rate, and the message says when
    the next run is let through."""


class RunEnded(CorralError):
    """A run ended without a result. `run_id` is that run."""

    def __init__(self, message: str, *, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


class RunFailed(RunEnded):
    """A run ended as failed.

    `code` is the cause out of a closed set (`HANDLER`, `BAD_INPUT`, `WORKER_LOST`, ...),
    `type` the name of the exception that the handler raised, `message` its text, `details`
    what the handler added, `attempt` the number of attempts that were made.
    """

    def __init__(
        self,
        *,
        run_id: str,
        code: str,
        type: str,
        message: str,
        retryable: bool = False,
        details: Any = None,
        attempt: int = 0,
    ) -> None:
        cause = (f"{type}: {message}" if type else message).rstrip(". ") or "no message"
        super().__init__(
            f"Run {run_id} failed after {attempt} attempt(s) with {code}: {cause}. "
            f'See "corral describe {run_id}" for its attempts.',
            run_id=run_id,
        )
        self.code = code
        self.type = type
        self.message = message
        self.retryable = retryable
        self.details = details
        self.attempt = attempt


class RunCancelled(RunEnded):
    """A run was cancelled; `reason` is what the caller gave, empty when nothing."""

    def __init__(self, *, run_id: str, reason: str = "") -> None:
        because = f": {reason}" if reason else ""
        super().__init__(
            f"Run {run_id} was cancelled{because}. Submit it again to have it executed.",
            run_id=run_id,
        )
        self.reason = reason


class ResultTimeout(CorralError, TimeoutError):
    """The run did not end in the given time. It goes on; wait again or cancel it."""


class BadResult(CorralError, ValueError):
    """The output of a run is not what the handler's type says."""


class SessionError(CorralError):
    """The worker's session ended for good, so the worker cannot go on."""


class SessionSuperseded(SessionError):
    """Another process has taken this worker id over."""


class WorkerIdInUse(SessionError):
    """Another living process has this worker id, and did not give it up in time."""


class WorkerRejected(SessionError):
    """The hub does not accept this worker; `field` names what is at fault when known."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class BadHandler(CorralError, TypeError):
    """A function cannot be a handler, or two handlers serve the same capability."""


class BadEvent(CorralError, ValueError):
    """The type or payload of an event is not acceptable."""


class EventTooLarge(BadEvent):
    """The payload of an event is larger than the limit."""


class BadChunk(CorralError, ValueError):
    """A part of an answer cannot be written as JSON."""


class ChunkTooLarge(BadChunk):
    """A part of an answer is larger than the limit."""


class BadOutput(CorralError, ValueError):
    """A handler that streams yielded something behind its result."""


class BadProgress(CorralError, ValueError):
    """The fraction of a progress is not from 0 to 1."""


class AttemptEnded(CorralError):
    """The attempt is over, or is no longer this worker's: nothing more can be said for it."""


class BadQuestion(CorralError, ValueError):
    """The key, prompt, metadata, schema or timeout of a question is not acceptable."""


class InputTimedOut(CorralError, TimeoutError):
    """Nobody answered a question in time; its key stays timed out for the run."""


class UnreadableAnswer(CorralError, ValueError):
    """An answer is not what the handler's type says, though it fits its schema."""


class StateRefused(CorralError):
    """The hub did not keep what a handler wanted to be kept, or did not take its question."""


class TooManyInputs(StateRefused):
    """The run has asked as many questions as it may."""


class TooManySteps(StateRefused):
    """The run has the results of as many steps as it may."""


class StateTooLarge(StateRefused):
    """Checkpoint, steps, questions and answers of the run are larger than the limit."""


class BadCheckpoint(CorralError, ValueError):
    """A checkpoint cannot be written as JSON, or read as the type that was asked for."""


class BadStep(CorralError, ValueError):
    """The key, function or result of a step is not acceptable."""


class StepRepeated(BadStep):
    """Two steps of one attempt have the same key."""


class Retry(Exception):
    """Raise in a handler: this attempt failed, and another one may help.

    `after_ms` is the delay asked for in milliseconds (0: that of the retry policy); `details`
    is JSON for whoever reads the error.
    """

    def __init__(self, message: str = "", *, after_ms: int = 0, details: Any = None) -> None:
        if after_ms < 0:
            raise ValueError(f"after_ms is {after_ms}; give 0 or more milliseconds.")
        super().__init__(message)
        self.message = message
        self.after_ms = after_ms
        self.details = details


class Fail(Exception):
    """Raise in a handler: the run failed, and no other attempt will help."""

    def __init__(self, message: str, *, details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
