"""A hub tells a worker what has renewed its lease: so it knows until when it may begin things."""

from __future__ import annotations

import anyio
import pytest

from corral_proto.v1 import worker_pb2 as wk
from tests.hub.peers import SECONDS, place_of, settings

pytestmark = pytest.mark.anyio


async def test_a_ping_says_when_the_pong_was_said_that_has_renewed_the_lease(valkey: str) -> None:
    async with place_of(settings(valkey)) as place:
        session = await place.peer.session()
        said: list[int] = []
        with anyio.fail_after(SECONDS):
            while True:
                ping = (await session.hear("ping")).ping
                assert ping.HasField("renewed_ms")
                if ping.renewed_ms:
                    break
                said.append(1_000 + ping.number)
                await session.say(pong=wk.Pong(number=ping.number, clock_ms=said[-1]))
        assert ping.renewed_ms in said


async def test_pings_come_as_often_as_they_are_to_however_long_a_lease_is(valkey: str) -> None:
    async with place_of(settings(valkey, lease_ms=60_000, ping_ms=300)) as place:
        session = await place.peer.session()
        with anyio.fail_after(5):
            numbers = [(await session.hear("ping")).ping.number for _ in range(4)]
        assert numbers == [1, 2, 3, 4]


async def test_what_a_worker_says_of_its_clock_disturbs_nobody(valkey: str) -> None:
    async with place_of(settings(valkey)) as place:
        session = await place.peer.session()
        with anyio.fail_after(SECONDS):
            while not (ping := (await session.hear("ping")).ping).renewed_ms:
                await session.say(pong=wk.Pong(number=ping.number, clock_ms=2**64 - 1))
        assert ping.renewed_ms == 2**64 - 1
        await place.prove_healthy()
