"""What transitions take and give: plain records, the same names as in the Lua.

All times are milliseconds. Ids and fences are text, as 64-bit numbers do not survive
every client. Those of which there is one for each run are structs, which are made in a
tenth of the time of a dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import msgspec


class NewRun(msgspec.Struct, omit_defaults=True):
    """One run to submit, as submit.lua takes it: what is as with most runs is not said."""

    run: str
    job: str
    request: str
    kind: str
    workflow: str
    class_: str = msgspec.field(name="class")
    class_json: str = ""
    idem: str = ""
    version: int = 0
    priority: int = 128
    flow: str = "-"
    weight: int = 1
    vram_mb: int = 0
    model: str = ""
    deadline_ms: int = 0
    queue_wait_ms: int = 0
    run_ms: int = 0
    delay_ms: int = 0
    wait: int = 1
    retry: str = ""
    max_lost: int = 3
    retention_ms: int = 604_800_000
    labels: str = ""
    # 1: no further attempt once a part of the answer has been relayed.
    once: int = 0


class Submitted(msgspec.Struct, frozen=True, array_like=True):
    """Verdict on one run: accepted, duplicate, conflict, no_worker, vram_required,
    queue_full or full. `stage` names what no live pool passes ("" when one fits); the rest
    is there when the run was given to a session at once."""

    verdict: str
    run: str
    status: str
    stage: str
    # Time of the store at the submit.
    now_ms: int = 0
    fence: str = ""
    session: str = ""
    worker: str = ""
    hub: str = ""
    version: int = 0
    device: int = -1


class Report(msgspec.Struct, frozen=True):
    """One thing that a worker says about a run; see report.lua for the words."""

    word: str
    run: str
    fence: str
    seq: int = 0
    a: bytes | str = ""
    b: bytes | str = ""


class NewBatch(msgspec.Struct, frozen=True):
    """Ephemeral events of one assignment in order, the arguments of relay.lua in theirs.
    `items` is a JSON list of [type, payload]; `chunks` says how many of them are parts of
    the answer."""

    session: str
    run: str
    fence: str
    first: int
    count: int
    chunks: int
    items: bytes


class Ring(msgspec.Struct, frozen=True):
    """What is kept of a run's ephemeral events beyond a number: the status of the run, the
    assignment they are of ("" for nothing), its last number, and the batches as JSON."""

    status: str
    fence: str
    last: int
    batches: tuple[bytes, ...]


@dataclass(slots=True, frozen=True)
class Held:
    """A run that a worker holds, with the fence of its assignment."""

    run: str
    fence: str


@dataclass(slots=True, frozen=True)
class Kept:
    """Verdict on a held run: go on with it, or stop it."""

    run: str
    fence: str
    keep: bool


@dataclass(slots=True, frozen=True)
class NewSession:
    """A Hello as the store needs it; the arguments of open_session.lua in their order."""

    session: str
    connection: str
    worker: str
    instance: str
    principal: str
    pool: str
    pool_json: str
    lease_ms: int
    silent_ms: int
    models: str
    sdk: str
    max_sessions: int


@dataclass(slots=True, frozen=True)
class Opened:
    """Verdict on a Hello: ok, in_use, ended, superseded, not_yours or limit."""

    verdict: str
    stream: int = 0
    resumed: bool = False
    draining: bool = False
    held: tuple[Kept, ...] = ()


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """One word of a session's mail with all that the worker needs; `run` is "*" for a
    word about the session itself."""

    session: str
    stream: int
    run: str
    fence: str
    word: str
    attempt: int
    version: int
    device: int
    deadline_ms: int
    now_ms: int
    reason: str
    job: str
    # What earlier attempts left, or the answers, as JSON; empty: nothing.
    told: str = ""


class Described(msgspec.Struct, frozen=True):
    """A run as it stands. `hands`: "", "running" or "stopping", as its session has it."""

    fields: dict[str, str]
    job: bytes = b""
    output: bytes = b""
    attempts: tuple[bytes, ...] = ()
    hands: str = ""
    hub: str = ""


@dataclass(slots=True, frozen=True)
class Question:
    """An open question; `json` is what was asked. `due_ms`: 0 when it does not lapse."""

    run: str
    request: str
    json: bytes
    asked_ms: int
    due_ms: int
    workflow: str
    status: str


@dataclass(slots=True, frozen=True)
class SessionRow:
    """A live session with what it declares."""

    session: str
    fields: dict[str, str]
    pool_json: bytes


@dataclass(slots=True, frozen=True)
class RunEvents:
    """A part of a run's events; `latest` is the number of its newest one."""

    status: str
    latest: int
    events: tuple[bytes, ...]


@dataclass(slots=True, frozen=True)
class Feed:
    """A part of the feed: entries of (id, JSON list of events), and what it reaches over."""

    entries: tuple[tuple[str, bytes], ...]
    epoch: int
    oldest: str
    newest: str


@dataclass(slots=True, frozen=True)
class Entered:
    """The namespace as a hub found it."""

    format: str
    epoch: int
    now_ms: int
    hold_ms: int


@dataclass(slots=True, frozen=True)
class Ticked:
    """What a tick did; `verdict`: done, more or not_due."""

    verdict: str
    lost: int
    woken: int
    expired: int
    trimmed: int


@dataclass(slots=True, frozen=True)
class QueueRow:
    """What waits for a kind: ("<class> <band>" -> runs), and the bands' deficits."""

    kind: str
    waiting: dict[str, int]
    deficits: dict[int, float]


@dataclass(slots=True, frozen=True)
class ClassRow:
    """What waits of one class in one band; `oldest_ms` is 0 when it is not known."""

    kind: str
    band: int
    class_: str
    class_json: bytes
    waiting: int
    flows: int
    deficit: float
    oldest_ms: int
    placeable: bool


@dataclass(slots=True, frozen=True)
class Queues:
    """A page of what waits. `kinds`: name, waiting runs, paused; `more`: where the next page
    begins as kind and step, kind "" at the end."""

    rows: tuple[ClassRow, ...]
    kinds: tuple[tuple[str, int, bool], ...]
    more: tuple[str, str]
    now_ms: int


@dataclass(slots=True, frozen=True)
class Stats:
    """Counters, queues and deficits of a namespace."""

    totals: dict[str, int]
    queues: tuple[QueueRow, ...]
    epoch: int
    full: bool
    sessions: int
    hubs: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class Explained:
    """Why a run waits: sessions by verdict, and up to 50 workers with verdict and score;
    `awaits` is the question whose answer it is parked for."""

    status: str
    band: int
    ahead_in_flow: int
    flows_ahead: int
    waiting: dict[int, int]
    stages: dict[str, int]
    workers: tuple[tuple[str, str, int], ...]
    awaits: str = ""


@dataclass(slots=True, frozen=True)
class Settings:
    """What a hub tells a namespace when it enters."""

    hub_ttl_ms: int = 15_000
    lease_ms: int = 15_000
    max_waiting: int = 1_000_000
    soft_bytes: int = 0
    # Submits that are let through per second, over all hubs, and at once after a pause.
    per_second: float = 0.0
    burst: int = 0


@dataclass(slots=True)
class Constraints:
    """What a run needs from a worker; its digest is the class."""

    kind: str
    version: int = 0
    tags: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    required: dict[str, str] = field(default_factory=dict[str, str])
    forbidden: dict[str, str] = field(default_factory=dict[str, str])
    preferred: dict[str, str] = field(default_factory=dict[str, str])
    tolerations: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    vram_mb: int = 0


@dataclass(slots=True)
class Declaration:
    """What a session offers; its digest is the pool. `admission`: fixed or vram."""

    capabilities: list[tuple[str, int]]
    tags: dict[str, str] = field(default_factory=dict[str, str])
    labels: dict[str, str] = field(default_factory=dict[str, str])
    taints: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    admission: str = "fixed"
    max: int = 1
    devices: list[int] = field(default_factory=list[int])


def names_of(record: type) -> tuple[str, ...]:
    """Names of a record's fields in their order."""
    if issubclass(record, msgspec.Struct):
        return record.__struct_fields__
    return tuple(each.name for each in fields(record))
