"""What ends or repeats a run by time and by failure, each with a cause that has a name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import corral
from tests.fleet.offers import Offers, offers, statuses, two_hubs

__all__ = ["offers", "two_hubs"]
pytestmark = pytest.mark.anyio

SOON = corral.RetryPolicy(max_attempts=3, initial_backoff_ms=200, multiplier=2.0, jitter=0)


async def failure(run: corral.Run[Any]) -> corral.RunFailed:
    with pytest.raises(corral.RunFailed) as failed:
        await run.result(timeout=20)
    return failed.value


async def test_a_deadline_ends_a_run_that_still_waits_and_it_never_starts(offers: Offers) -> None:
    client = await offers.client()
    run = await client.submit_workflow("job", deadline_ms=300)
    error = await failure(run)
    assert (error.code, error.attempt, error.retryable) == ("DEADLINE_EXCEEDED", 0, False)
    ended = await run.describe()
    assert ended.ended_at_ms >= ended.deadline_at_ms == ended.submitted_at_ms + 300
    await offers.worker("w")
    await (await client.submit_workflow("job")).result(timeout=20)
    assert not offers.started(run)


async def test_a_deadline_counts_from_the_submit_and_not_from_the_start(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    before = await client.submit_workflow("job", {"gate": "g"})
    run = await client.submit_workflow("job", {"gate": "never"}, deadline_ms=1200)
    told = await client.submit_workflow("job", deadline_ms=60_000)
    await offers.until(lambda: offers.started(before))
    # A limit that is missed while the first one still runs spends a part of the deadline.
    await failure(await client.submit_workflow("job", max_queue_wait_ms=400))
    offers.open("g")
    assert (await failure(run)).code == "DEADLINE_EXCEEDED"
    ended = await run.describe()
    assert ended.started_at_ms >= ended.submitted_at_ms + 400
    assert ended.ended_at_ms >= ended.deadline_at_ms == ended.submitted_at_ms + 1200
    output = await told.result(timeout=20)
    assert output["deadline"] == told.snapshot.submitted_at_ms + 60_000


async def test_a_running_attempt_is_told_to_stop_at_the_deadline(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client(1)
    run = await client.submit_workflow("job", {"gate": "never"}, deadline_ms=400, retry=SOON)
    error = await failure(run)
    assert (error.code, error.attempt) == ("DEADLINE_EXCEEDED", 1)
    await offers.until(lambda: not offers.live["w"])
    assert offers.stops == {run.run_id: "deadline"}
    (attempt,) = (await run.describe()).attempts
    assert (attempt.outcome, attempt.worker_id) == ("timed_out", "w")
    # Its room is free again, and its late word changes nothing.
    await (await client.submit_workflow("job")).result(timeout=20)
    assert (await run.describe()).status is corral.RunStatus.FAILED


async def test_a_run_may_wait_only_so_long_for_a_worker(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    first = await client.submit_workflow("job", {"gate": "g"}, max_queue_wait_ms=300)
    second = await client.submit_workflow("job", max_queue_wait_ms=300)
    error = await failure(second)
    assert (error.code, error.attempt) == ("QUEUE_WAIT_EXCEEDED", 0)
    assert "max_queue_wait_ms" in error.message
    # The first one had its worker in time; how long it runs is another limit.
    assert (await first.describe()).status is corral.RunStatus.RUNNING
    offers.open("g")
    await first.result(timeout=20)
    assert not offers.started(second)


async def test_an_attempt_may_run_only_so_long(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    waits = await client.submit_workflow("job", {"gate": "never"}, max_run_ms=400)
    run = await client.submit_workflow("job", {"gate": "never"}, max_run_ms=400)
    for limited in (waits, run):
        error = await failure(limited)
        assert (error.code, error.attempt) == ("RUN_TIME_EXCEEDED", 1)
        ended = await limited.describe()
        assert ended.ended_at_ms - ended.started_at_ms >= 400
    await offers.until(lambda: not offers.live["w"])
    assert offers.stops == {waits.run_id: "run_time", run.run_id: "run_time"}


async def test_a_delayed_run_starts_not_before_its_time(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    run = await client.submit_workflow("job", start_delay_ms=600)
    assert run.status is corral.RunStatus.DELAYED
    assert run.snapshot.due_at_ms == run.snapshot.submitted_at_ms + 600
    # The worker is free meanwhile.
    await (await client.submit_workflow("job")).result(timeout=20)
    assert not offers.started(run)
    await run.result(timeout=20)
    ended = await run.describe()
    assert ended.started_at_ms >= ended.submitted_at_ms + 600
    assert await statuses(run) == [
        "status.delayed", "status.pending", "status.running", "status.completed"
    ]  # fmt: skip


async def test_a_failure_is_followed_by_another_attempt_and_each_is_on_record(
    offers: Offers,
) -> None:
    await offers.worker("w")
    client = await offers.client()
    run = await client.submit_workflow("job", {"errors": ["value", "key"]}, retry=SOON)
    assert (await run.result(timeout=20))["attempt"] == 3
    ended = await run.describe()
    assert [attempt.number for attempt in ended.attempts] == [1, 2, 3]
    assert [attempt.outcome for attempt in ended.attempts] == ["failed", "failed", "completed"]
    kinds = [attempt.error.type if attempt.error else "" for attempt in ended.attempts]
    assert kinds == ["ValueError", "KeyError", ""]
    one, two, three = ended.attempts
    assert two.started_at_ms - one.ended_at_ms >= 200
    assert three.started_at_ms - two.ended_at_ms >= 400
    fences = [int(attempt.fence) for attempt in ended.attempts]
    assert fences == sorted(set(fences))
    assert await statuses(run) == [
        "status.pending", "status.running", "status.delayed",
        "status.pending", "status.running", "status.delayed",
        "status.pending", "status.running", "status.completed",
    ]  # fmt: skip


async def test_the_last_allowed_attempt_fails_the_run_with_its_own_error(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    twice = corral.RetryPolicy(max_attempts=2, initial_backoff_ms=50)
    run = await client.submit_workflow("job", {"errors": ["key", "value"]}, retry=twice)
    error = await failure(run)
    assert (error.code, error.type, error.attempt) == ("HANDLER", "ValueError", 2)
    assert error.message == "no such value"


@pytest.mark.parametrize(
    ("error", "policy"),
    [
        ("value", None),
        ("value", corral.RetryPolicy(max_attempts=5, no_retry_types=["ValueError"])),
        ("fail", corral.RetryPolicy(max_attempts=5)),
    ],
    ids=["no policy", "a type that is not retried", "final by the handler's word"],
)
async def test_a_failure_is_final(
    offers: Offers, error: str, policy: corral.RetryPolicy | None
) -> None:
    await offers.worker("w")
    client = await offers.client()
    options: Any = {"retry": policy} if policy else {}
    run = await client.submit_workflow("job", {"errors": [error]}, **options)
    failed = await failure(run)
    assert (failed.code, failed.attempt) == ("HANDLER", 1)
    assert len(offers.starts) == 1


async def test_another_type_of_error_is_retried_beside_one_that_is_not(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    policy = corral.RetryPolicy(max_attempts=9, initial_backoff_ms=50, no_retry_types=["KeyError"])
    run = await client.submit_workflow("job", {"errors": ["value", "key"]}, retry=policy)
    failed = await failure(run)
    assert (failed.type, failed.attempt) == ("KeyError", 2)


async def test_the_pause_that_a_handler_asks_for_counts_before_the_policy(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    quick = corral.RetryPolicy(max_attempts=2, initial_backoff_ms=10, jitter=0)
    run = await client.submit_workflow("job", {"errors": ["later"]}, retry=quick)
    await run.result(timeout=20)
    first, second = (await run.describe()).attempts
    assert first.error is not None
    assert first.error.retry_after_ms == 900
    assert second.started_at_ms - first.ended_at_ms >= 900


async def test_a_run_that_backs_off_takes_no_room_and_can_be_cancelled(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    slow = corral.RetryPolicy(max_attempts=2, initial_backoff_ms=3_600_000)
    run = await client.submit_workflow("job", {"errors": ["value"]}, retry=slow)

    async def backs_off() -> bool:
        return (await run.refresh()).status is corral.RunStatus.DELAYED

    await offers.eventually(backs_off)
    await (await client.submit_workflow("job")).result(timeout=20)
    assert await run.cancel("no more")
    with pytest.raises(corral.RunCancelled, match="no more"):
        await run.result(timeout=20)
    assert len([start for start in offers.starts if start.run_id == run.run_id]) == 1


async def test_a_failed_run_is_retried_by_hand_with_its_history(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    run = await client.submit_workflow("job", {"errors": ["value"]}, labels={"day": "monday"})
    fine = await client.submit_workflow("job", labels={"day": "monday"})
    other = await client.submit_workflow("job", {"errors": ["value"]}, labels={"day": "tuesday"})
    await failure(run)
    await failure(other)
    await fine.result(timeout=20)
    verdicts = await client.retry_runs([fine.run_id, "nobody"])
    assert verdicts == {fine.run_id: "completed", "nobody": "unknown"}
    verdicts = await client.retry_runs(labels={"day": "monday"})
    assert verdicts == {run.run_id: "retried"}
    again = client.run(run.run_id)
    assert (await again.result(timeout=20))["attempt"] == 2
    ended = await again.describe()
    assert [attempt.outcome for attempt in ended.attempts] == ["failed", "completed"]
    assert ended.error is None
    assert (await other.describe()).status is corral.RunStatus.FAILED


async def test_a_cancelled_run_is_retried_by_hand_and_a_live_one_is_not(offers: Offers) -> None:
    client = await offers.client()
    run = await client.submit_workflow("job")
    assert not await run.retry()
    assert await run.cancel()
    assert await run.retry()
    await offers.worker("w")
    assert (await run.result(timeout=20))["attempt"] == 1


async def test_a_run_is_retried_once_the_worker_has_stopped_its_last_attempt(
    offers: Offers,
) -> None:
    await offers.worker("w")
    client = await offers.client()
    run = await client.submit_workflow("job", {"gate": "g", "stubborn": "s"})
    await offers.until(lambda: offers.started(run))
    assert await run.cancel()
    assert await client.retry_runs([run.run_id]) == {run.run_id: "stopping"}
    async with corral.Client(offers.addresses, namespace=offers.namespace, timeout=0.3) as hasty:
        assert not await hasty.run(run.run_id).retry()
    asyncio.get_running_loop().call_later(0.3, offers.open, "s")
    assert await run.retry()
    offers.open("g")
    assert (await run.result(timeout=20))["attempt"] == 2
