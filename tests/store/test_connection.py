"""Connections that the server closes: found before a call is lost to them, and never fatal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop
from redis.asyncio.connection import UnixDomainSocketConnection
from redis.exceptions import RedisError

from corral_store.connection import JUST_USED_SECONDS, Connection
from corral_store.errors import StoreUnavailable
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def connection(own_valkey: ValkeyServer) -> AsyncIterator[Connection]:
    connection = Connection(own_valkey.url)
    yield connection
    await connection.close()


async def test_an_idle_connection_that_was_closed_costs_no_call(
    connection: Connection, own_valkey: ValkeyServer
) -> None:
    for _ in range(5):
        assert await connection.command("PING") == b"PONG"
        own_valkey.client().client_kill_filter(_type="normal")
        await asyncio.sleep(JUST_USED_SECONDS * 2)
    assert connection.generation == 5


async def test_a_server_that_is_away_is_said_to_be_away(
    connection: Connection, own_valkey: ValkeyServer
) -> None:
    assert await connection.command("PING") == b"PONG"
    own_valkey.kill()
    await asyncio.sleep(JUST_USED_SECONDS * 2)
    for _ in range(20):
        # More often than the pool has connections: none is lost on the way.
        with pytest.raises(StoreUnavailable):
            await connection.command("PING")
    own_valkey.restart()
    assert await connection.command("PING") == b"PONG"


async def test_what_uvloop_says_of_a_closed_connection_is_no_failure_of_the_hub(
    own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ = UnixDomainSocketConnection.send_packed_command
    closed: list[str] = []

    async def send(self: Any, *given: Any, **named: Any) -> None:
        if closed:
            raise RuntimeError(closed[0])
        await open_(self, *given, **named)

    monkeypatch.setattr(UnixDomainSocketConnection, "send_packed_command", send)
    connection = Connection(own_valkey.url)
    assert await connection.command("PING") == b"PONG"
    closed.append("unable to perform operation on <UnixTransport>; the handler is closed")
    with pytest.raises(StoreUnavailable, match="handler is closed"):
        await connection.command("PING")
    closed.clear()
    assert await connection.command("PING") == b"PONG"
    await connection.close()


def test_uvloop_says_so() -> None:
    """What the test above imitates, by uvloop itself."""

    async def write_to_a_closed_one() -> None:
        listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        with pytest.raises(RuntimeError, match="handler is closed"):
            writer.writelines([b"x"])
        listening.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_to_a_closed_one())


async def test_pipelines_of_one_pipe_share_a_connection_and_keep_their_order(
    connection: Connection, own_valkey: ValkeyServer
) -> None:
    pipe = connection.pipe()
    replies = await asyncio.gather(
        *(pipe.exchange([("INCR", "n"), ("CLIENT", "ID")]) for _ in range(50))
    )
    assert [reply[0] for reply in replies] == list(range(1, 51))
    assert len({reply[1] for reply in replies}) == connection.generation == 1


async def test_a_connection_that_fails_fails_all_that_wait_for_its_replies(
    connection: Connection, own_valkey: ValkeyServer
) -> None:
    pipe = connection.pipe()
    await pipe.exchange([("PING",)])
    waiting = [asyncio.create_task(pipe.exchange([("BLPOP", "q", 0)])) for _ in range(3)]
    await asyncio.wait(waiting, timeout=0.1)
    own_valkey.kill()
    async with asyncio.timeout(10):
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(one, RedisError) for one in ended] == [True] * 3
        own_valkey.restart()
        assert await pipe.exchange([("ECHO", "again")]) == [b"again"]


async def test_who_gives_up_leaves_no_reply_to_others(connection: Connection) -> None:
    pipe = connection.pipe()
    given_up = asyncio.create_task(pipe.exchange([("BLPOP", "q", 0)]))
    behind = asyncio.create_task(pipe.exchange([("ECHO", "mine")]))
    await asyncio.wait([given_up, behind], timeout=0.1)
    given_up.cancel()
    with pytest.raises(RedisError):
        await behind
    assert await pipe.exchange([("ECHO", "next")]) == [b"next"]
