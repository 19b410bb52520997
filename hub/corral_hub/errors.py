"""Why the hub refuses something, as a small tree of typed errors.

Each says what happened, the value, the limit and the next step. Wires map `kind` to
their own codes; nothing here knows them.
"""

from __future__ import annotations

from corral_store import errors as store_errors


class HubError(Exception):
    """Base. `kind` is one of a closed set that wires map to their codes."""

    kind = "internal"
    retryable = False

    def __init__(self, message: str, *, field: str = "", limit: str = "", run_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.limit = limit
        self.run_id = run_id

    @property
    def name(self) -> str:
        """Name under which the SDK knows the error."""
        return type(self).__name__


class InvalidRequest(HubError):
    """A field of the request is wrong."""

    kind = "invalid"


class PayloadTooLarge(InvalidRequest):
    """An input, output or event is above the limit."""


class AlreadyExists(HubError):
    """The id or idempotency key belongs to another request."""

    kind = "exists"


class RunNotFound(HubError):
    """No such run; it may have been removed after its retention."""

    kind = "not_found"


class InputNotFound(HubError):
    """The run has asked no such question."""

    kind = "not_found"


class AlreadyAnswered(HubError):
    """The question has another answer; the first one counts."""

    kind = "exists"


class InputLapsed(HubError):
    """The time to answer has run out."""

    kind = "precondition"


class RunEnded(HubError):
    """The run has ended; nothing can be told to it any more."""

    kind = "precondition"


class BadAnswer(InvalidRequest):
    """The answer does not fit the question's schema."""


class WorkerNotFound(HubError):
    """No live session of this worker."""

    kind = "not_found"


class NoMatchingWorker(HubError):
    """No session can take the run now, and it may not wait."""

    kind = "precondition"


class ResourceExhausted(HubError):
    """A limit of the namespace is reached."""

    kind = "exhausted"
    retryable = True


class StoreFull(ResourceExhausted):
    """The store is near or at its memory limit."""


class QueueFull(ResourceExhausted):
    """As many runs wait for the kind as the namespace may have."""


class RateLimited(ResourceExhausted):
    """The namespace submits faster than it may; the message says when to try again."""


class NotImplementedByHub(HubError):
    """The request uses what this release does not do."""

    kind = "unimplemented"


class Unauthenticated(HubError):
    """No token, or a wrong one."""

    kind = "unauthenticated"


class PermissionDenied(HubError):
    """The caller is known, and may not do this."""

    kind = "denied"


class Unavailable(HubError):
    """The store cannot be reached or refuses writes; the outcome is unknown."""

    kind = "unavailable"
    retryable = True


class Misconfigured(HubError):
    """The hub cannot start as configured."""


class HubFailed(HubError):
    """A part of the hub has died; the process must end."""

    kind = "failed"


def of_store(error: store_errors.StoreError) -> HubError:
    """The hub's error for one of the store."""
    if isinstance(error, store_errors.StoreFull):
        return StoreFull(str(error))
    if isinstance(error, store_errors.CallTooLarge):
        return InvalidRequest(str(error))
    return Unavailable(str(error))
