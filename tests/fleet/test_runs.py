"""Whole runs over two hub processes: submit to one, execute on the other."""

from __future__ import annotations

import asyncio

import pytest

import corral
from tests.fleet.conftest import Fleet

pytestmark = pytest.mark.anyio


async def test_a_run_submitted_to_one_hub_is_executed_over_another(fleet: Fleet) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    await fleet.worker("w", hubs=[b.address])
    client = await fleet.client(hubs=[a.address])
    run = await client.submit_workflow("nap", {"seconds": 0}, idempotency_key="k")
    assert await run.result(timeout=20) == {"slept": 0}
    again = await client.submit_workflow("nap", {"seconds": 0}, idempotency_key="k")
    assert again.deduplicated
    assert again.run_id == run.run_id
    types = [event.type async for event in run.events() if isinstance(event, corral.Event)]
    assert types == ["status.pending", "status.running", "status.completed"]
    assert fleet.executions == {run.run_id: 1}
    assert await fleet.check() == []


async def test_200_waiting_runs_do_not_delay_a_worker_that_connects(fleet: Fleet) -> None:
    fleet.hub("a")
    client = await fleet.client()
    await client.submit_workflows([corral.Submit("nap", {"seconds": 30}) for _ in range(200)])
    began = asyncio.get_running_loop().time()
    await fleet.worker("w", room=7)
    await fleet.until(lambda: len(fleet.executions) == 7)
    assert asyncio.get_running_loop().time() - began < 5
    (row,) = await client.list_workers()
    assert row.in_flight == 7
    assert await fleet.check() == []


async def test_a_cancel_on_one_hub_stops_a_run_on_another(fleet: Fleet) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    await fleet.worker("w", hubs=[b.address], room=1)
    client = await fleet.client(hubs=[a.address])
    run = await client.submit_workflow("nap", {"seconds": 60})
    await fleet.until(lambda: run.run_id in fleet.executions)
    assert await run.cancel("enough")
    with pytest.raises(corral.RunCancelled):
        await run.result(timeout=10)
    # The room is back only when the handler has stopped, and then the next run starts.
    other = await client.submit_workflow("nap", {"seconds": 0})
    assert await other.result(timeout=10) == {"slept": 0}
    assert await fleet.check() == []
