"""Questions of runs: asked over one hub, answered over another, through deaths of both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import corral
from tests.fleet.asking import Asking
from tests.fleet.conftest import Fleet

pytestmark = pytest.mark.anyio

FORMS = ["approve", "approve_in_thread", "approve_in_process"]
FIVE_ATTEMPTS = corral.RetryPolicy(max_attempts=5, initial_backoff_ms=10)


@pytest.fixture
async def asking(fleet: Fleet) -> AsyncIterator[Asking]:
    asking = Asking(fleet)
    asking.client = await fleet.client()
    yield asking
    await asking.close()


@pytest.mark.parametrize("workflow", FORMS)
async def test_a_question_is_answered_over_the_other_hub(asking: Asking, workflow: str) -> None:
    await asking.worker()
    run = await asking.client.submit_workflow(workflow, {"metadata": {"form": "yes-no"}})
    asked = await asking.asked(run)
    assert (asked.request_id, asked.prompt) == ("ship", "Ship it?")
    assert (asked.workflow, asked.status) == (workflow, "running")
    assert asked.metadata == {"form": "yes-no"}
    assert asked.due_at_ms == 0
    for hub in (0, 1):
        other = await asking.other(hub)
        assert [found.run_id for found in (await other.list_inputs()).inputs] == [run.run_id]
    with pytest.raises(corral.BadAnswer) as bad:
        await run.respond("ship", {"ok": "perhaps"})
    assert "ok" in bad.value.message
    assert not await other.respond(run.run_id, "ship", {"ok": True, "by": "ann"})
    result = await run.result(timeout=20)
    assert result["ok"] is True
    assert asking.notes(run).count("begins") == 1
    assert await asking.fleet.check() == []


async def test_the_first_answer_counts_and_the_same_again_changes_nothing(asking: Asking) -> None:
    await asking.worker()
    run = await asking.client.submit_workflow("two_questions", {})
    first = await asking.asked(run)
    assert first.request_id == "input-1"
    assert not await run.respond("input-1", "red")
    assert await run.respond("input-1", "red")
    with pytest.raises(corral.AlreadyAnswered):
        await run.respond("input-1", "blue")
    with pytest.raises(corral.InputNotFound):
        await run.respond("input-7", "blue")
    with pytest.raises(corral.RunNotFound):
        await asking.client.respond("nobody", "input-1", "blue")
    second = await asking.asked(run)
    assert second.request_id == "input-2"
    await run.respond("input-2", "green")
    assert await run.result(timeout=20) == ["red", "green"]
    assert await run.respond("input-1", "red")


async def test_a_killed_worker_asks_nobody_twice(asking: Asking) -> None:
    first = await asking.worker("w1")
    run = await asking.client.submit_workflow("two_questions", {}, retry=FIVE_ATTEMPTS)
    await asking.asked(run)
    await run.respond("input-1", "red")
    assert (await asking.asked(run)).request_id == "input-2"
    first.kill()
    await asking.worker("w2")
    await asking.noted(run, "begins", 2)
    await run.respond("input-2", "green")
    assert await run.result(timeout=30) == ["red", "green"]
    types = [event.type async for event in run.events() if isinstance(event, corral.Event)]
    assert types.count("input.request") == 2
    assert await asking.total("asked") == 2
    assert asking.notes(run) == ["begins", "begins"]
    assert await asking.fleet.check() == []


async def test_a_killed_hub_takes_no_question_and_no_answer_with_it(asking: Asking) -> None:
    await asking.worker("w", room=2)
    runs = [await asking.client.submit_workflow("approve", {}) for _ in range(2)]
    for run in runs:
        await asking.asked(run)
    (row,) = await asking.client.list_workers()
    near = next(hub for hub in asking.hubs if hub.name == row.hub)
    far = next(hub for hub in asking.hubs if hub.name != row.hub)
    # One is answered while the worker's hub is frozen, so that only the other one can tell it.
    near.pause()
    client = await asking.fleet.client(hubs=[far.address])
    await client.respond(runs[0].run_id, "ship", {"ok": True})
    near.kill()
    assert (await runs[0].result(timeout=30))["ok"]
    await client.respond(runs[1].run_id, "ship", {"ok": False})
    assert not (await runs[1].result(timeout=30))["ok"]
    assert [asking.notes(run) for run in runs] == [["begins", "leaves"]] * 2


@pytest.mark.parametrize("workflow", FORMS)
async def test_a_parked_run_gives_its_room_back_and_comes_back(
    asking: Asking, workflow: str
) -> None:
    await asking.worker(room=1)
    run = await asking.client.submit_workflow(workflow, {"park": True})
    await asking.status(run, "parked")
    assert asking.notes(run).count("leaves") == 1
    nap = await asking.client.submit_workflow("nap", 0)
    assert await nap.result(timeout=10) == "rested"
    (row,) = await asking.client.list_workers()
    assert row.in_flight == 0
    (asked,) = await run.inputs()
    assert asked.status == "parked"
    assert "answer to question 'ship'" in (await run.explain()).summary
    # It comes back before what was submitted after it.
    busy = await asking.client.submit_workflow("nap", 1)
    await asking.status(busy, "running")
    later = await asking.client.submit_workflow(workflow, {"park": True})
    await run.respond("ship", {"ok": True})
    result = await run.result(timeout=20)
    assert result["ok"] is True
    assert result.get("attempt", 1) == 1
    await asking.status(later, "parked")
    begun = [run_id for run_id, what in asking.all_notes() if what == "begins"]
    assert begun == [run.run_id, run.run_id, later.run_id]
    assert asking.notes(run).count("charges") == (1 if "process" in workflow else 0)
    assert await asking.fleet.check() == []


async def test_a_parked_run_needs_no_worker_and_goes_on_at_another(asking: Asking) -> None:
    first = await asking.worker("w1")
    run = await asking.client.submit_workflow("two_questions", {"park": True})
    await asking.status(run, "parked")
    first.kill()

    async def gone() -> bool:
        return not await asking.client.list_workers()

    await asking.fleet.eventually(gone)
    await run.respond("input-1", 1)
    await asking.worker("w2")
    await asking.status(run, "parked")
    assert (await asking.asked(run)).request_id == "input-2"
    await run.respond("input-2", 2)
    assert await run.result(timeout=30) == [1, 2]
    assert (await run.describe()).lost == 0
    assert await asking.total("asked") == 2


@pytest.mark.parametrize("park", [False, True])
async def test_a_question_lapses_in_time(asking: Asking, park: bool) -> None:
    await asking.worker()
    run = await asking.client.submit_workflow("timely", {"timeout": 0.5, "park": park})
    asked = await asking.asked(run)
    assert asked.due_at_ms - asked.asked_at_ms == 500
    await asking.noted(run, "timed out")
    assert (await asking.asked(run)).request_id == "slow"
    with pytest.raises(corral.InputLapsed):
        await run.respond("quick", 1)
    await run.respond("slow", "better late")
    assert await run.result(timeout=20) == "better late"


@pytest.mark.parametrize("workflow", FORMS)
async def test_a_cancelled_run_waits_no_longer(asking: Asking, workflow: str) -> None:
    await asking.worker(room=1)
    run = await asking.client.submit_workflow(workflow, {})
    await asking.asked(run)
    assert await run.cancel("never mind")
    await asking.noted(run, "leaves")
    with pytest.raises(corral.RunCancelled):
        await run.result(timeout=10)
    assert await run.inputs() == []
    with pytest.raises(corral.RunAlreadyEnded):
        await run.respond("ship", {"ok": True})
    nap = await asking.client.submit_workflow("nap", 0)
    assert await nap.result(timeout=10) == "rested"
    parked = await asking.client.submit_workflow(workflow, {"park": True})
    await asking.status(parked, "parked")
    assert await parked.cancel()
    assert (await parked.describe()).status == "cancelled"
    assert await parked.inputs() == []
    assert await asking.fleet.check() == []


async def test_open_questions_are_listed_page_by_page(asking: Asking) -> None:
    await asking.worker(room=5)
    runs = [await asking.client.submit_workflow("approve", {}) for _ in range(5)]
    for run in runs:
        await asking.asked(run)
    seen: list[str] = []
    cursor = ""
    while True:
        page = await asking.client.list_inputs(limit=2, cursor=cursor)
        seen.extend(found.run_id for found in page.inputs)
        cursor = page.cursor
        if not cursor:
            break
    assert sorted(seen) == sorted(run.run_id for run in runs)


async def test_a_client_without_a_loop_answers_too(asking: Asking) -> None:
    await asking.worker()
    run = await asking.client.submit_workflow("approve", {"park": True})
    await asking.asked(run)

    def answer() -> Any:
        with corral.SyncClient(asking.fleet.addresses) as client:
            (found,) = client.list_inputs(run.run_id).inputs
            handle = client.run(run.run_id)
            assert handle.inputs() == [found]
            assert not client.respond(run.run_id, found.request_id, {"ok": True})
            assert handle.respond("ship", {"ok": True})
            return handle.result(timeout=20)

    assert (await asyncio.to_thread(answer))["ok"] is True


async def test_a_drained_worker_gives_back_a_run_that_waits(asking: Asking) -> None:
    await asking.worker("w1", room=3)
    runs = [await asking.client.submit_workflow(form, {}) for form in FORMS]
    for run in runs:
        await asking.asked(run)
    await asking.client.drain_worker("w1", immediate=True)
    await asyncio.to_thread(asking.processes[0].wait, 20)
    await asking.worker("w2", room=3)
    for run in runs:
        await asking.noted(run, "begins", 2)
        await run.respond("ship", {"ok": True})
        assert (await run.result(timeout=20))["ok"] is True
    assert await asking.total("asked") == 3
