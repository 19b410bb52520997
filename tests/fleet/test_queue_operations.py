"""What waits, who is next, and what people do to it: cancel, pause, explain, drain."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

import corral
from tests.fleet.offers import Offers, accepted, offers, statuses, two_hubs

__all__ = ["offers", "two_hubs"]
pytestmark = pytest.mark.anyio

KIND = "workflow:job"
BAND_WIDTH = 32


async def served(
    offers: Offers, client: corral.Client, submits: Sequence[corral.Submit[Any]], first: int
) -> list[corral.Submit[Any]]:
    """Lets all of them wait together, then gives the first that one worker was given."""
    before = len(offers.starts)
    await client.pause(KIND)
    await accepted(client, submits)
    await client.resume(KIND)
    await offers.until(lambda: len(offers.starts) >= before + first)
    by_id = {submit.run_id: submit for submit in submits}
    return [by_id[start.run_id] for start in offers.starts[before : before + first]]


async def test_bands_are_served_by_their_weights(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    submits = [
        corral.Submit("job", priority=BAND_WIDTH * band, labels={"band": str(band)})
        for band in range(8)
        for _ in range(10)
    ]
    order = await served(offers, client, submits, 36)
    bands = Counter(submit.request.priority // BAND_WIDTH for submit in order)
    assert bands == {band: 8 - band for band in range(8)}
    assert order[0].request.priority == 0


async def test_the_last_band_alone_is_served_at_once(offers: Offers) -> None:
    client = await offers.client()
    run = await client.submit_workflow("job", priority=255)
    await offers.worker("w")
    await run.result(timeout=20)


async def test_a_band_that_was_idle_has_saved_up_nothing(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    urgent = [corral.Submit("job", priority=0) for _ in range(60)]
    await served(offers, client, urgent, 60)
    both = [corral.Submit("job", priority=p) for p in [0] * 30 + [255] * 10]
    order = [submit.request.priority for submit in await served(offers, client, both, 18)]
    assert Counter(order[:9]) == Counter(order[9:]) == {0: 8, 255: 1}


async def test_a_lower_priority_goes_first_within_a_band(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    submits = [corral.Submit("job", priority=p) for p in (159, 140, 128, 150, 129)]
    order = [submit.request.priority for submit in await served(offers, client, submits, 5)]
    assert order == [128, 129, 140, 150, 159]


async def test_keys_share_the_workers_by_weight_whoever_came_first(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    keys = ["many"] * 60 + ["few"] * 12 + ["heavy"] * 30
    submits = [
        corral.Submit("job", fairness_key=key, fairness_weight=3 if key == "heavy" else 1)
        for key in keys
    ]
    order = [s.request.fairness.key for s in await served(offers, client, submits, 50)]
    shares = Counter(order)
    assert abs(shares["many"] - 10) <= 1
    assert abs(shares["few"] - 10) <= 1
    assert abs(shares["heavy"] - 30) <= 2


async def test_a_new_run_does_not_pass_older_ones_that_wait(offers: Offers) -> None:
    await offers.worker("w")
    clients = [await offers.client(0), await offers.client(1)]
    runs: list[corral.Run[Any]] = []
    for n in range(40):
        runs.append(await clients[n % 2].submit_workflow("job", {"ms": 2}))
    await asyncio.gather(*(run.result(timeout=20) for run in runs))
    assert [start.run_id for start in offers.starts] == [run.run_id for run in runs]


async def test_what_waits_for_a_full_worker_starts_when_it_has_room(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    first = await client.submit_workflow("job", {"gate": "g"})
    second = await client.submit_workflow("job")
    assert second.status is corral.RunStatus.PENDING
    offers.open("g")
    await first.result(timeout=20)
    await second.result(timeout=5)


async def test_a_worker_that_connects_to_a_long_line_is_welcomed_and_served(
    offers: Offers,
) -> None:
    client = await offers.client()
    await accepted(client, [corral.Submit("job", {"gate": "g"}) for _ in range(500)])
    await offers.worker("w", room=300)
    await offers.until(lambda: len(offers.live["w"]) == 300)
    more = await client.submit_workflow("job", timeout=5)
    assert more.status is corral.RunStatus.PENDING
    offers.open("g")
    await more.result(timeout=20)
    assert offers.most["w"] == 300


async def test_runs_that_end_at_once_are_never_left_running(offers: Offers) -> None:
    await offers.worker("w", room=50)
    clients = [await offers.client(0), await offers.client(1)]
    runs = await asyncio.gather(*(clients[n % 2].submit_workflow("job") for n in range(300)))
    await asyncio.gather(*(run.result(timeout=20) for run in runs))
    stats = await clients[0].stats()
    assert (stats.totals["completed"], stats.totals["assigned"]) == (300, 300)
    assert stats.queues == [] or {queue.waiting for queue in stats.queues} == {0}
    listed = [run.status async for run in clients[1].runs(workflow="job")]
    assert listed == [corral.RunStatus.COMPLETED] * 300
    expected = ["status.pending", "status.running", "status.completed"]
    assert await statuses(runs[0]) == await statuses(runs[-1]) == expected


async def test_the_work_of_a_worker_that_dies_goes_to_an_idle_one(offers: Offers) -> None:
    code = (
        "import asyncio, sys, corral\n"
        "hubs, namespace = sys.argv[1].split(','), sys.argv[2]\n"
        "worker = corral.Worker('mortal', hubs=hubs, namespace=namespace)\n"
        "@worker.workflow('job')\n"
        "async def job():\n    await asyncio.Event().wait()\n"
        "worker.run_forever()\n"
    )
    mortal = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, ",".join(offers.addresses), offers.namespace
    )
    try:
        client = await offers.client()
        run = await client.submit_workflow("job")

        async def has_it() -> bool:
            return (await run.refresh()).status is corral.RunStatus.RUNNING

        await offers.eventually(has_it)
        await offers.worker("idle")
        os.kill(mortal.pid, signal.SIGKILL)
        await run.result(timeout=20)
    finally:
        if mortal.returncode is None:
            mortal.kill()
        await mortal.wait()
    assert offers.where(run) == "idle"
    attempts = (await run.describe()).attempts
    assert [(a.worker_id, a.outcome) for a in attempts] == [
        ("mortal", "lost"),
        ("idle", "completed"),
    ]


async def test_the_same_key_on_two_hubs_at_once_is_one_run(offers: Offers) -> None:
    await offers.worker("w", room=20)
    clients = [await offers.client(0), await offers.client(1)]
    runs = await asyncio.gather(
        *(clients[n % 2].submit_workflow("job", {"n": 1}, idempotency_key="k") for n in range(20))
    )
    (run_id,) = {run.run_id for run in runs}
    assert [run.deduplicated for run in runs].count(False) == 1
    await runs[0].result(timeout=20)
    assert [start.run_id for start in offers.starts] == [run_id]
    with pytest.raises(corral.AlreadyExists) as refused:
        await clients[1].submit_workflow("job", {"n": 2}, idempotency_key="k")
    assert refused.value.run_id == run_id


async def test_a_cancelled_run_that_waits_never_starts_and_says_so_once(offers: Offers) -> None:
    client, other = await offers.client(0), await offers.client(1)
    run = await client.submit_workflow("job")
    assert await run.cancel("not needed")
    assert await other.run(run.run_id).cancel("again")
    await offers.worker("w")
    await (await client.submit_workflow("job")).result(timeout=20)
    assert not offers.started(run)
    with pytest.raises(corral.RunCancelled, match="not needed"):
        await run.result(timeout=20)
    assert await statuses(run) == ["status.pending", "status.cancelled"]


async def test_a_cancelled_run_that_is_delayed_never_starts(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client()
    run = await client.submit_workflow("job", start_delay_ms=400)
    assert await run.cancel()
    await (await client.submit_workflow("job", start_delay_ms=600)).result(timeout=20)
    assert not offers.started(run)
    assert await statuses(run) == ["status.delayed", "status.cancelled"]


async def test_a_cancelled_run_that_runs_is_stopped_and_says_so_once(offers: Offers) -> None:
    await offers.worker("w")
    client = await offers.client(1)
    run = await client.submit_workflow("job", {"gate": "never"})
    await offers.until(lambda: offers.started(run))
    assert await run.cancel()
    await offers.until(lambda: not offers.live["w"])
    assert offers.stops == {run.run_id: "cancelled"}
    # Another run has its room, so the worker's own last word has been heard.
    await (await client.submit_workflow("job")).result(timeout=20)
    assert await run.cancel()
    assert await statuses(run) == ["status.pending", "status.running", "status.cancelled"]


async def test_an_ended_run_stays_as_it_is(offers: Offers) -> None:
    await offers.worker("w")
    client, other = await offers.client(0), await offers.client(1)
    run = await client.submit_workflow("job")
    await run.result(timeout=20)
    before = await run.describe()
    assert not await other.run(run.run_id).cancel()
    assert await run.describe() == before
    failed = await client.submit_workflow("job", {"errors": ["value"]})
    with pytest.raises(corral.RunFailed):
        await failed.result(timeout=20)
    assert not await failed.cancel()
    assert (await statuses(failed))[-1] == "status.failed"


async def test_a_filter_cancels_what_it_names_and_nothing_else(offers: Offers) -> None:
    await offers.worker("w", room=1)
    client = await offers.client()
    running = await client.submit_workflow("job", {"gate": "g"}, labels={"team": "a"})
    await offers.until(lambda: offers.started(running))
    waiting = await accepted(
        client, [corral.Submit("job", labels={"team": "a" if n % 3 else "b"}) for n in range(300)]
    )
    delayed = await client.submit_workflow("job", labels={"team": "a"}, start_delay_ms=600_000)
    other = await client.submit_workflow("else", labels={"team": "a"})
    cancelled = await client.cancel_workflows(
        workflow="job", labels={"team": "a"}, statuses=["pending", "delayed"], reason="clean up"
    )
    named = {run.run_id for run in waiting if run.snapshot.labels["team"] == "a"}
    assert len(cancelled) == len(set(cancelled))
    assert set(cancelled) == named | {delayed.run_id}
    assert await client.cancel_workflows(workflow="job", labels={"team": "a"}) == [running.run_id]
    assert (await other.describe()).status is corral.RunStatus.PENDING
    with pytest.raises(corral.InvalidRequest):
        await client.cancel_workflows()
    await asyncio.gather(*(r.result(timeout=20) for r in waiting if r.run_id not in named))
    assert {start.run_id for start in offers.starts}.isdisjoint(named)


async def test_a_paused_kind_is_not_given_out_and_what_runs_goes_on(offers: Offers) -> None:
    await offers.worker("w", KIND, "workflow:other", room=3)
    client, operator = await offers.client(0), await offers.client(1)
    running = await client.submit_workflow("job", {"gate": "g"})
    assert await operator.pause(KIND) == [KIND]
    assert await client.pause(KIND) == [KIND]
    waits = await client.submit_workflow("job")
    assert waits.status is corral.RunStatus.PENDING
    await (await client.submit_workflow("other")).result(timeout=20)
    offers.open("g")
    await running.result(timeout=20)
    await offers.worker("another")
    assert (await waits.refresh()).status is corral.RunStatus.PENDING
    assert "paused" in (await waits.explain()).summary
    assert await operator.resume(KIND) == []
    await waits.result(timeout=5)


async def test_an_explanation_says_of_each_worker_what_it_lacks(offers: Offers) -> None:
    client = await offers.client()
    label, taint = {"zone": "2"}, corral.Taint("gpu")
    await offers.worker("other", "workflow:other")
    await offers.worker("untagged", labels=label)
    await offers.worker("unlabelled", tags={"region": "eu"})
    await offers.worker("tainted", tags={"region": "eu"}, labels=label, taints=[taint])
    await offers.worker(
        "card", tags={"region": "eu"}, labels=label, admission=corral.VramBudget(1000)
    )
    await offers.worker("full", tags={"region": "eu"}, labels=label)
    await offers.worker("leaving", tags={"region": "eu"}, labels=label, room=2)
    wish: Any = {
        "required_tags": ["region=eu"],
        "selector": corral.Selector(required=label),
        "vram_mb": 2000,
    }
    busy = [await client.submit_workflow("job", {"gate": "g"}, **wish) for _ in range(3)]
    await offers.until(lambda: offers.started(*busy))
    await client.drain_worker("leaving")
    run = await client.submit_workflow("job", **wish)
    behind = await client.submit_workflow("job", priority=100, **wish)
    told = await run.explain()
    assert {worker.worker_id: worker.verdict for worker in told.workers} == {
        "other": "capability",
        "untagged": "tags",
        "unlabelled": "selector",
        "tainted": "taints",
        "card": "vram",
        "full": "full",
        "leaving": "draining",
    }
    assert told.stages == dict.fromkeys(
        ["capability", "tags", "selector", "taints", "vram", "full", "draining"], 1
    )
    assert told.summary == "every worker that could take it is full"
    assert (told.band, told.waiting_by_band, told.ahead_in_flow) == (4, {3: 1, 4: 1}, 0)
    second = await client.submit_workflow("job", **wish)
    assert (await second.explain()).ahead_in_flow == 1
    offers.open("g")
    for waiting in (run, behind, second):
        await waiting.result(timeout=20)
    assert (await run.explain()).summary == "it does not wait: it is completed"


async def test_a_draining_worker_gets_nothing_new_finishes_and_ends(offers: Offers) -> None:
    worker = await offers.worker("leaving", room=5)
    client, operator = await offers.client(0), await offers.client(1)
    runs = [await client.submit_workflow("job", {"gate": "g"}) for _ in range(2)]
    await offers.until(lambda: offers.started(*runs))
    assert (await operator.drain_worker("leaving")).in_flight == 2
    waits = await client.submit_workflow("job")
    assert waits.status is corral.RunStatus.PENDING
    with pytest.raises(corral.NoMatchingWorker):
        await client.submit_workflow("job", wait_for_worker=False)
    offers.open("g")
    await asyncio.gather(*(run.result(timeout=20) for run in runs))

    async def gone() -> bool:
        return not await client.list_workers()

    await offers.eventually(gone)
    assert not offers.started(waits)
    await offers.worker("next")
    await waits.result(timeout=20)
    assert {start.worker for start in offers.starts} == {"leaving", "next"}
    assert worker.worker_id == "leaving"


async def test_work_of_a_worker_that_is_drained_at_once_moves_uncharged(offers: Offers) -> None:
    await offers.worker("leaving", room=2)
    client = await offers.client()
    runs = [await client.submit_workflow("job", {"gate": "g"}) for _ in range(2)]
    await offers.until(lambda: offers.started(*runs))
    await offers.worker("next", room=2)
    await client.drain_worker("leaving", immediate=True)
    await offers.until(lambda: len(offers.live["next"]) == 2)
    offers.open("g")
    await asyncio.gather(*(run.result(timeout=20) for run in runs))
    for run in runs:
        ended = await run.describe()
        assert (ended.attempt, ended.worker_id) == (1, "next")
        assert [attempt.outcome for attempt in ended.attempts] == ["given_back", "completed"]
