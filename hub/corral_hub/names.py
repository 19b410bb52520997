"""Which names users may choose: charsets and lengths, in one place."""

from __future__ import annotations

import re

from corral_hub.errors import InvalidRequest

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
RUN_ID = NAME
NAMESPACE = re.compile(r"[A-Za-z0-9_-]{1,32}")
WORKER_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
SESSION_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
KIND = re.compile(r"[A-Za-z0-9._:/-]{1,128}")
WORKFLOW = re.compile(r"[A-Za-z0-9._:/-]{1,119}")
TAG_KEY = re.compile(r"[A-Za-z0-9._/-]{1,64}")
VALUE = re.compile(r"[A-Za-z0-9 ._:/@+*-]{0,128}")
FLOW = re.compile(r"[A-Za-z0-9._/@-]{1,64}")
MODEL = re.compile(r"[A-Za-z0-9._:/@+-]{1,128}")
# Numbers in cursors: small enough for every wire and for the store.
NUMBER = re.compile(r"[0-9]{1,15}")
EVENT_TYPE = re.compile(r"(?!status\.)[A-Za-z0-9._-]{1,64}")


def require(pattern: re.Pattern[str], value: str, field: str) -> str:
    """The value, or InvalidRequest that names the field and the pattern."""
    if not pattern.fullmatch(value):
        raise InvalidRequest(
            f"{field} {value[:80]!r} does not match {pattern.pattern}",
            field=field,
            limit=pattern.pattern,
        )
    return value


def fence(text: str) -> str:
    """A fence as it came. Raises InvalidRequest for what can be none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise InvalidRequest(
            f"fence {text[:40]!r} is none; repeat the one of the assignment", field="fence"
        )
    return text


def tag(text: str, field: str) -> tuple[str, str]:
    """A tag "key=value" as a pair; raises InvalidRequest."""
    key, sign, value = text.partition("=")
    if not sign or not value:
        raise InvalidRequest(
            f"{field} {text[:80]!r} is no tag: write key=value, or key=* for any value",
            field=field,
            limit="key=value",
        )
    return require(TAG_KEY, key, field), require(VALUE, value, field)
