"""Which channels a hub listens to, and that whoever may have missed a hint is woken."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import pytest
import redis

from corral_store import hints
from corral_store.connection import Connection
from corral_store.ending import cancel_all
from corral_store.hints import Hints
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio

EVENTS = "corral:{n}:events"
MAIL = "corral:{n}:hints:a"


class Ear:
    """Hints of one hub, with all that they said."""

    def __init__(self, valkey: str) -> None:
        self.heard: list[tuple[str, str]] = []
        self.connection = Connection(valkey, name="corral-hub:a:hints")
        self.hints = Hints(
            self.connection,
            "a",
            lambda namespace: self.heard.append(("mail", namespace)),
            lambda namespace, words: self.heard.append(("events", words)),
            lambda namespace, batches: self.heard.append(("chunks", batches.decode())),
        )
        self.store = redis.Redis.from_url(valkey, protocol=2, decode_responses=True)

    def listeners(self, channel: str) -> int:
        ((_, count),) = self.store.pubsub_numsub(channel)
        return count

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            for pause in itertools.repeat(0.01):
                if holds():
                    break
                await asyncio.sleep(pause)


@contextlib.asynccontextmanager
async def listening(valkey: str) -> AsyncGenerator[Ear]:
    ear = Ear(valkey)
    running = asyncio.create_task(ear.hints.run())
    ear.hints.listen("n")
    try:
        await ear.until(lambda: ear.listeners(MAIL) == 1)
        yield ear
    finally:
        await cancel_all([running])
        await ear.connection.close()
        ear.store.close()


@pytest.fixture
async def ear(valkey: str) -> AsyncIterator[Ear]:
    async with listening(valkey) as ear:
        yield ear


async def test_events_are_heard_only_while_someone_follows_them(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ear.listeners(EVENTS) == 0
    monkeypatch.setattr(hints, "LINGER_SECONDS", 0.2)
    with ear.hints.following("n"), ear.hints.following("n"):
        await ear.until(lambda: ear.listeners(EVENTS) == 1)
        # What was said before the server confirmed is lost, so everyone looks once.
        await ear.until(lambda: ("events", "") in ear.heard)
        ear.store.publish(EVENTS, "r1 2")
        await ear.until(lambda: ("events", "r1 2") in ear.heard)
    await ear.until(lambda: ear.listeners(EVENTS) == 0)
    assert ear.listeners(MAIL) == 1
    with ear.hints.following("n"):
        await ear.until(lambda: ear.listeners(EVENTS) == 1)


async def test_one_who_follows_right_behind_another_finds_the_channel_open(ear: Ear) -> None:
    with ear.hints.following("n"):
        await ear.until(lambda: ("events", "") in ear.heard)
    ear.heard.clear()
    with ear.hints.following("n"):
        ear.store.publish(EVENTS, "r1 2")
        await ear.until(lambda: bool(ear.heard))
    assert ear.heard == [("events", "r1 2")]


async def test_after_a_lost_connection_all_are_woken(ear: Ear) -> None:
    with ear.hints.following("n"):
        await ear.until(lambda: ("events", "") in ear.heard)
        ear.heard.clear()
        ear.store.client_kill_filter(_type="pubsub")
        wanted = {("mail", "n"), ("events", ""), ("chunks", "")}
        await ear.until(lambda: wanted <= set(ear.heard))
        ear.store.publish(EVENTS, "r1 2")
        await ear.until(lambda: ("events", "r1 2") in ear.heard)


async def test_a_server_that_goes_away_under_a_new_channel_leaves_no_failure_unlooked_at(
    own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(
        loop, "call_exception_handler", lambda context: said.append(context["message"])
    )
    async with listening(own_valkey.url) as ear:
        own_valkey.kill()
        # Both who reads and who adds a channel find the connection gone.
        ear.hints.listen("m")
        await asyncio.to_thread(own_valkey.restart)
        await ear.until(lambda: ear.listeners("corral:{m}:hints:a") == 1)
    gc.collect()
    assert said == []


async def test_mail_and_chunks_are_told_apart(ear: Ear) -> None:
    await ear.until(lambda: {("mail", "n"), ("chunks", "")} <= set(ear.heard))
    ear.heard.clear()
    ear.store.publish(MAIL, "1")
    ear.store.publish("corral:{n}:chunks:a", "[]")
    await ear.until(lambda: len(ear.heard) == 2)
    assert ear.heard == [("mail", "n"), ("chunks", "[]")]
