"""What the session's core and its shell say to each other.

Actions go from the core to the shell, outcomes from handlers to the core. Values only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from corral.enrolment import EnrolmentKey
from corral_proto.v1 import common_pb2, worker_pb2

# Why a handler is told to stop, when its run is another worker's or has ended.
GONE = frozenset({"lost", "ended"})


class Phase(Enum):
    """Where the session stands."""

    WAITING = "waiting"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Output:
    """A handler returned; `data` is its output as JSON."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """A handler raised, or could not be called."""

    error: common_pb2.RunError


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A handler ended because it was told to stop."""


@dataclass(frozen=True, slots=True)
class Park:
    """A handler was unwound to wait for the answer to a question without holding room."""

    request_id: str


Outcome = Output | Failure | Abandoned | Park
# The end of a handler: run, fence, outcome.
Ending = tuple[str, str, Outcome]

Saying = worker_pb2.InputRequest | worker_pb2.Checkpoint | worker_pb2.Step


@dataclass(frozen=True, slots=True)
class Remark:
    """A handler asks, or wants something kept; it waits for the word on its `ticket`.

    Without a saying it wants to know that the session lives. The session fills in run, fence
    and number; tickets are unique in an attempt.
    """

    ticket: int
    saying: Saying | None


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a stream to a hub, with this message first."""

    stream: int
    hub: int
    hello: worker_pb2.WorkerMessage


@dataclass(frozen=True, slots=True)
class Hangup:
    """Cut the present stream and read no more from it."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message on the present stream."""

    message: worker_pb2.WorkerMessage


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Send what is queued, then close the sending side of the present stream."""


@dataclass(frozen=True, slots=True)
class Start:
    """Execute an assignment."""

    assignment: worker_pb2.Assignment


@dataclass(frozen=True, slots=True)
class Consider:
    """Ask whether an offer is to be taken."""

    offer: worker_pb2.Offer


@dataclass(frozen=True, slots=True)
class DrainBegan:
    """The worker takes no new work from now on; said once."""


@dataclass(frozen=True, slots=True)
class StopRun:
    """Tell a handler to stop, or the hook that considers the run's offer."""

    run_id: str
    fence: str
    reason: str


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a remark: it is kept (or the lease holds), refused, not understood, or the
    attempt is over.

    `detail` is what the hub said of one that it does not understand; `limit` is how many bytes
    a run may keep in all, 0 when that is not known.
    """

    run_id: str
    fence: str
    ticket: int
    word: Literal["kept", "refused", "unsupported", "over"]
    detail: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """Questions of a run have been answered, or have lapsed; some may be known already."""

    run_id: str
    fence: str
    answers: Sequence[common_pb2.InputAnswer]


@dataclass(frozen=True, slots=True)
class FreeEvent:
    """An event is no longer on its way: another one may be emitted."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A hub has welcomed the worker."""

    hub: str


@dataclass(frozen=True, slots=True)
class LeaseHolds:
    """The session lives at least until then; what its runs have been told comes before."""

    until_ms: float


@dataclass(frozen=True, slots=True)
class Log:
    """Something that a person should know."""

    level: Literal["info", "warning"]
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over: well, or with an error that is final."""

    error: Exception | None


Action = (
    Connect
    | Hangup
    | Send
    | HalfClose
    | Start
    | Consider
    | DrainBegan
    | StopRun
    | Told
    | Answered
    | FreeEvent
    | Connected
    | LeaseHolds
    | Log
    | Ended
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a worker says about itself in Hello, the same for its whole life."""

    worker_id: str
    instance: str
    sdk: str
    capabilities: Sequence[common_pb2.Capability]
    tags: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    taints: Sequence[common_pb2.Taint] = ()
    admission: common_pb2.Admission = field(default_factory=common_pb2.Admission)
    devices: Sequence[str] = ()
    enrolment_key: EnrolmentKey | None = None
