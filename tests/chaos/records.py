"""What a round leaves behind: the workers' ledger, the driver's history, how runs ended.

Each is a file of JSON lines. Times are seconds of the machine's monotonic clock, which all
processes share. Knows nothing of how the lines came about.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

LineT = TypeVar("LineT", bound=msgspec.Struct)


class Started(msgspec.Struct, frozen=True, tag="started"):
    """An execution began. `process` names one life of one worker: its id and a count."""

    run: str
    fence: int
    attempt: int
    process: str
    at: float


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """An execution ended; how: completed, failed (another attempt is asked for), stopped, or
    parked (unwound at a question; it may have been told to stop there, too)."""

    run: str
    fence: int
    process: str
    how: str
    at: float


class Did(msgspec.Struct, frozen=True, tag="did"):
    """A step had its effect."""

    run: str
    fence: int
    process: str
    key: str
    at: float


class Kept(msgspec.Struct, frozen=True, tag="kept"):
    """An execution was given the result of a step, which is the fence that it was done under."""

    run: str
    fence: int
    key: str
    value: int
    at: float


class Submitted(msgspec.Struct, frozen=True, tag="submitted"):
    """A hub acknowledged a submit."""

    run: str
    at: float


class Repeated(msgspec.Struct, frozen=True, tag="repeated"):
    """A hub answered the same submit again: with which run, and whether it said so."""

    run: str
    answer: str
    deduplicated: bool
    at: float


class Cancelled(msgspec.Struct, frozen=True, tag="cancelled"):
    """A hub acknowledged a cancel; `fence` is the run's latest then, 0 for none."""

    run: str
    fence: int
    at: float


class Followed(msgspec.Struct, frozen=True, tag="followed"):
    """A subscriber saw a run to its end: the numbers of its events in order, and its end."""

    run: str
    numbers: list[int]
    status: str


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """A hub acknowledged an answer to a run's question."""

    run: str
    answer: str
    at: float


class Part(msgspec.Struct, frozen=True):
    """What a reader of a stream was given; kind: chunk (the `first`-th, said under `fence`),
    gap (from `first` to `last`), restart."""

    kind: str
    fence: int = 0
    first: int = 0
    last: int = 0


class Read(msgspec.Struct, frozen=True, tag="read"):
    """A reader saw a streamed run to its end: all that it was given, in order."""

    run: str
    parts: list[Part]


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """A subscriber of all runs was told an event of one."""

    subscriber: str
    run: str
    number: int
    kind: str


class Missed(msgspec.Struct, frozen=True, tag="missed"):
    """A subscriber of all runs was told that events are gone, and why."""

    subscriber: str
    reason: str


class Disturbed(msgspec.Struct, frozen=True, tag="disturbed"):
    """Something was done to the fleet, from `at` until `until`."""

    kind: str
    target: str
    at: float
    until: float


class Odd(msgspec.Struct, frozen=True, tag="odd"):
    """Something happened that must not: an unexpected refusal, a process that died by itself."""

    what: str
    at: float


class Tried(msgspec.Struct, frozen=True):
    """An ended attempt as the store has it; `code` is that of its error, or empty."""

    fence: int
    outcome: str
    code: str = ""


class Final(msgspec.Struct, frozen=True):
    """A run as a hub describes it at the end; `output_fence`, `answer` and `steps` are what its
    result says, `labelled` whether it has the label that a subscriber filters by."""

    run: str
    status: str
    fence: int
    last_event: int
    output_fence: int = 0
    code: str = ""
    attempts: list[Tried] = []
    answer: str = ""
    steps: list[int] = []
    chunks: int = 0
    labelled: bool = False


LedgerLine = Started | Ended | Did | Kept
HistoryLine = (
    Submitted | Repeated | Cancelled | Followed | Answered | Read | Heard | Missed | Disturbed | Odd
)


@dataclass(slots=True)
class Evidence:
    """All of a round. `room` is how many executions fit while two workers are away."""

    ledger: list[LedgerLine]
    history: list[HistoryLine]
    finals: dict[str, Final]
    lease_seconds: float
    room: int
    broken: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


class Lines(Generic[LineT]):
    """Appends lines to a file, each in one write, so that processes may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, line: LineT) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        os.close(self._file)


def read_ledger(path: Path) -> list[LedgerLine]:
    """Reads what the workers wrote."""
    decoder = msgspec.json.Decoder(LedgerLine)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]


def read_history(path: Path) -> list[HistoryLine]:
    """Reads what the driver and the disturbances wrote."""
    decoder = msgspec.json.Decoder(HistoryLine)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]


def write_finals(path: Path, finals: Iterable[Final]) -> None:
    """Keeps the ends of the runs beside the other files."""
    path.write_bytes(b"".join(msgspec.json.encode(final) + b"\n" for final in finals))
