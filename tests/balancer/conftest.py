"""Three hubs behind an nginx that has the shipped file, and an authority that vouches for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

import corral
from tests.balancer.binary import nginx
from tests.balancer.nginx import Nginx
from tests.fleet.conftest import Fleet, dice, fleet
from tests.processes import HubProcess

__all__ = ["Balanced", "authority", "balanced", "binary", "dice", "fleet"]


@pytest.fixture(scope="session")
def binary() -> str:
    return nginx()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


class Balanced:
    """A fleet of three hubs whose workers and clients know the balancer's address alone."""

    def __init__(self, fleet: Fleet, binary: str, folder: Path, authority: trustme.CA) -> None:
        self.fleet = fleet
        self._binary = binary
        self._folder = folder
        self._authority = authority
        self._nginx: Nginx | None = None

    def start(self, scaled: dict[str, str] | None = None, **settings: Any) -> list[HubProcess]:
        """Starts hubs with settings, and nginx with limits of its file scaled down."""
        for name in "abc":
            self.fleet.hub(name, **settings)
        certificate = self._authority.issue_cert("localhost")
        chain, key = self._folder / "tls.crt", self._folder / "tls.key"
        certificate.cert_chain_pems[0].write_to_path(chain)
        certificate.private_key_pem.write_to_path(key)
        self._nginx = Nginx(
            self._binary, self._folder / "nginx", self.fleet.addresses, chain, key,
            self._authority.cert_pem.bytes(), scaled or {},
        ).start()  # fmt: skip
        return self.fleet.hubs

    @property
    def nginx(self) -> Nginx:
        assert self._nginx is not None
        return self._nginx

    async def worker(self, name: str, room: int = 4) -> corral.Worker:
        return await self.fleet.worker(name, room=room, hubs=self.nginx.address)

    async def client(self) -> corral.Client:
        return await self.fleet.client(hubs=self.nginx.address)

    def stop(self) -> None:
        if self._nginx is not None:
            self._nginx.stop()


@pytest.fixture
def balanced(
    fleet: Fleet,
    binary: str,
    tmp_path: Path,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Balanced]:
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("CORRAL_TLS_CA", str(tmp_path / "authority.pem"))
    balanced = Balanced(fleet, binary, tmp_path, authority)
    yield balanced
    balanced.stop()
