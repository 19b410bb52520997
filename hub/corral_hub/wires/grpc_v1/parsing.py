"""Methods whose requests may be malformed without an untyped answer.

gRPC answers bytes that are no message with INTERNAL and no word; here such a request
reaches the method as `Malformed`, which answers what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message


@dataclass(slots=True, frozen=True)
class Malformed:
    """Bytes that are no message of the expected type."""

    detail: str


def tolerant(kind: type[Message]) -> Callable[[bytes], Any]:
    """A deserializer that gives Malformed where the message's own would raise."""

    def parse(raw: bytes) -> Any:
        try:
            return kind.FromString(raw)
        except DecodeError as error:
            return Malformed(
                f"these {len(raw)} bytes are no {kind.DESCRIPTOR.full_name} ({error}); generate "
                "the client from the .proto files of this release"
            )

    return parse


def serialize(message: Message) -> bytes:
    """The bytes of a message."""
    return message.SerializeToString()
