"""What operators do over the fleet: drain, cancel, and move sessions to new hubs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

import corral
from tests.fleet.conftest import Fleet
from tests.fleet.test_hub_deaths import all_completed, submit_naps


def no_workers(client: corral.Client) -> Callable[[], Awaitable[bool]]:
    async def gone() -> bool:
        return not await client.list_workers()

    return gone


pytestmark = pytest.mark.anyio


async def test_sessions_spread_again_over_hubs_that_were_restarted_in_turn(
    fleet: Fleet, dice: random.Random
) -> None:
    hubs = [fleet.hub(name, move_after_ms=1500) for name in "abc"]
    for i in range(9):
        await fleet.worker(f"w{i}", room=3)
    client = await fleet.client()
    runs = await submit_naps(client, dice, 200, 0.1, 1.0)
    for hub in hubs:
        assert await asyncio.to_thread(hub.terminate) == 0
        await asyncio.to_thread(hub.start)

    async def even() -> bool:
        spread = Counter(row.hub for row in await client.list_workers())
        return len(spread) == 3 and max(spread.values()) <= 5

    await fleet.eventually(even)
    await all_completed(fleet, runs, 60)


async def test_a_drained_worker_finishes_its_runs_and_ends(
    fleet: Fleet, dice: random.Random
) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    await fleet.worker("w1", room=5, hubs=[b.address])
    client = await fleet.client(hubs=[a.address])
    runs = await submit_naps(client, dice, 8, 0.5, 1.0)
    await fleet.until(lambda: len(fleet.running) == 5)
    await client.drain_worker("w1")
    await fleet.eventually(no_workers(client))
    assert len(fleet.executions) == 5
    await fleet.worker("w2", room=5)
    await all_completed(fleet, runs, 20)


async def test_an_immediate_drain_gives_the_runs_back(fleet: Fleet, dice: random.Random) -> None:
    fleet.hub("a")
    await fleet.worker("w1", room=5)
    client = await fleet.client()
    runs = await submit_naps(client, dice, 3, 5.0, 5.0)
    await fleet.until(lambda: len(fleet.running) == 3)
    await client.drain_worker("w1", immediate=True)
    await fleet.eventually(no_workers(client))
    assert fleet.running == set()
    for run in runs:
        await run.cancel()
    assert {(await run.describe()).attempt for run in runs} == {0}
    assert await fleet.check() == []


async def test_workers_are_drained_by_what_they_offer_and_their_tags(fleet: Fleet) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    for name, zone in (("w1", "x"), ("w2", "x"), ("w3", "y")):
        await fleet.worker(name, hubs=[b.address], tags={"zone": zone})
    client = await fleet.client(hubs=[a.address])
    drained = await client.drain_workers(kind="workflow:nap", tags=["zone=x"])
    assert sorted(drained) == ["w1", "w2"]

    async def one_left() -> bool:
        return [row.worker_id for row in await client.list_workers()] == ["w3"]

    await fleet.eventually(one_left)


async def test_hubs_restarted_in_turn_delay_no_run_by_more_than_a_second(fleet: Fleet) -> None:
    hubs = [fleet.hub(name) for name in "abc"]
    for i in range(6):
        await fleet.worker(f"w{i}", room=3)
    client = await fleet.client()
    waits: list[int] = []
    restarted = asyncio.Event()

    async def keep_running() -> None:
        while not restarted.is_set():
            run = await client.submit_workflow("nap", {"seconds": 0})
            await run.result(timeout=20)
            ended = await run.describe()
            waits.append(ended.ended_at_ms - ended.submitted_at_ms)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(keep_running())
        for hub in hubs:
            assert await asyncio.to_thread(hub.terminate) == 0
            await asyncio.to_thread(hub.start)
        restarted.set()
    assert len(waits) > 50
    assert max(waits) < 1000
    assert set(fleet.executions.values()) == {1}
