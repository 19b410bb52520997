"""The key with which a worker shows a hub that it may join: Ed25519, in a file.

Only hubs with the enrolment policy `signed` ask for it. Needs `corral[signed]`.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from corral.errors import BadEnrolmentKey
from corral_proto.v1 import worker_pb2

PREFIX = b"corral-enrolment-v1\n"


class EnrolmentKey:
    """A private key and the name under which a hub knows it.

    `path`: a PEM file as `corral key` makes it. `name`: default the file's name without its
    suffix. Raises `BadEnrolmentKey`.
    """

    def __init__(self, path: str | Path, name: str = "") -> None:
        self.name = name or Path(path).stem
        self._key = _load(Path(path))

    def answer(
        self, challenge: worker_pb2.Challenge, hello: worker_pb2.Hello
    ) -> worker_pb2.WorkerMessage:
        """Signs who the worker is, for one stream."""
        said = (challenge.namespace, hello.worker_id, hello.instance, hello.session_id)
        text = PREFIX + challenge.nonce + b"".join(b"\n" + part.encode() for part in said)
        response = worker_pb2.ChallengeResponse(signature=self._key.sign(text))
        return worker_pb2.WorkerMessage(challenge_response=response)


def default_key() -> EnrolmentKey | None:
    """The key of the file that `CORRAL_ENROLMENT_KEY` names; None without one."""
    path = os.environ.get("CORRAL_ENROLMENT_KEY", "")
    return EnrolmentKey(path) if path else None


def new_key(path: Path) -> str:
    """Makes a key, writes it to a new file that only its owner may read, and gives its public
    half in base64. Raises `BadEnrolmentKey` when there is a file already."""
    ed25519, serialization = _library()
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(pem)
    except OSError as error:
        why = error.strerror or str(error)
        raise BadEnrolmentKey(
            f"The key cannot be written to {path}: {why}. Name a new file in a folder that exists."
        ) from error
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _load(path: Path) -> Any:
    ed25519, serialization = _library()
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise BadEnrolmentKey(f"The enrolment key {path} cannot be read: {error}.") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise BadEnrolmentKey(
            f"The enrolment key {path} is no Ed25519 key; make one with `corral key`."
        )
    return key


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise BadEnrolmentKey(
            "Enrolment keys need the package cryptography: pip install 'corral[signed]'."
        ) from error
    return ed25519, serialization
