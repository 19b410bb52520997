"""TLS between hub and store, with certificates on both sides.

The packaged Valkey is built without TLS, so a relay that ends it stands before it; where the
machine has a server with TLS, that one is used as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from corral.cli.exits import CommandFailed
from corral.cli.hub import with_tls
from corral_hub.errors import Unavailable
from corral_hub.hub import Hub
from corral_store import connection
from corral_store.errors import StoreUnavailable
from tests.hub.peers import place_of, settings
from tests.processes import free_port
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio


@dataclass
class Files:
    """Certificates of one test, as files."""

    folder: Path
    authority: trustme.CA

    def issue(self, name: str, authority: trustme.CA | None = None) -> tuple[Path, Path]:
        issued = (authority or self.authority).issue_cert(name, "127.0.0.1")
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        issued.cert_chain_pems[0].write_to_path(str(cert))
        issued.private_key_pem.write_to_path(str(key))
        return cert, key

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path, trustme.CA())
    files.authority.cert_pem.write_to_path(str(files.ca))
    return files


@asynccontextmanager
async def _relay(files: Files) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.ca))
    context.load_cert_chain(*files.issue("store"))
    context.verify_mode = ssl.CERT_REQUIRED
    server = ValkeyServer().start()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_unix_connection(str(server.socket))
        await asyncio.gather(pump(reader, back_writer), pump(back_reader, writer))

    relay = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        async with relay:
            yield relay.sockets[0].getsockname()[1]
    finally:
        server.stop()


@asynccontextmanager
async def _server(files: Files) -> AsyncIterator[int]:
    cert, key = files.issue("store")
    port = free_port()
    binary = _with_tls()
    assert binary is not None
    server = ValkeyServer(
        "--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(key),
        "--tls-ca-cert-file", str(files.ca), "--tls-auth-clients", "yes", binary=binary,
    ).start()  # fmt: skip
    try:
        yield port
    finally:
        server.stop()


def _with_tls() -> str | None:
    """A server on PATH that was built with TLS."""
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path is None:
            continue
        words = [path, "--port", "0", "--tls-port", "1"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=10).stdout
        # One that has TLS misses its certificate; one that has not says that.
        if "tls-cert-file" in said:
            return path
    return None


STORES = {"relay": _relay, **({"server": _server} if _with_tls() else {})}


@pytest.mark.parametrize("store", STORES)
async def test_a_hub_works_over_tls_and_shows_its_certificate(files: Files, store: str) -> None:
    async with STORES[store](files) as port:
        url = with_tls(f"rediss://127.0.0.1:{port}/0", files.ca, *files.issue("hub"))
        async with place_of(settings(url)) as place:
            await place.prove_healthy()


@pytest.mark.parametrize("wrong", ["no certificate", "an authority that is not the store's"])
async def test_a_hub_that_is_not_known_or_does_not_know_the_store_does_not_start(
    files: Files, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral_hub.hub.START_SECONDS", 0.5)
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.5)
    other = trustme.CA()
    other.cert_pem.write_to_path(str(files.folder / "other.pem"))
    async with _relay(files) as port:
        url = f"rediss://:hidden@127.0.0.1:{port}/0"
        if wrong == "no certificate":
            url = with_tls(url, files.ca, None, None)
        else:
            url = with_tls(url, files.folder / "other.pem", *files.issue("hub"))
        with pytest.raises(Unavailable) as told:
            async with Hub(settings(url)):
                pass
        assert isinstance(told.value.__cause__, StoreUnavailable)
        assert "no store answers at rediss://127.0.0.1" in told.value.message
        assert "hidden" not in told.value.message


def test_files_for_tls_want_an_address_with_tls(files: Files) -> None:
    with pytest.raises(CommandFailed, match="begins with redis://"):
        with_tls("redis://:hidden@127.0.0.1", files.ca, None, None)
    assert with_tls("redis://127.0.0.1", None, None, None) == "redis://127.0.0.1"
