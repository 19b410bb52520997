"""The store may be away: killed, frozen, or its connections cut. No session expires."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.fleet.conftest import SHORT, Fleet
from tests.fleet.test_hub_deaths import all_completed, submit_naps
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio

AWAY_SECONDS = 3.2 * SHORT["lease_ms"] / 1000


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_a_store_that_was_away_for_three_leases_runs_nothing_twice(
    fleet: Fleet, own_valkey: ValkeyServer, dice: random.Random, how: str
) -> None:
    hubs = [fleet.hub("a"), fleet.hub("b")]
    for i in range(3):
        await fleet.worker(f"w{i}", room=20)
    client = await fleet.client()
    runs = await submit_naps(client, dice, 120, 0.5, 14.0)
    await fleet.until(lambda: len(fleet.running) >= 50)
    if how == "kill":
        own_valkey.kill()
    else:
        own_valkey.pause()
    # The outage itself is what is tested here, and it lasts as long as it lasts.
    await asyncio.sleep(AWAY_SECONDS / 2)
    for hub in hubs:
        hub.kill()
        hub.start(wait=False)
    await asyncio.sleep(AWAY_SECONDS / 2)
    if how == "kill":
        await asyncio.to_thread(own_valkey.restart)
    else:
        own_valkey.resume()
    for hub in hubs:
        await asyncio.to_thread(hub.wait_ready)
    await all_completed(fleet, runs, 90)


async def test_cut_connections_to_the_store_lose_no_assignment(
    fleet: Fleet, own_valkey: ValkeyServer, dice: random.Random
) -> None:
    fleet.hub("a")
    fleet.hub("b")
    for i in range(2):
        await fleet.worker(f"w{i}", room=5)
    client = await fleet.client()
    killer = own_valkey.client()
    done = asyncio.Event()

    async def cut() -> int:
        cuts = 0
        while not done.is_set():
            await asyncio.to_thread(killer.execute_command, "CLIENT", "KILL", "TYPE", "normal")
            cuts += 1
            await asyncio.sleep(dice.uniform(0.01, 0.08))
        return cuts

    cutting = asyncio.create_task(cut())
    runs = await submit_naps(client, dice, 300, 0.0, 0.1)
    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(run.result() for run in runs))
    finally:
        done.set()
    assert await cutting > 20
    await all_completed(fleet, runs, 10)
