"""What a handler says for the moment: parts of its answer, progress, lines of its log.

Whoever follows the run gets it at once; nobody keeps it for long. Checks and writes; where it
goes is in `spool.py`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Generator, MutableMapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

from corral import encoding
from corral.errors import AttemptEnded, BadChunk, BadOutput, BadProgress, ChunkTooLarge
from corral.spool import Sink

OutT = TypeVar("OutT")

MAX_CHUNK_BYTES = 16 * 1024
MAX_LINE_BYTES = 4 * 1024
MAX_NOTE_CHARS = 256


@dataclass(frozen=True, slots=True)
class Result(Generic[OutT]):
    """What a handler that streams yields last: the result of its run."""

    value: OutT


class Streaming:
    """The part of a `Context` that speaks to whoever follows the run right now."""

    @property
    def sink(self) -> Sink:
        """Where it goes. Raises `AttemptEnded` when the attempt is over."""
        raise NotImplementedError

    async def stream(self, chunk: Any) -> None:
        """Hands on a part of the answer, for `run.stream()`; what a generator yields does the
        same.

        `chunk` is JSON of at most 16 KiB. Returns at once while fewer than 256 KiB of the
        attempt are on their way, and waits otherwise. Raises `BadChunk`, `ChunkTooLarge`, and
        `AttemptEnded` when the attempt is over.
        """
        await self.sink.put(_written(chunk))

    def stream_sync(self, chunk: Any) -> None:
        """The same as `stream`, for handlers that run in a thread or a process."""
        self.sink.put_sync(_written(chunk))

    def progress(self, fraction: float, note: str = "") -> None:
        """Says how much of the work is done, from 0 to 1; never waits.

        Followers get the latest word every 20 ms at most. `note` is cut at 256 characters.
        Raises `BadProgress`, and `AttemptEnded` when the attempt is over.
        """
        if not 0 <= fraction <= 1:
            raise BadProgress(f"The fraction is {fraction!r}; give what is done from 0 to 1.")
        said = {"fraction": float(fraction), "note": str(note)[:MAX_NOTE_CHARS]}
        self.sink.progress(encoding.encode(said))


class RunLog(logging.LoggerAdapter[logging.Logger]):
    """The log of one attempt: the worker's own, and for whoever follows the run.

    Followers get lines from INFO up, whatever the worker's own log leaves out, cut at 4 KiB.
    Never waits: lines beyond 16 KiB within 20 ms are dropped for them, and they are told how
    many.
    """

    def __init__(self, speaker: Streaming, workflow: str, extra: dict[str, object]) -> None:
        super().__init__(logging.getLogger(f"corral.workflow.{workflow}"), extra)
        self._speaker = speaker

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Adds run, attempt and fence to the record."""
        return msg, {**kwargs, "extra": {**(self.extra or {}), **kwargs.get("extra", {})}}

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Logs a line."""
        # The line is the caller's, one frame further up than the adapter expects.
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        super().log(level, msg, *args, **kwargs)
        if level < logging.INFO and not self.isEnabledFor(level):
            return
        try:
            text = str(msg) % args if args else str(msg)
        except (TypeError, ValueError):
            # The log of the worker complains about it already.
            text = str(msg)
        said = {"level": logging.getLevelName(level).lower(), "message": _cut(text)}
        with contextlib.suppress(AttemptEnded):
            self._speaker.sink.log(encoding.encode(said))


def result_type(annotation: Any) -> Any:
    """The type of the result of a generator: T where it yields a `Result[T]`, else anything."""
    yielded = (get_args(annotation) or (Any,))[0]
    members = get_args(yielded) if get_origin(yielded) in (Union, UnionType) else (yielded,)
    for member in members:
        if get_origin(member) is Result:
            return get_args(member)[0]
    return Any


async def last_of(parts: AsyncGenerator[Any], speaker: Streaming) -> Any:
    """Streams what a generator yields, and gives the value of its `Result`; None without one.

    Raises `BadOutput` for what comes behind it, `BadChunk`, and what the generator raises.
    """
    result: Result[Any] | None = None
    sink = speaker.sink
    async with aclosing(parts):
        async for part in parts:
            if result is not None:
                raise _behind(part)
            if isinstance(part, Result):
                result = part
            else:
                await sink.put(_written(part))
    return None if result is None else result.value


def last_of_sync(
    parts: Generator[Any, Any, Any], speaker: Streaming, stop: Callable[[], bool]
) -> Any:
    """The same for a plain generator, closed at its next part when `stop()` says so."""
    result: Result[Any] | None = None
    sink = speaker.sink
    with closing(parts):
        for part in parts:
            if stop():
                raise Stopped
            if result is not None:
                raise _behind(part)
            if isinstance(part, Result):
                result = part
            else:
                sink.put_sync(_written(part))
    return None if result is None else result.value


class Stopped(Exception):
    """A generator was closed, as its run was told to stop."""


def _written(chunk: Any) -> bytes:
    try:
        data = encoding.encode(chunk)
    except (TypeError, ValueError) as error:
        raise BadChunk(
            f"A part of the answer, a {type(chunk).__name__}, cannot be written as JSON: {error}. "
            "Use plain values, a dataclass or a msgspec.Struct."
        ) from error
    if len(data) > MAX_CHUNK_BYTES:
        raise ChunkTooLarge(
            f"A part of the answer has {len(data)} bytes, the limit is {MAX_CHUNK_BYTES}. Stream "
            "it in smaller parts, or store it elsewhere and stream a reference."
        )
    return data


def _behind(part: Any) -> BadOutput:
    return BadOutput(
        f"The handler yielded a {type(part).__name__} behind its Result. Yield Result(value) last, "
        "once."
    )


def _cut(text: str) -> str:
    # Lone surrogates, e.g. from undecodable file names, are no valid JSON text.
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_LINE_BYTES:
        return data.decode()
    return data[: MAX_LINE_BYTES - 3].decode("utf-8", "ignore") + "…"
