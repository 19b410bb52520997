"""Certificates for the way to hubs: an authority that is trusted, and one's own certificate.

Reads files and opens no connection.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from corral.errors import BadCertificate

logger = logging.getLogger("corral")

Pem = str | Path | bytes


@dataclass(frozen=True, slots=True)
class Tls:
    """How hubs are recognised, and how one shows who one is.

    `ca`: the authority that hubs' certificates must be of; default: those of the system. `cert`
    and `key`: one's own, for hubs that want a certificate (mutual TLS). Each is a path, or PEM
    as bytes. `server_name`: what the hub's certificate is made out to, when that is not the
    host that is dialled. Raises `BadCertificate` for what cannot be read.
    """

    ca: Pem | None = None
    cert: Pem | None = None
    key: Pem | None = field(default=None, repr=False)
    server_name: str = ""
    _read: dict[str, bytes | None] = field(
        default_factory=dict[str, bytes | None], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise BadCertificate("A certificate and its key go together: give cert and key.")
        self._refresh()

    @classmethod
    def from_environment(cls) -> Tls:
        """Reads `CORRAL_TLS_CA`, `CORRAL_TLS_CERT` and `CORRAL_TLS_KEY`, paths of PEM files."""
        return cls(
            ca=os.environ.get("CORRAL_TLS_CA") or None,
            cert=os.environ.get("CORRAL_TLS_CERT") or None,
            key=os.environ.get("CORRAL_TLS_KEY") or None,
        )

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC wants; reads the files anew, so that a renewed certificate is used. What
        cannot be read in the midst of a renewal is used as it was."""
        try:
            self._refresh()
        except BadCertificate as error:
            logger.warning("%s What was read before is used.", error)
        read = self._read
        return grpc.ssl_channel_credentials(read["ca"], read["key"], read["cert"])

    def _refresh(self) -> None:
        read = {name: _pem(name, getattr(self, name)) for name in ("ca", "cert", "key")}
        self._read.update(read)


def _pem(name: str, pem: Pem | None) -> bytes | None:
    if pem is None:
        return None
    where = "" if isinstance(pem, bytes) else f", {str(pem)!r},"
    try:
        data = pem if isinstance(pem, bytes) else Path(pem).read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise BadCertificate(f"The {name} for TLS{where} cannot be read: {why}.") from error
    if b"-----BEGIN" not in data:
        raise BadCertificate(
            f"The {name} for TLS{where} is no PEM, which has a line -----BEGIN; convert it with "
            "openssl."
        )
    return data
