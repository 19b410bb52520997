"""A hub's death is invisible: killed, restarted, frozen or cut off, nothing runs twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

import corral
from tests.fleet.conftest import SHORT, Fleet

pytestmark = pytest.mark.anyio

LEASE_AND_GRACE = (SHORT["lease_ms"] + SHORT["grace_ms"]) / 1000


async def submit_naps(
    client: corral.Client, dice: random.Random, count: int, low: float, high: float
) -> list[corral.Run]:
    naps = [corral.Submit("nap", {"seconds": dice.uniform(low, high)}) for _ in range(count)]
    runs = await client.submit_workflows(naps)
    assert all(isinstance(run, corral.Run) for run in runs)
    return [run for run in runs if isinstance(run, corral.Run)]


async def all_completed(fleet: Fleet, runs: list[corral.Run], seconds: float) -> None:
    """Every run has its result, and was executed exactly once."""
    async with asyncio.timeout(seconds):
        await asyncio.gather(*(run.result() for run in runs))
    again = {run: n for run, n in fleet.executions.items() if n != 1}
    assert again == {}
    assert len(fleet.executions) == len(runs)
    assert await fleet.check() == []


@pytest.mark.slow
async def test_1000_runs_survive_hubs_that_are_killed_and_restarted(
    fleet: Fleet, dice: random.Random
) -> None:
    hubs = [fleet.hub("a"), fleet.hub("b")]
    for i in range(5):
        await fleet.worker(f"w{i}", room=20)
    client = await fleet.client()
    runs = await submit_naps(client, dice, 1000, 0.05, 2.0)
    began, kills = asyncio.get_running_loop().time(), 0
    while asyncio.get_running_loop().time() - began < LEASE_AND_GRACE:
        await fleet.until(lambda: len(fleet.running) >= 50)
        hub = dice.choice(hubs)
        assert len(fleet.running) >= 50
        hub.kill()
        kills += 1
        await asyncio.sleep(dice.uniform(0, 0.5))
        await asyncio.to_thread(hub.start)
    assert kills >= 2
    await all_completed(fleet, runs, 60)


async def test_a_hub_that_stops_moves_its_workers_first(fleet: Fleet, dice: random.Random) -> None:
    hubs = [fleet.hub("a"), fleet.hub("b")]
    for i in range(3):
        await fleet.worker(f"w{i}", room=5)
    client = await fleet.client()
    runs = await submit_naps(client, dice, 60, 0.1, 1.0)
    await fleet.until(lambda: len(fleet.running) >= 10)
    for hub in hubs:
        assert await asyncio.to_thread(hub.terminate) == 0
        await asyncio.to_thread(hub.start)
    await all_completed(fleet, runs, 30)


async def test_a_frozen_hub_loses_its_workers_to_the_other(
    fleet: Fleet, dice: random.Random
) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    await fleet.worker("w", room=10, hubs=[a.address, b.address])
    client = await fleet.client(hubs=[b.address])
    runs = await submit_naps(client, dice, 10, 4.0, 5.0)
    await fleet.until(lambda: len(fleet.running) == 10)
    a.pause()
    try:
        await all_completed(fleet, runs, 30)
    finally:
        a.resume()
    # The old hub comes back and still believes in its session; nothing changes.
    more = await submit_naps(client, dice, 10, 0.1, 0.5)
    async with asyncio.timeout(30):
        await asyncio.gather(*(run.result() for run in more))
    assert set(fleet.executions.values()) == {1}


class Wire:
    """A TCP relay that can go dead without closing: both sides believe in it."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.dead = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(*self._target)
        for source, sink in ((reader, other_writer), (other_reader, writer)):
            task = asyncio.create_task(self._relay(source, sink))
            self._tasks.add(task)

    async def _relay(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(65536):
                if self.dead.is_set():
                    await asyncio.Event().wait()
                sink.write(chunk)
                await sink.drain()


@pytest.fixture
async def wire_to(fleet: Fleet) -> AsyncIterator[Wire]:
    hub = fleet.hub("a")
    async with Wire("127.0.0.1", hub.port) as wire:
        yield wire


async def test_a_session_goes_on_at_another_hub_while_the_old_one_believes_in_it(
    fleet: Fleet, wire_to: Wire, dice: random.Random
) -> None:
    b = fleet.hub("b")
    await fleet.worker("w", room=10, hubs=[wire_to.address, b.address])
    client = await fleet.client(hubs=[b.address])
    runs = await submit_naps(client, dice, 10, 4.0, 6.0)
    await fleet.until(lambda: len(fleet.running) == 10)
    wire_to.dead.set()
    await all_completed(fleet, runs, 30)
    (row,) = await client.list_workers()
    assert (row.hub, row.stream) == ("b", 2)
