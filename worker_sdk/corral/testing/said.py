"""What a handler said in a test: values to assert on. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from corral.errors import CorralError


class Lapsed(Enum):
    """Stands for the answer of a question whose time ran out."""

    LAPSED = "lapsed"

    def __repr__(self) -> str:
        return self.name


LAPSED = Lapsed.LAPSED


@dataclass(frozen=True, slots=True)
class Said:
    """An event that the handler emitted."""

    type: str
    payload: Any


@dataclass(frozen=True, slots=True)
class Progress:
    """A word on how far the handler is."""

    fraction: float
    note: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the handler's log, as followers of the run get it."""

    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question that the handler asked; `schema` is JSON Schema or None, `timeout` seconds."""

    key: str
    prompt: str
    metadata: Any
    schema: Any
    timeout: float | None


class RunParked(CorralError):
    """The handler gave its room back to wait for an answer. Answer it, and run it again."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The handler is parked until question {key!r} is answered. Call "
            f"context.answer({key!r}, ...) and run it again."
        )
        self.key = key
