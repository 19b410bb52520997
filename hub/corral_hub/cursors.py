"""Cursors of events: their text, and what it says. Reads nothing.

The cursor of a run is `<epoch>-<number>-<mark>`. The mark has the event's time, by which it is
seen whether the store still has the event that was given, and a digest of the run's id, by which
the cursor of another run is told apart. That of the feed is an entry's id, a point, and how many
of its events were given; 0 stands for the whole entry.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from corral_hub import names
from corral_hub.errors import InvalidRequest

MARK = re.compile(r"[0-9a-f]{9,20}")
DIGEST_CHARS = 8
# The second half of an id in the feed: up to 2**64 - 1.
SEQUENCE = re.compile(r"[0-9]{1,20}")
LAST_SEQUENCE = 2**64 - 1
# Where a feed without entries ends.
NOTHING = "0-0"

StreamId = tuple[int, int]


@dataclass(slots=True, frozen=True)
class Position:
    """The last event of a run that was given: number and time, 0 for none or unknown."""

    number: int = 0
    time_ms: int = 0


def of_run(run: str, epoch: int, position: Position) -> str:
    """The cursor behind an event of a run."""
    return f"{epoch}-{position.number}-{position.time_ms:x}{_digest(run)}"


def position(run: str, cursor: str) -> Position:
    """What a cursor of a run says; "" is the beginning. Raises InvalidRequest.

    Without its mark a cursor, written by hand, is taken at its word.
    """
    if not cursor:
        return Position()
    epoch, _, rest = cursor.partition("-")
    number, sign, mark = rest.partition("-")
    if not (
        names.NUMBER.fullmatch(epoch)
        and names.NUMBER.fullmatch(number)
        and (MARK.fullmatch(mark) or not sign)
    ):
        raise InvalidRequest(
            f"cursor {cursor[:80]!r} is none of a run; send one that an event of the run carried, "
            'or "" for the first event',
            field="cursor",
        )
    if mark and mark[-DIGEST_CHARS:] != _digest(run):
        raise InvalidRequest(
            f"cursor {cursor[:80]!r} is of another run than {run!r}; send one that an event of "
            'this run carried, or "" for its first event',
            field="cursor",
        )
    return Position(int(number), int(mark[:-DIGEST_CHARS], 16) if mark else 0)


@dataclass(slots=True, frozen=True)
class FeedPosition:
    """An entry of the feed, and how many of its events were given; 0: all."""

    entry: str
    seen: int

    @property
    def id(self) -> StreamId:
        """The entry's id, to compare."""
        return stream_id(self.entry)


def feed_position(cursor: str) -> FeedPosition:
    """What a cursor of the feed says. Raises InvalidRequest."""
    entry, _, index = cursor.partition(".")
    milliseconds, _, sequence = entry.partition("-")
    if not (
        names.NUMBER.fullmatch(milliseconds)
        and SEQUENCE.fullmatch(sequence)
        and int(sequence) <= LAST_SEQUENCE
        and names.NUMBER.fullmatch(index or "0")
    ):
        raise InvalidRequest(
            f"cursor {cursor[:80]!r} is none of this feed; send one that an event carried, "
            'or "" to begin with what happens next',
            field="cursor",
        )
    return FeedPosition(entry, int(index or "0"))


def stream_id(text: str) -> StreamId:
    """An id of the feed, to compare."""
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or "0")


def before(text: str) -> str:
    """The id before one of the feed."""
    milliseconds, sequence = stream_id(text)
    if sequence > 0:
        return f"{milliseconds}-{sequence - 1}"
    return f"{max(0, milliseconds - 1)}-{LAST_SEQUENCE}"


def _digest(run: str) -> str:
    return f"{zlib.crc32(run.encode()):0{DIGEST_CHARS}x}"
