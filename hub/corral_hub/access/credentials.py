"""Tokens and names of certificates, and who stands behind each.

Files are read whole or not at all. Of a token only its SHA-256 is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from corral_hub.access.roles import ANY_NAMESPACE, ANYBODY, ROLES, Identity
from corral_hub.errors import Misconfigured, Unauthenticated
from corral_hub.names import NAMESPACE

SHA256 = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[A-Za-z0-9._@*-]{1,128}")


class TokenEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A `[[token]]` of an access file."""

    name: str
    sha256: str
    namespace: str
    roles: list[str]
    expires: datetime | None = None


class CertificateEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A `[[certificate]]` of an access file."""

    name: str
    namespace: str
    roles: list[str]


class AccessFile(msgspec.Struct, forbid_unknown_fields=True):
    """An access file."""

    token: list[TokenEntry] = []
    certificate: list[CertificateEntry] = []


@dataclass(frozen=True, slots=True)
class Known:
    """An identity, and until when it holds, in seconds since 1970."""

    identity: Identity
    expires: float = float("inf")


class Credentials:
    """Everybody that a hub knows: tokens by their SHA-256, certificates by name.

    `open_door`: everybody may do everything, as nothing was said about who may.
    """

    def __init__(
        self,
        tokens: Mapping[str, Known],
        certificates: Mapping[str, Known],
        *,
        open_door: bool = False,
    ) -> None:
        self._secret = os.urandom(32)
        self._tokens = {self._keyed(digest): known for digest, known in tokens.items()}
        self._certificates = certificates
        self.open_door = open_door

    def next_expiry(self, now: float) -> float:
        """When the next token ends, in seconds since 1970."""
        ends = (known.expires for known in self._tokens.values() if known.expires > now)
        return min(ends, default=float("inf"))

    def identify(self, authorization: str | None, names: Sequence[str]) -> Identity:
        """The caller with this `authorization`, or with a certificate of these names.

        Raises Unauthenticated. A token is found by a digest with a key that is this process's
        alone, so the time that it takes says nothing about any token.
        """
        if self.open_door:
            return ANYBODY
        if authorization:
            scheme, _, token = authorization.partition(" ")
            digest = hashlib.sha256(token.strip().encode()).hexdigest()
            known = self._tokens.get(self._keyed(digest))
            if scheme.lower() == "bearer" and known is not None:
                if known.expires > time.time():
                    return known.identity
                raise Unauthenticated(
                    "the token has expired: set CORRAL_TOKEN, or pass token=, with a newer one"
                )
        else:
            for name in names:
                if name in self._certificates:
                    return self._certificates[name].identity
        given = "the token given is not among those" if authorization else "none was given"
        raise Unauthenticated(
            f"this hub wants a token that it knows, or a certificate, and {given}: set "
            "CORRAL_TOKEN, or pass token= (on the wire: the metadata `authorization: Bearer "
            "<token>`)"
        )

    def _keyed(self, digest: str) -> bytes:
        return hmac.digest(self._secret, digest.encode(), "sha256")


def _plain(tokens: Iterable[str]) -> dict[str, Known]:
    """Tokens without more: each may do everything, in every namespace."""
    digests = (hashlib.sha256(token.encode()).hexdigest() for token in tokens)
    return {digest: Known(Identity(digest[:16], ANY_NAMESPACE, ROLES)) for digest in digests}


def load(tokens: Iterable[str], token_file: Path | None, access_file: Path | None) -> Credentials:
    """Tokens that were given, those of a plain file, and all of an access file.

    Raises Misconfigured, with the place.
    """
    known = _plain((*tokens, *(read_token_file(token_file) if token_file else ())))
    certificates: dict[str, Known] = {}
    read = read_access_file(access_file) if access_file else AccessFile()
    for entry in read.token:
        expires = entry.expires.timestamp() if entry.expires else float("inf")
        known[entry.sha256] = Known(_identity("token", entry), expires)
    for entry in read.certificate:
        certificates[entry.name] = Known(_identity("certificate", entry))
    # A file that lets nobody in is no open door: its last token may just have been removed.
    given = bool(known or token_file or access_file)
    return Credentials(known, certificates, open_door=not given)


def read_access_file(path: Path) -> AccessFile:
    """An access file, checked. Raises Misconfigured."""
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        read = msgspec.convert(raw, AccessFile)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise Misconfigured(
            f"access file {path}: {why}; `corral token --file` writes one", field="access-file"
        ) from error
    for number, entry in enumerate((*read.token, *read.certificate), start=1):
        where = f"access file {path}, entry {number} ({entry.name!r})"
        if not NAME.fullmatch(entry.name):
            raise Misconfigured(f"{where}: a name is {NAME.pattern}", field="access-file")
        if entry.namespace != ANY_NAMESPACE and not NAMESPACE.fullmatch(entry.namespace):
            raise Misconfigured(
                f"{where}: namespace {entry.namespace!r} is none; give a name, or *",
                field="access-file",
            )
        if not entry.roles or not set(entry.roles) <= ROLES:
            raise Misconfigured(
                f"{where}: roles are some of {', '.join(sorted(ROLES))}", field="access-file"
            )
        if isinstance(entry, TokenEntry):
            if not SHA256.fullmatch(entry.sha256):
                raise Misconfigured(
                    f"{where}: sha256 is 64 hexadecimal digits, as `corral token` prints them",
                    field="access-file",
                )
            if sum(entry.sha256 == other.sha256 for other in read.token) > 1:
                raise Misconfigured(
                    f"{where}: two entries have the same token; each has one of its own",
                    field="access-file",
                )
            if entry.expires is not None and entry.expires.tzinfo is None:
                entry.expires = entry.expires.replace(tzinfo=UTC)
    return read


def read_token_file(path: Path) -> tuple[str, ...]:
    """The tokens of a plain file, one to a line; empty lines and those with # are passed over.

    Raises Misconfigured when the file cannot be read or has none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise Misconfigured(
            f"token file {path}: {why}; write one token to a line", field="token-file"
        ) from error
    stripped = (line.strip() for line in lines)
    tokens = tuple(line for line in stripped if line and not line.startswith("#"))
    if not tokens:
        raise Misconfigured(f"token file {path} has no token; one to a line", field="token-file")
    return tokens


def _identity(kind: str, entry: TokenEntry | CertificateEntry) -> Identity:
    # Of the name and not of the token, so that a session outlives a change of token.
    principal = hashlib.sha256(f"{kind} {entry.namespace} {entry.name}".encode()).hexdigest()[:16]
    return Identity(principal, entry.namespace, frozenset(entry.roles))
