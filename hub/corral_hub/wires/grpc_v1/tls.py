"""TLS in front of the hub: certificates that are read again when they change, and their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import structlog

from corral_hub.config import TlsFiles
from corral_hub.errors import Misconfigured

log = structlog.get_logger("corral.tls")


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials of the listener. With an authority for clients, every client must have a
    certificate of it. Raises Misconfigured when a file cannot be read."""
    reader = _Reader(files)
    return grpc.dynamic_ssl_server_credentials(
        reader.read(), reader.changed, require_client_authentication=files.client_ca is not None
    )


class _Reader:
    """Reads the files; gRPC asks at each handshake whether they have changed."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamps = self._look()

    def read(self) -> Any:
        """What the files say now."""
        files = self._files
        try:
            pair = (_bytes(files.key), _bytes(files.cert))
            authority = _bytes(files.client_ca) if files.client_ca else None
        except OSError as error:
            raise Misconfigured(f"TLS: {error}", field="tls-cert") from error
        return grpc.ssl_server_certificate_configuration([pair], authority)

    def changed(self) -> Any:
        """What the files say, when that is something else than before; else None."""
        stamps = self._look()
        if stamps == self._stamps:
            return None
        self._stamps = stamps
        try:
            return self.read()
        except Misconfigured as error:
            log.error("the certificate is not read: the one before still serves", error=str(error))
            return None

    def _look(self) -> list[int]:
        paths = (self._files.cert, self._files.key, self._files.client_ca)
        return [path.stat().st_mtime_ns if path and path.exists() else 0 for path in paths]


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def certificate_names(context: Any) -> tuple[str, ...]:
    """Names of the client's certificate, those for hosts first; none without one."""
    found = context.auth_context()
    keys = ("x509_subject_alternative_name", "x509_common_name")
    return tuple(name.decode(errors="replace") for key in keys for name in found.get(key, ()))
