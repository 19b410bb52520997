"""Which workers may join, and with what: `open`, `allowlist`, or `signed`.

Decides about a Hello before anything of it is in the store. Signatures are Ed25519 (RFC 8032) over
a nonce that is good for one stream.
"""

from __future__ import annotations

import base64
import fnmatch
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from corral_hub.errors import Misconfigured
from corral_hub.session.messages import Hello, Reject

NONCE_BYTES = 32
PREFIX = b"corral-enrolment-v1\n"


def _everything() -> list[str]:
    return ["*"]


class Admitted(msgspec.Struct, forbid_unknown_fields=True):
    """A `[[worker]]` of an enrolment file: an id or the name of a certificate, as patterns with
    `*` and `?`, and what such a worker may offer."""

    id: str = ""
    certificate: str = ""
    namespace: str = "*"
    capabilities: list[str] = msgspec.field(default_factory=_everything)


class Key(msgspec.Struct, forbid_unknown_fields=True):
    """A `[[key]]` of an enrolment file, and what a worker that has it may be and offer.

    `public`: as `corral key` prints it, or as PEM.
    """

    name: str
    public: str
    namespace: str = "*"
    workers: list[str] = msgspec.field(default_factory=_everything)
    capabilities: list[str] = msgspec.field(default_factory=_everything)


class Enrolment(msgspec.Struct, forbid_unknown_fields=True):
    """An enrolment file. It names its policy: a list that is not looked at would mislead."""

    policy: Literal["open", "allowlist", "signed"]
    worker: list[Admitted] = []
    key: list[Key] = []

    @classmethod
    def load(cls, path: Path) -> Enrolment:
        """Reads and checks a file. Raises Misconfigured, with the place."""
        try:
            read = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), cls)
            for key in read.key:
                _public(key)
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise Misconfigured(
                f'enrolment file {path}: {why}; it has policy = "open", "allowlist" with '
                '[[worker]] tables, or "signed" with [[key]] tables',
                field="enrolment-file",
            ) from error
        for admitted in read.worker:
            if bool(admitted.id) == bool(admitted.certificate):
                raise Misconfigured(
                    f"enrolment file {path}: a [[worker]] has an id or a certificate, and not both",
                    field="enrolment-file",
                )
        names = [key.name for key in read.key]
        if len(set(names)) < len(names):
            raise Misconfigured(
                f"enrolment file {path}: each [[key]] has a name of its own", field="enrolment-file"
            )
        return read

    def admit(self, hello: Hello, namespace: str, names: Sequence[str]) -> Reject | Key | None:
        """None: the worker may join; a Key: when it signs with it; else why not."""
        match self.policy:
            case "allowlist":
                return self._listed(hello, namespace, names)
            case "signed":
                return self._signer(hello, namespace)
            case _:
                return None

    def _listed(self, hello: Hello, namespace: str, names: Sequence[str]) -> Reject | None:
        mine = [
            entry
            for entry in self.worker
            if fnmatch.fnmatchcase(namespace, entry.namespace)
            and (
                fnmatch.fnmatchcase(hello.worker, entry.id)
                if entry.id
                else any(fnmatch.fnmatchcase(name, entry.certificate) for name in names)
            )
        ]
        if not mine:
            return _not_enrolled(
                f"worker {hello.worker!r} is not on this hub's list: have its id, or the name of "
                "its certificate, added to the enrolment file",
                "worker_id",
            )
        return _too_much(hello, [pattern for entry in mine for pattern in entry.capabilities])

    def _signer(self, hello: Hello, namespace: str) -> Reject | Key:
        if not hello.enrolment_key:
            return _not_enrolled(
                "this hub admits workers that sign with an enrolment key: make one with `corral "
                "key FILE`, have it added to the enrolment file, and pass enrolment_key=",
                "enrolment_key",
            )
        for key in self.key:
            if key.name == hello.enrolment_key and fnmatch.fnmatchcase(namespace, key.namespace):
                if not _matches(hello.worker, key.workers):
                    return _not_enrolled(
                        f"enrolment key {key.name!r} is not for worker {hello.worker!r}",
                        "worker_id",
                    )
                return _too_much(hello, key.capabilities) or key
        return _not_enrolled(
            f"enrolment key {hello.enrolment_key!r} is not known here", "enrolment_key"
        )


def signed_text(nonce: bytes, namespace: str, hello: Hello) -> bytes:
    """What a worker signs: who it is, where, and this stream's nonce."""
    said = (namespace, hello.worker, hello.instance, hello.session)
    return PREFIX + nonce + b"".join(b"\n" + part.encode() for part in said)


def verify(key: Key, signature: bytes, text: bytes) -> Reject | None:
    """None when the key has signed the text, else why the worker may not join."""
    try:
        _public(key).verify(signature, text)
    except InvalidSignature:
        return _not_enrolled(
            f"the signature is not of enrolment key {key.name!r}: the file of the key is another "
            "one than was enrolled",
            "enrolment_key",
        )
    return None


def _public(key: Key) -> Ed25519PublicKey:
    try:
        if key.public.startswith("-----BEGIN"):
            public = load_pem_public_key(key.public.encode())
        else:
            raw = base64.b64decode(key.public, validate=True)
            public = Ed25519PublicKey.from_public_bytes(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(key) from error
    if not isinstance(public, Ed25519PublicKey):
        raise _no_key(key)
    return public


def _no_key(key: Key) -> ValueError:
    return ValueError(
        f"public of key {key.name!r} is no Ed25519 key, in base64 as `corral key` prints it or PEM"
    )


def _too_much(hello: Hello, allowed: Sequence[str]) -> Reject | None:
    for kind, _ in hello.declaration.capabilities:
        if not _matches(kind, allowed):
            return _not_enrolled(
                f"worker {hello.worker!r} may not offer {kind!r}; it may offer "
                f"{', '.join(sorted(set(allowed)))}",
                "capabilities",
            )
    return None


def _matches(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


def _not_enrolled(detail: str, field: str) -> Reject:
    return Reject("not_enrolled", detail, field)
