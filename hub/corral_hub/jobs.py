"""The job: the immutable text of a run, as it is kept and as a worker gets it.

JSON that an operator can read with `GET job:<id>`; the input stays the bytes that the
submitter sent.
"""

from __future__ import annotations

import re

import msgspec

from corral_hub.errors import InvalidRequest


class Job(msgspec.Struct, omit_defaults=True):
    """What was asked for. Times in milliseconds, 0 for none."""

    workflow: str
    input: msgspec.Raw = msgspec.Raw(b"null")
    workflow_version: int = 0
    kind: str = ""
    version: int = 0
    priority: int = 128
    labels: dict[str, str] = {}
    model: str = ""
    max_run_ms: int = 0
    traceparent: str = ""
    tracestate: str = ""
    class_json: str = ""


# Levels of nesting in what a run carries.
MAX_DEPTH = 128
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_ROUND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Job)
_any = msgspec.json.Decoder()


def encode(job: Job) -> bytes:
    """The text of a job."""
    return _encoder.encode(job)


def decode(text: bytes | str) -> Job:
    """The job of a text that `encode` made."""
    return _decoder.decode(text)


_labels = msgspec.json.Decoder(dict[str, str])


def labels(text: str) -> dict[str, str]:
    """Labels from their kept text."""
    return _labels.decode(text)


def parse_json(raw: bytes, field: str) -> object:
    """What the JSON says; raises InvalidRequest that says where it is wrong."""
    try:
        parsed = _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"{field} is no JSON ({error}); send UTF-8 JSON text", field=field
        ) from error
    except RecursionError as error:
        raise _too_deep(field) from error
    if _deeper_than(raw, MAX_DEPTH):
        raise _too_deep(field)
    return parsed


def _too_deep(field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field} is nested more than {MAX_DEPTH} levels deep; flatten it",
        field=field,
        limit=str(MAX_DEPTH),
    )


def _deeper_than(raw: bytes, limit: int) -> bool:
    """Whether JSON that is known to be valid nests deeper. What is stored is read again
    inside of other JSON, where a decoder would give up earlier than on the text alone."""
    if raw.count(b"[") + raw.count(b"{") <= limit:
        return False
    brackets = _STRING.sub(b"", raw).translate(_ROUND, _NO_BRACKET)
    for _ in range(limit):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def dumps(value: object) -> str:
    """JSON text of a value."""
    return _encoder.encode(value).decode()
