"""What waits, as operators see it over any hub; and a repair beside hubs that work."""

from __future__ import annotations

import asyncio

import pytest
import redis

import corral
from corral_store.connection import Call, Connection, root_of
from corral_store.repair import repair
from tests.fleet.conftest import Fleet

pytestmark = pytest.mark.anyio


async def test_queues_say_what_waits_and_whether_anybody_could_take_it(fleet: Fleet) -> None:
    fleet.hub("a")
    fleet.hub("b")
    await fleet.worker("w", 1, tags={"zone": "eu"})
    client = await fleet.client(hubs=fleet.hubs[0].address)
    other = await fleet.client(hubs=fleet.hubs[1].address)
    for tenant in ("x", "y"):
        for _ in range(3):
            await client.submit_workflow("nap", {"seconds": 60}, fairness_key=tenant)
    await client.submit_workflow("nap", {"seconds": 0}, priority=250, required_tags=["zone=us"])
    await client.submit_workflow("unknown")
    await client.pause("workflow:unknown")

    found = await other.queues()

    assert [(k.kind, k.waiting, k.paused) for k in found.kinds] == [
        ("workflow:nap", 6, False),
        ("workflow:unknown", 1, True),
    ]
    first, last, unknown = found.queues
    assert (first.band, first.waiting, first.flows, first.placeable) == (4, 5, 2, True)
    assert found.now_ms - 60_000 < first.oldest_at_ms <= found.now_ms
    assert (last.band, last.waiting, last.placeable) == (7, 1, False)
    assert last.constraints["tags"] == [["zone", "us"]]
    assert unknown.kind == "workflow:unknown"
    assert not unknown.placeable
    assert [k.kind for k in (await other.queues("workflow:nap")).kinds] == ["workflow:nap"]
    assert (await other.queues("workflow:none")).kinds == []


async def test_a_kind_with_many_classes_comes_in_pages(fleet: Fleet) -> None:
    fleet.hub("a")
    client = await fleet.client()
    await client.submit_workflows(
        [corral.Submit("job", required_tags=[f"n={n}"]) for n in range(700)]
        + [corral.Submit(f"other{n:02}") for n in range(80)]
    )
    found = await client.queues()
    assert len(found.kinds) == 81
    assert [k.kind for k in found.kinds] == sorted(k.kind for k in found.kinds)
    rows = [row for row in found.queues if row.kind == "workflow:job"]
    assert {row.constraints["tags"][0][1] for row in rows} == {str(n) for n in range(700)}
    assert len(found.queues) == 780


async def test_a_repair_beside_hubs_that_work_loses_nothing_and_runs_nothing_twice(
    fleet: Fleet,
) -> None:
    fleet.hub("a")
    fleet.hub("b")
    for name in ("w1", "w2"):
        await fleet.worker(name, 2)
    client = await fleet.client()
    runs = [await client.submit_workflow("nap", {"seconds": 0.3}) for _ in range(40)]
    await fleet.until(lambda: sum(fleet.executions.values()) >= 4)
    store = redis.Redis.from_url(fleet.valkey, protocol=2)
    for pattern in ("flow*", "free:*", "fits:*", "queue:*", "line:*", "due:*", "worker:*", "refs"):
        for key in store.scan_iter(f"corral:{{default}}:{pattern}"):
            store.delete(key)
    connection = Connection(fleet.valkey)
    found = await repair(connection, "default")
    await connection.close()
    assert found.runs == 40
    for run in runs:
        assert await run.result(timeout=60) == {"slept": 0.3}
    assert {fleet.executions[run.run_id] for run in runs} == {1}
    assert await fleet.check() == []
    store.close()


async def test_others_do_not_notice_a_repair_and_results_of_its_namespace_are_kept(
    fleet: Fleet,
) -> None:
    fleet.hub("a")
    fleet.hub("b")
    await fleet.worker("w", 2)
    await fleet.worker("w", 2, namespace="other")
    client = await fleet.client()
    other = await fleet.client(namespace="other")
    run = await client.submit_workflow("nap", {"seconds": 0.5})
    await fleet.until(lambda: run.run_id in fleet.running)
    connection = Connection(fleet.valkey)

    async def step(name: str) -> None:
        call = Call("repair", root_of("default"), ("doctor", "token", name))
        (reply,) = await connection.run([call])
        assert reply[0] == [b"ok"]

    await step("begin")
    refused = asyncio.create_task(client.submit_workflow("nap", {"seconds": 0}, run_id="late"))
    for _ in range(5):
        quick = await other.submit_workflow("nap", {"seconds": 0})
        assert await quick.result(timeout=5) == {"slept": 0}
    await fleet.until(lambda: run.run_id not in fleet.running)
    assert not refused.done()
    before = await client.describe_workflow(run.run_id)
    assert before.status == "running", "its end is not taken yet"
    await step("finish")
    assert await run.result(timeout=30) == {"slept": 0.5}
    assert await (await refused).result(timeout=30) == {"slept": 0}
    assert set(fleet.executions.values()) == {1}
    assert await fleet.check() == []
    await connection.close()
