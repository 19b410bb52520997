"""The argument names of every transition, against which the Lua headers are checked."""

from __future__ import annotations

from collections.abc import Mapping

from corral_store.library import Header, LibraryError, arguments_of
from corral_store.records import Held, NewBatch, NewSession, Report, names_of


def _names(record: type) -> tuple[str, ...]:
    return tuple(name.rstrip("_") for name in names_of(record))


_SESSION = (("hub", *_names(NewSession), "held"), _names(Held))

ARGUMENTS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "enter": (
        ("hub", "hub_ttl_ms", "lease_ms", "max_waiting", "soft_bytes", "per_second", "burst"),
        (),
    ),
    "submit": (("hub", "runs"), ("asked",)),
    "cancel": (("hub", "runs"), ("run", "reason")),
    "retry": (("hub", "runs"), ("run", "class_json")),
    "pause": (("hub", "kind", "paused"), ()),
    "explain": (("hub", "run"), ()),
    "report": (("hub", "session", "stream", "reports"), _names(Report)),
    "open_session": _SESSION,
    "resume_session": _SESSION,
    "renew": (("hub", "hub_ttl_ms", "sessions"), ("session", "stream")),
    "close_session": (("hub", "session", "stream", "how", "grace_ms"), ()),
    "relay": (("hub", "batches"), _names(NewBatch)),
    "listen": (("hub", "run", "how", "fence", "number"), ()),
    "answer_input": (("hub", "run", "request", "answer"), ()),
    "drain": (("hub", "worker", "how"), ()),
    "resident": (("hub", "session", "stream", "models"), ()),
    "fetch_mail": (("hub", "sessions"), ("session", "stream")),
    "tick": (("hub", "interval_ms"), ()),
    "describe": (("hub", "what", "runs"), ()),
    "list_runs": (("hub", "filter", "limit", "score", "run"), ()),
    "list_inputs": (("hub", "run", "limit", "score", "entry"), ()),
    "list_sessions": (("hub", "filter", "limit", "after"), ()),
    "read_events": (("hub", "after", "limit", "runs"), ()),
    "read_feed": (("hub", "after", "limit"), ()),
    "stats": (("hub",), ()),
    "check": (("hub",), ()),
    "queues": (("hub", "kind", "limit", "after", "step"), ()),
    "repair": (("hub", "token", "step", "items"), ("a", "b", "c", "d")),
}


def check_headers(headers: Mapping[str, Header]) -> None:
    """Raises LibraryError when a transition and its stub name other arguments."""
    if set(headers) != set(ARGUMENTS):
        odd = sorted(set(headers) ^ set(ARGUMENTS))
        raise LibraryError(f"transitions and stubs differ in {', '.join(odd)}")
    for name, header in headers.items():
        like = header.arguments.removeprefix("as ")
        said = arguments_of(headers.get(like, header))
        if said != ARGUMENTS[name]:
            raise LibraryError(f"{name}.lua takes {said}, its stub gives {ARGUMENTS[name]}")
