"""Steps and checkpoints over the deaths of workers and hubs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from tests.fleet.asking import Asking
from tests.fleet.conftest import Fleet

pytestmark = pytest.mark.anyio


@pytest.fixture
async def asking(fleet: Fleet) -> AsyncIterator[Asking]:
    asking = Asking(fleet)
    asking.client = await fleet.client()
    yield asking
    await asking.close()


async def test_a_step_happens_once_over_a_killed_worker(asking: Asking) -> None:
    first = await asking.worker("w1")
    run = await asking.client.submit_workflow("order")
    await asking.asked(run)
    first.kill()
    await asking.worker("w2")
    await asking.noted(run, "waits", 2)
    await run.respond("done", None)
    result = await run.result(timeout=20)
    receipt = f"receipt of {run.run_id}"
    assert result == {"receipt": receipt, "length": len(receipt), "attempt": 2}
    assert asking.notes(run) == ["charges", "announces", "waits", "waits"]
    assert await asking.fleet.check() == []


@pytest.mark.parametrize(
    ("workflow", "step"),
    [
        ("pay", "announces"),
        ("pay_in_step", "charges"),
        ("pay_in_thread", "charges"),
        ("pay_in_process", "charges"),
    ],
)
async def test_who_wakes_after_its_lease_begins_no_step(
    asking: Asking, workflow: str, step: str
) -> None:
    first = await asking.worker("w1")
    run = await asking.client.submit_workflow(workflow)
    await asyncio.to_thread(os.waitid, os.P_PID, first.pid, os.WSTOPPED | os.WNOWAIT)
    await asking.worker("w2")
    await run.result(timeout=20)
    [asleep] = [what for what in asking.notes(run) if what.startswith("stands still")]
    for pid in {int(asleep.split()[-1]), first.pid}:
        os.kill(pid, signal.SIGCONT)
    await asking.noted(run, "leaves", 2)
    assert asking.notes(run).count(step) == 1
    assert (await run.describe()).attempt == 2
    assert await asking.fleet.check() == []


async def test_a_step_is_kept_when_its_hub_dies_meanwhile(asking: Asking) -> None:
    await asking.worker("w", room=20)
    runs = [await asking.client.submit_workflow("order") for _ in range(20)]
    hub = asking.hubs[0]
    for _ in range(2):
        hub.kill()
        await asyncio.to_thread(hub.start)
        hub = asking.hubs[1]
    for run in runs:
        assert (await asking.asked(run)).request_id == "done"
        await run.respond("done", None)
    for run in runs:
        await run.result(timeout=30)
        assert asking.notes(run) == ["charges", "announces", "waits"]


async def test_a_checkpoint_is_where_the_next_attempt_begins(asking: Asking) -> None:
    first = await asking.worker("w1")
    run = await asking.client.submit_workflow("count")
    await asking.noted(run, "waits")
    first.kill()
    await asking.worker("w2")
    assert await run.result(timeout=30) == {"began_at": 3}
    assert [what for what in asking.notes(run) if what != "waits"] == [
        f"counts {n}" for n in range(1, 6)
    ]


async def test_a_run_that_is_given_back_goes_on_from_its_checkpoint(asking: Asking) -> None:
    await asking.worker("w1")
    run = await asking.client.submit_workflow("count")
    await asking.noted(run, "waits")
    await asking.client.drain_worker("w1", immediate=True)
    await asking.worker("w2")
    assert await run.result(timeout=30) == {"began_at": 3}
    assert (await run.describe()).attempt == 1


async def test_a_failed_run_that_is_retried_does_no_step_again(asking: Asking) -> None:
    await asking.worker()
    run = await asking.client.submit_workflow("order")
    await asking.asked(run)
    assert await run.cancel()
    assert await run.retry()
    await asking.noted(run, "waits", 2)
    await run.respond("done", None)
    await run.result(timeout=20)
    assert asking.notes(run) == ["charges", "announces", "waits", "waits"]


async def test_what_a_run_keeps_is_bounded_and_says_so(asking: Asking) -> None:
    await asking.worker(room=3)
    full = [60_000] * 8 + [60_000, 10_000, 70_000]
    run = await asking.client.submit_workflow("fill", full)
    small = await asking.client.submit_workflow("fill", [1] * 257)
    assert await run.result(timeout=20) == ["kept"] * 8 + ["StateTooLarge", "kept", "BadStep"]
    assert await small.result(timeout=20) == ["kept"] * 256 + ["TooManySteps"]
    much = await asking.client.submit_workflow("ask_much", 129)
    assert await much.result(timeout=20) == "TooManyInputs"
    assert (await asking.client.list_inputs()).inputs == []
    assert await asking.fleet.check() == []
