"""TLS in front of the hub: certificates that are read again when they change, and their names."""

from __future__ import annotations

import ssl
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
        """What the files say now. Raises Misconfigured for what nobody could shake hands with."""
        files = self._files
        try:
            checked = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            checked.load_cert_chain(files.cert, files.key)
            if files.client_ca is not None:
                checked.load_verify_locations(files.client_ca)
            pair = (files.key.read_bytes(), files.cert.read_bytes())
            authority = files.client_ca.read_bytes() if files.client_ca else None
        except (OSError, ssl.SSLError) as error:
            named = ", ".join(str(path) for path in self._paths())
            why = error.strerror or str(error)
            raise Misconfigured(
                f"TLS with {named}: {why}; each is a PEM file, and the key that of the certificate",
                field="tls-cert",
            ) from error
        return grpc.ssl_server_certificate_configuration([pair], authority)

    def changed(self) -> Any:
        """What the files say, when that is something else than before; else None."""
        stamps = self._look()
        if stamps == self._stamps:
            return None
        try:
            read = self.read()
        except Misconfigured as error:
            # Half of a renewal may be there by now: looked at again at the next handshake.
            log.error("the certificate is not read: the one before still serves", error=str(error))
            return None
        self._stamps = stamps
        log.info("the certificate has changed", certificate=str(self._files.cert))
        return read

    def _paths(self) -> list[Path]:
        files = self._files
        return [path for path in (files.cert, files.key, files.client_ca) if path is not None]

    def _look(self) -> list[tuple[int, int] | None]:
        stamps: list[tuple[int, int] | None] = []
        for path in self._paths():
            try:
                found = path.stat()
            except OSError:
                stamps.append(None)
            else:
                stamps.append((found.st_mtime_ns, found.st_ino))
        return stamps


def certificate_names(context: Any) -> tuple[str, ...]:
    """Names of the client's certificate, those for hosts first; none without one."""
    found = context.auth_context()
    keys = ("x509_subject_alternative_name", "x509_common_name")
    return tuple(name.decode(errors="replace") for key in keys for name in found.get(key, ()))
