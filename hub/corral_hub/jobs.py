"""The job: the immutable text of a run, as it is kept and as a worker gets it.

JSON that an operator can read with `GET job:<id>`; the input stays the bytes that the
submitter sent.
"""

from __future__ import annotations

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


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Job)
_any = msgspec.json.Decoder()


def encode(job: Job) -> bytes:
    """The text of a job."""
    return _encoder.encode(job)


def decode(text: bytes) -> Job:
    """The job of a text that `encode` made."""
    return _decoder.decode(text)


_labels = msgspec.json.Decoder(dict[str, str])


def labels(text: str) -> dict[str, str]:
    """Labels from their kept text."""
    return _labels.decode(text)


def parse_json(raw: bytes, field: str) -> object:
    """What the JSON says; raises InvalidRequest that says where it is wrong."""
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"{field} is no JSON ({error}); send UTF-8 JSON text", field=field
        ) from error
    except RecursionError as error:
        raise InvalidRequest(f"{field} is nested too deeply", field=field) from error


def dumps(value: object) -> str:
    """JSON text of a value."""
    return _encoder.encode(value).decode()
