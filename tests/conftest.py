"""Fixtures that all tests share: a real Valkey, never a fake.

`CORRAL_TEST_VALKEY_URL` names a server to use (it is emptied!); else the embedded binary
runs, one process per test process; else a container, where an engine is found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers import OutsideServer, ValkeyServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _container() -> OutsideServer:
    from testcontainers.redis import RedisContainer

    container = RedisContainer("valkey/valkey:9")
    container.start()
    host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
    return OutsideServer(f"redis://{host}:{port}/0")


def _server() -> ValkeyServer | OutsideServer:
    if url := os.environ.get("CORRAL_TEST_VALKEY_URL"):
        return OutsideServer(url)
    try:
        return ValkeyServer().start()
    except (ImportError, ValueError):
        return _container()


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer | OutsideServer]:
    server = _server()
    yield server
    server.stop()


@pytest.fixture
def valkey(valkey_server: ValkeyServer | OutsideServer) -> str:
    """URL of an empty server."""
    valkey_server.client().flushall()
    return valkey_server.url


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server of the test's own, to kill and to freeze."""
    server = ValkeyServer().start()
    yield server
    server.stop()
