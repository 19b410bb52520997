"""What a worker and a hub say to each other, without any wire's types.

Wires convert at the edge; the session core and the driver see only these. Those of which there
is one for each run are structs, which are made in a fraction of the time of a dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from corral_store.records import Declaration, Held, Kept, Letter, NewBatch, Report


@dataclass(slots=True, frozen=True)
class Hello:
    """The first message of a stream, checked."""

    worker: str
    instance: str
    session: str
    declaration: Declaration
    models: tuple[str, ...] = ()
    sdk: str = ""
    held: tuple[Held, ...] = ()
    resume: bool = False
    enrolment_key: str = ""


@dataclass(slots=True, frozen=True)
class ChallengeResponse:
    """The signature that a Challenge asked for."""

    signature: bytes


@dataclass(slots=True, frozen=True)
class Pong:
    """Answer to a ping; `clock_ms` is when it was said, by the worker's clock."""

    number: int
    clock_ms: int = 0


class Said(msgspec.Struct, frozen=True):
    """A report about a run (an acknowledgement of mail included)."""

    report: Report


class Streamed(msgspec.Struct, frozen=True):
    """Ephemeral events of one assignment in order, the first with its number. `items` is a
    JSON list of [type, payload], of which `chunks` are parts of the answer."""

    run: str
    fence: str
    first: int
    count: int
    chunks: int
    items: bytes


@dataclass(slots=True, frozen=True)
class Resident:
    """The models that are loaded now."""

    models: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class Draining:
    """No new work, please."""


@dataclass(slots=True, frozen=True)
class Goodbye:
    """The session ends by the worker's wish."""


@dataclass(slots=True, frozen=True)
class Odd:
    """A message that is not supported, or breaks the protocol when `fatal`."""

    what: str
    detail: str
    run: str = ""
    fatal: bool = False


Incoming = Hello | ChallengeResponse | Pong | Said | Streamed | Resident | Draining | Goodbye | Odd


@dataclass(slots=True, frozen=True)
class Welcome:
    """The session is open."""

    session: str
    stream: int
    resumed: bool
    held: tuple[Kept, ...]


@dataclass(slots=True, frozen=True)
class Challenge:
    """Prove who you are, before Welcome."""

    nonce: bytes
    namespace: str


@dataclass(slots=True, frozen=True)
class Reject:
    """The stream is refused or ends. `reason` is the lower-case name of the wire's enum."""

    reason: str
    detail: str
    field: str = ""


class Word(msgspec.Struct, frozen=True):
    """A letter for the worker: an assignment, a stop, a drain."""

    letter: Letter


class Acked(msgspec.Struct, frozen=True):
    """What became of one report."""

    run: str
    fence: str
    seq: int
    verdict: str


class Acks(msgspec.Struct, frozen=True):
    """What became of reports, in order."""

    items: tuple[Acked, ...]


@dataclass(slots=True, frozen=True)
class Ping:
    """Sign of life; `renewed_ms` is when the latest pong that has renewed the lease was said."""

    number: int
    renewed_ms: int = 0


@dataclass(slots=True, frozen=True)
class Reconnect:
    """Go to another hub."""

    reason: str
    after_ms: int = 0


@dataclass(slots=True, frozen=True)
class Unsupported:
    """A message had no effect."""

    what: str
    detail: str
    run: str = ""


Outgoing = Welcome | Challenge | Reject | Word | Acks | Ping | Reconnect | Unsupported


@dataclass(slots=True)
class Actions:
    """What the shell has to do, in this order: send, call the store, end."""

    send: list[Outgoing] = field(default_factory=list[Outgoing])
    # Goes with what is sent next, or in a while: nobody waits for it.
    in_passing: list[Outgoing] = field(default_factory=list[Outgoing])
    open: Hello | None = None
    batches: list[NewBatch] = field(default_factory=list[NewBatch])
    reports: list[Report] = field(default_factory=list[Report])
    models: tuple[str, ...] | None = None
    draining: bool = False
    end: str = ""
