"""JSON as it crosses the edge of the SDK: handlers' and callers' values to bytes and back.

Types come from annotations: anything that msgspec reads and writes (plain values, dataclasses,
`msgspec.Struct`, `TypedDict`). Knows no limits: whoever sends knows what is too large.
"""

from __future__ import annotations

from typing import Any

import msgspec
import msgspec.inspect


def encode(value: Any) -> bytes:
    """Writes a value as JSON; NaN and infinity, which it does not have, become null.

    Raises `TypeError` or `ValueError` when it has no JSON form.
    """
    try:
        return msgspec.json.encode(value)
    except (msgspec.MsgspecError, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error


def decode(data: bytes, type_: Any = Any) -> Any:
    """Reads JSON as a type; empty bytes are null.

    Raises `ValueError` naming the place that does not fit.
    """
    try:
        return msgspec.json.decode(data or b"null", type=type_)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error


def has_json_form(type_: Any) -> bool:
    """Tells whether values of this type can be read from and written as JSON."""
    try:
        return not _has_foreign(msgspec.inspect.type_info(type_), set())
    except TypeError:
        return False


def _has_foreign(part: Any, seen: set[int]) -> bool:
    """Whether a description of a type has, anywhere, a class that msgspec does not know."""
    if isinstance(part, tuple):
        parts: tuple[Any, ...] = part
        return any(_has_foreign(inner, seen) for inner in parts)
    if isinstance(part, msgspec.inspect.CustomType):
        return part.cls is not object
    if not isinstance(part, (msgspec.inspect.Type, msgspec.inspect.Field)) or id(part) in seen:
        return False
    # Types may contain themselves.
    seen.add(id(part))
    return any(_has_foreign(getattr(part, name), seen) for name in part.__struct_fields__)


def convert(value: Any, type_: Any) -> Any:
    """Turns plain JSON values into a type; raises `ValueError` naming the place.

    Values that JSON can only carry as text (times, bytes, ...) are read from it.
    """
    try:
        return msgspec.convert(value, type=type_)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
