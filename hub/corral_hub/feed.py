"""Entries of the feed as the store writes them, and the events that they stand for.

An entry has the events of one call of the store: `now`, the time of the call; `about`, what is
said of runs beside their events, once for all that are alike; and `events`, each with its run and
the place of what is said of it. Events of a run's ordinary course (accepted, given to a session,
completed) are only numbers there, from the first to the last that came to pass in the call.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

_NULL = msgspec.Raw(b"null")


class Happened(msgspec.Struct):
    """An event as it is kept."""

    number: int
    type: str
    time_ms: int
    attempt: int
    payload: msgspec.Raw
    fence: str = ""


class About(msgspec.Struct):
    """What is said of a run. `kind`: "" when it is that of the workflow; `worker` and its
    `tags`: of who has the run, or had it last."""

    workflow: str
    kind: str = ""
    worker: str = ""
    labels: dict[str, str] = {}
    tags: dict[str, str] = {}


class FeedEvent(msgspec.Struct):
    """An event of the feed, with its run and what is said of it."""

    run: str
    about: About
    event: Happened


class _Line(msgspec.Struct, array_like=True):
    """Events of one run: those of the ordinary course from `first` to `last`, with the fence and
    the hub of an attempt that began; or, where these are 0, one event in full."""

    run: str
    about: int
    first: int
    last: int
    more: msgspec.Raw = _NULL


class _Entry(msgspec.Struct):
    now: int
    about: list[About]
    events: list[_Line]


_entry = msgspec.json.Decoder(_Entry)
_event = msgspec.json.Decoder(Happened)
_given = msgspec.json.Decoder(tuple[str, str])
_encode = msgspec.json.encode


def events_of(raw: bytes) -> Iterator[FeedEvent]:
    """Gives the events of an entry, in order."""
    entry = _entry.decode(raw)
    for line in entry.events:
        about = entry.about[line.about]
        if not line.first:
            yield FeedEvent(line.run, about, _event.decode(line.more))
            continue
        for number in range(line.first, line.last + 1):
            yield _of_course(line, number, about, entry.now)


def _of_course(line: _Line, number: int, about: About, now: int) -> FeedEvent:
    if number == 1:
        # Nobody had the run yet.
        about = About(about.workflow, about.kind, labels=about.labels)
        return FeedEvent(line.run, about, Happened(1, "status.pending", now, 0, _NULL))
    if number == 2:
        fence, hub = _given.decode(line.more)
        payload = _encode({"fence": fence, "worker": about.worker, "hub": hub})
        return FeedEvent(
            line.run, about, Happened(2, "status.running", now, 1, msgspec.Raw(payload))
        )
    return FeedEvent(line.run, about, Happened(3, "status.completed", now, 1, _NULL))
