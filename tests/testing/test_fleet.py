"""Fleets of a test's own: kills, time that moves, and what is asserted about runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import corral
from corral.testing import FakeContext, Fleet, FleetError, RunParked, Said, WorkerKilled

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    async with Fleet() as fleet:
        yield fleet


async def greet(name: str) -> str:
    return f"Hello {name}"


async def test_a_function_is_run_by_a_real_fleet(fleet: Fleet) -> None:
    assert await fleet.run_and_wait(greet, "Ada") == "Hello Ada"
    assert await fleet.run_and_wait("greet", "Bob") == "Hello Bob"
    fleet.assert_ran(greet, times=2)
    with pytest.raises(AssertionError, match="workflow greet ran 2 times and was repeated 0 times"):
        fleet.assert_ran("greet", times=1)


def test_a_fleet_serves_tests_that_are_no_coroutines() -> None:
    with Fleet() as fleet:
        assert fleet.sync.run_and_wait(greet, "Ada") == "Hello Ada"
        run = fleet.sync.client().submit_workflow("greet", "Bob")
        assert run.result(10) == "Hello Bob"
        fleet.sync.assert_ran(run)


async def test_it_starts_within_a_second() -> None:
    took: list[float] = []
    for _ in range(3):
        began = time.monotonic()
        async with Fleet():
            took.append(time.monotonic() - began)
    # The best of some: other tests may have the machine.
    assert min(took) < 1, took


async def test_a_retry_far_away_comes_due_at_once(fleet: Fleet) -> None:
    async def flaky(ctx: corral.Context) -> int:
        if ctx.attempt == 1:
            raise corral.Retry("later", after_ms=3_600_000)
        return ctx.attempt

    run = await fleet.submit(flaky, retry=corral.RetryPolicy(max_attempts=2))
    await _until_status(run, corral.RunStatus.DELAYED)
    with pytest.raises(corral.ResultTimeout):
        await run.result(0.2)
    await fleet.advance(3601)
    assert await run.result(5) == 2
    fleet.assert_ran(run, times=1, repeated=1)


async def test_a_deadline_passes_and_retention_ends(fleet: Fleet) -> None:
    client = fleet.client()
    run = await client.submit_workflow("nobody", deadline_ms=600_000)
    await fleet.advance(599)
    assert (await run.describe()).status is corral.RunStatus.PENDING
    await fleet.advance(2)
    snapshot = await run.describe()
    assert snapshot.error is not None
    assert snapshot.error.code == "DEADLINE_EXCEEDED"
    await fleet.advance(8 * 86_400)
    with pytest.raises(corral.RunNotFound):
        await run.describe()


async def test_a_question_lapses_when_time_moves(fleet: Fleet) -> None:
    async def asks(ctx: corral.Context) -> str:
        try:
            return await ctx.request_input("Who?", timeout=86_400)
        except corral.InputTimedOut:
            return "nobody"

    run = await fleet.submit(asks)
    await _until_event(run, "input.request")
    await fleet.advance(86_401)
    assert await run.result(5) == "nobody"


async def test_time_that_moves_loses_no_live_worker(fleet: Fleet) -> None:
    go = asyncio.Event()

    async def waits(ctx: corral.Context) -> int:
        await go.wait()
        return ctx.attempt

    run = await fleet.submit(waits)
    await _until_status(run, corral.RunStatus.RUNNING)
    for _ in range(20):
        await fleet.advance(3600)
    assert (await fleet.client().stats()).totals.get("lost", 0) == 0
    go.set()
    assert await run.result(5) == 1
    fleet.assert_ran(run)


async def test_a_killed_hub_is_noticed_by_nobody() -> None:
    async with Fleet(hubs=2) as fleet:
        go = asyncio.Event()

        async def waits() -> str:
            await go.wait()
            return "done"

        run = await fleet.submit(waits)
        await _until_status(run, corral.RunStatus.RUNNING)
        first = await fleet.kill_hub()
        assert not first.alive
        await fleet.start_hub(first.name)
        await fleet.kill_hub("hub-2")
        go.set()
        assert await run.result(20) == "done"
        fleet.assert_ran(run, times=1, repeated=0)


async def test_the_runs_of_a_killed_worker_go_to_another(fleet: Fleet) -> None:
    begun: list[str] = []

    async def waits(ctx: corral.Context) -> int:
        begun.append(ctx.fence)
        if len(begun) == 1:
            await asyncio.sleep(60)
        return ctx.attempt

    first = await fleet.worker(waits)
    run = await fleet.submit(waits)
    await _until(lambda: begun)
    await fleet.kill_worker(first)
    await fleet.worker(waits)
    await run.result(5)
    assert len(begun) == 2
    fleet.assert_ran(run, times=1, repeated=1)
    attempts = (await run.describe()).attempts
    assert [attempt.outcome for attempt in attempts] == ["lost", "completed"]


async def test_a_worker_that_dies_after_time_has_moved_is_missed_at_once(fleet: Fleet) -> None:
    async def hangs() -> None:
        await asyncio.sleep(3600)

    run = await fleet.submit(hangs)
    await _until_status(run, corral.RunStatus.RUNNING)
    await fleet.advance(86_400)
    began = time.monotonic()
    await fleet.kill_worker()
    # Well below a lease, which is 15 s.
    assert time.monotonic() - began < 5
    assert [attempt.outcome for attempt in (await run.describe()).attempts] == ["lost"]


async def test_a_worker_process_is_killed(fleet: Fleet, tmp_path: Path) -> None:
    worker = await fleet.worker_process("tests.testing.work:worker")
    run = await fleet.submit("hold", str(tmp_path))
    await _until_event(run, "began")
    began = time.monotonic()
    assert await fleet.kill_worker() is worker
    assert not worker.alive
    (tmp_path / "go").touch()
    await fleet.worker_process("tests.testing.work:worker")
    await run.result(10)
    assert time.monotonic() - began < 10
    fleet.assert_ran(run, times=1, repeated=1)


async def test_a_worker_lends_all_that_it_has(fleet: Fleet) -> None:
    mine = corral.Worker("mine", tags={"team": "a"}, admission=corral.Reactive())

    @mine.workflow
    async def offered(ctx: corral.Context) -> list[str]:
        return [ctx.workflow]

    taken: list[str] = []

    @mine.on_offer
    async def consider(offer: corral.Offer) -> bool:
        taken.append(offer.run_id)
        return True

    await fleet.worker(mine)
    assert await fleet.run_and_wait(offered, required_tags=["team=a"]) == ["offered"]
    assert len(taken) == 1


async def test_a_run_that_waits_says_why(fleet: Fleet) -> None:
    with pytest.raises(corral.ResultTimeout, match="It is pending: no worker offers"):
        await fleet.run_and_wait("nobody", timeout=0.1)


async def test_what_does_not_start_says_why(fleet: Fleet) -> None:
    with pytest.raises(FleetError, match="no module"):
        await fleet.worker_process("nowhere.at_all:worker")
    with pytest.raises(FleetError, match="has no attribute"):
        await fleet.worker_process("tests.testing.work:nothing")
    with pytest.raises(FleetError, match="lease_ms 1"):
        await Fleet(lease_ms=1).__aenter__()
    with pytest.raises(FleetError, match="at least one hub"):
        Fleet(hubs=0)
    with pytest.raises(FleetError, match="alive are: hub-1"):
        await fleet.kill_hub("other")
    with pytest.raises(FleetError, match="Alive are none"):
        await fleet.kill_worker()
    with pytest.raises(FleetError, match="ahead only"):
        await fleet.advance(0)


async def test_a_handler_does_in_a_fleet_what_it_does_with_a_fake_context(fleet: Fleet) -> None:
    def count() -> int:
        return 1

    async def does(ctx: corral.Context, given: int) -> list[Any]:
        await ctx.emit_event("began", {"attempt": ctx.attempt})
        first = await ctx.step("count", count)
        if ctx.last_checkpoint() is None:
            await ctx.checkpoint({"seen": given})
            raise corral.Retry("again", after_ms=60_000)
        answer = await ctx.request_input("More?", schema=int, park=True)
        return [ctx.attempt, first, ctx.last_checkpoint(), answer]

    fake = FakeContext()
    with pytest.raises(corral.Retry):
        await fake.run(does, 7)
    with pytest.raises(RunParked) as parked:
        await fake.run(does, 7)
    fake.answer(parked.value.key, 5)
    result = await fake.run(does, 7)

    run = await fleet.submit(does, 7, retry=corral.RetryPolicy(max_attempts=3))
    await _until_status(run, corral.RunStatus.DELAYED)
    await fleet.advance(61)
    await _until_status(run, corral.RunStatus.PARKED)
    await fleet.client().respond(run.run_id, parked.value.key, 5)
    assert await run.result(5) == result == [2, 1, {"seen": 7}, 5]
    said = [event async for event in run.events() if isinstance(event, corral.Event)]
    began = [Said(event.type, event.payload) for event in said if event.type == "began"]
    assert began == fake.events
    fleet.assert_ran(run, times=1, repeated=1)


async def test_a_fleet_that_is_left_in_the_wrong_way_says_so_and_ends() -> None:
    fleet = Fleet().start()
    await fleet.worker(greet)
    with pytest.raises(FleetError, match="use async with"):
        fleet.stop()
    assert not fleet.hubs["hub-1"].alive
    await fleet.close_here()


async def test_a_killed_worker_of_this_process_ends_with_an_error_of_its_own(fleet: Fleet) -> None:
    worker = await fleet.worker(greet)
    ended = asyncio.gather(*_tasks_of(worker), return_exceptions=True)
    await fleet.kill_worker(worker)
    assert [type(error) for error in await ended] == [WorkerKilled]


def _tasks_of(worker: corral.Worker) -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == f"corral {worker.worker_id}"]


async def _until(truth: Any) -> None:
    async with asyncio.timeout(10):
        while True:
            if truth():
                return
            await asyncio.sleep(0.01)


async def _until_status(run: corral.Run[Any], status: corral.RunStatus) -> None:
    async with asyncio.timeout(10):
        while True:
            if (await run.describe()).status is status:
                return
            await asyncio.sleep(0.01)


async def _until_event(run: corral.Run[Any], type_: str) -> None:
    async with asyncio.timeout(10):
        async for event in run.events():
            if isinstance(event, corral.Event) and event.type == type_:
                return
