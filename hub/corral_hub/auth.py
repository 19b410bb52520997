"""Who calls: bearer tokens, compared in constant time on every call."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from pathlib import Path

from corral_hub.errors import Misconfigured, Unauthenticated

ANONYMOUS = "anonymous"


class Authenticator:
    """Knows the accepted tokens; gives the principal of a call.

    The principal is a digest of the token, so that it can stand in the store.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._digests = [hashlib.sha256(token.encode()).digest() for token in tokens]

    def principal(self, authorization: str | None) -> str:
        """Principal of the `authorization` metadata.

        Raises Unauthenticated. Every token is compared, whichever matches, so that the
        time taken says nothing.
        """
        if not self._digests:
            return ANONYMOUS
        scheme, _, token = (authorization or "").partition(" ")
        given = hashlib.sha256(token.strip().encode()).digest()
        found = False
        for known in self._digests:
            found |= hmac.compare_digest(known, given)
        if scheme.lower() != "bearer" or not found:
            raise Unauthenticated(
                "this hub wants a token in the metadata `authorization: Bearer <token>`: set "
                "CORRAL_TOKEN, or pass token= (the one given is missing or not accepted)"
            )
        return given.hex()[:16]


def read_token_file(path: Path) -> tuple[str, ...]:
    """The tokens of a file, one to a line; empty lines and those with # are passed over.

    Raises Misconfigured when the file cannot be read or has none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"token file {path}: {error}", field="token-file") from error
    tokens = _clean(lines)
    if not tokens:
        raise Misconfigured(f"token file {path} has no token; one to a line", field="token-file")
    return tokens


def _clean(lines: Iterable[str]) -> tuple[str, ...]:
    stripped = (line.strip() for line in lines)
    return tuple(line for line in stripped if line and not line.startswith("#"))
