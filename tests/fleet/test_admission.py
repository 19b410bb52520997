"""How much a worker takes at once: by count, by video memory, by its own word. Never more."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

import corral
from tests.fleet.conftest import SHORT, Fleet
from tests.fleet.offers import Offers, accepted, offers, statuses, two_hubs
from tests.processes import HubProcess
from tests.servers import ValkeyServer

__all__ = ["offers", "two_hubs"]
pytestmark = pytest.mark.anyio


async def test_a_burst_over_two_hubs_never_exceeds_the_count(offers: Offers) -> None:
    await offers.worker("w", room=2)
    clients = [await offers.client(0), await offers.client(1)]
    runs = await asyncio.gather(
        *(clients[i % 2].submit_workflow("job", {"ms": 5}) for i in range(100))
    )
    await asyncio.gather(*(run.result(timeout=20) for run in runs))
    assert offers.most["w"] == 2
    assert Counter(start.run_id for start in offers.starts) == {run.run_id: 1 for run in runs}


async def test_capabilities_of_one_worker_share_its_room(offers: Offers) -> None:
    await offers.worker("w", "a@1", "b@1", "c@2", room=3)
    client = await offers.client()
    kinds = ["a@1", "b@1", "c@*"]
    runs = await accepted(
        client, [corral.Submit("job", {"ms": 5}, capability=kinds[i % 3]) for i in range(60)]
    )
    await asyncio.gather(*(run.result(timeout=20) for run in runs))
    assert offers.most["w"] == 3
    (row,) = await client.list_workers()
    assert row.in_flight == 0


async def test_room_comes_back_when_the_work_has_stopped_not_when_it_was_told_to(
    offers: Offers,
) -> None:
    await offers.worker("w", room=1)
    client = await offers.client()
    run = await client.submit_workflow("job", {"gate": "never", "stubborn": "s"})
    following = await client.submit_workflow("job")
    await offers.until(lambda: offers.started(run))
    assert await run.cancel()
    await offers.until(lambda: run.run_id in offers.live["w"] and run.run_id in offers.stops)
    (row,) = await client.list_workers()
    assert (row.in_flight, row.stopping) == (1, 1)
    assert (await run.describe()).stopping
    with pytest.raises(corral.NoMatchingWorker, match="full"):
        await client.submit_workflow("job", wait_for_worker=False)
    assert not offers.started(following)
    offers.open("s")
    await following.result(timeout=20)
    assert offers.most["w"] == 1


async def test_video_memory_is_counted_by_device_and_the_assignment_names_the_device(
    offers: Offers,
) -> None:
    await offers.worker("card", admission=corral.VramBudget([8000, 5000]))
    client = await offers.client()
    (row,) = await client.list_workers()
    assert row.vram_used_mb == [0, 0]
    runs = await accepted(
        client, [corral.Submit("job", {"gate": "g"}, vram_mb=4000) for _ in range(5)]
    )
    await offers.until(lambda: len(offers.starts) == 3)
    assert Counter(start.device for start in offers.starts) == {0: 2, 1: 1}
    for start in offers.starts:
        assert (await client.describe_workflow(start.run_id)).device == start.device
    (row,) = await client.list_workers()
    assert (row.in_flight, row.vram_used_mb) == (3, [8000, 4000])
    # What is left, 1000 MB on one device, still takes a run that needs no more.
    small = await client.submit_workflow("job", vram_mb=1000)
    await small.result(timeout=20)
    assert (await small.describe()).device == 1
    offers.open("g")
    await asyncio.gather(*(run.result(timeout=20) for run in runs))
    (row,) = await client.list_workers()
    assert (row.in_flight, row.vram_used_mb) == (0, [0, 0])


async def test_the_sum_of_two_devices_does_not_make_room_for_one_run(offers: Offers) -> None:
    await offers.worker("card", admission=corral.VramBudget([8000, 8000]))
    client = await offers.client()
    run = await client.submit_workflow("job", vram_mb=12000)
    assert "video memory" in run.warnings[0]
    await offers.worker("big", admission=corral.VramBudget(12000))
    await run.result(timeout=20)
    assert offers.where(run) == "big"


@pytest.mark.parametrize("wait", [True, False])
async def test_a_run_that_says_no_video_memory_is_refused_where_only_budgets_serve(
    offers: Offers, wait: bool
) -> None:
    await offers.worker("card", admission=corral.VramBudget(8000))
    client = await offers.client()
    with pytest.raises(corral.InvalidRequest) as refused:
        await client.submit_workflow("job", wait_for_worker=wait)
    assert refused.value.field == "resource_hint.vram_mb"
    # Where another worker needs no such word the run goes there, and waits for it when full.
    await offers.worker("plain", room=1)
    first = await client.submit_workflow("job", {"gate": "g"})
    second = await client.submit_workflow("job")
    assert second.status is corral.RunStatus.PENDING
    with pytest.raises(corral.NoMatchingWorker, match="full"):
        await client.submit_workflow("job", wait_for_worker=False)
    offers.open("g")
    await second.result(timeout=20)
    assert [offers.where(run) for run in (first, second)] == ["plain", "plain"]


class Desk:
    """What a worker that decides by itself was offered, and what it answers by then."""

    def __init__(self, takes: bool | corral.Decline) -> None:
        self.takes = takes
        self.offered: list[str] = []

    async def decide(self, offer: corral.Offer) -> bool | corral.Decline:
        self.offered.append(offer.run_id)
        return self.takes


async def reactive(offers: Offers, name: str, desk: Desk) -> None:
    await offers.worker(name, admission=corral.Reactive(2), hook=desk.decide)


async def test_a_declined_run_goes_to_another_worker_and_starts_there_once(
    offers: Offers,
) -> None:
    picky, eager = Desk(corral.Decline("insufficient_vram", "3 GB short")), Desk(True)
    await reactive(offers, "picky", picky)
    client = await offers.client()
    runs = [await client.submit_workflow("job")]
    await reactive(offers, "eager", eager)
    runs += [await client.submit_workflow("job") for _ in range(5)]
    await asyncio.gather(*(run.result(timeout=20) for run in runs))
    assert {start.worker for start in offers.starts} == {"eager"}
    assert Counter(start.run_id for start in offers.starts) == {run.run_id: 1 for run in runs}
    assert runs[0].run_id in picky.offered
    assert {(await run.describe()).attempt for run in runs} == {1}


async def test_a_run_that_all_decline_is_parked_blocks_nobody_and_is_offered_again(
    offers: Offers,
) -> None:
    desk = Desk(corral.Decline("model_unavailable"))
    await reactive(offers, "w", desk)
    client = await offers.client()
    run = await client.submit_workflow("job")

    async def parked() -> bool:
        return (await run.refresh()).status is corral.RunStatus.PARKED

    await offers.eventually(parked)
    assert run.snapshot.due_at_ms > run.snapshot.submitted_at_ms
    assert (run.snapshot.attempt, offers.starts) == (0, [])
    desk.takes = True
    following = await client.submit_workflow("job")
    await following.result(timeout=20)
    await run.result(timeout=20)
    assert desk.offered.count(run.run_id) >= 2
    types = await statuses(run)
    assert types[:3] == ["status.pending", "status.offered", "status.parked"]
    assert types[-3:] == ["status.offered", "status.running", "status.completed"]


async def test_a_run_is_running_only_when_its_offer_was_taken(offers: Offers) -> None:
    answer = asyncio.Event()

    async def slow(offer: corral.Offer) -> bool:
        await answer.wait()
        return True

    await offers.worker("w", admission=corral.Reactive(1), hook=slow)
    client = await offers.client()
    run = await client.submit_workflow("job")
    second = await client.submit_workflow("job")
    assert run.status is corral.RunStatus.OFFERED
    assert second.status is corral.RunStatus.PENDING
    answer.set()
    await asyncio.gather(run.result(timeout=20), second.result(timeout=20))


async def test_an_offered_run_that_is_cancelled_never_starts(offers: Offers) -> None:
    answer = asyncio.Event()

    async def slow(offer: corral.Offer) -> bool:
        await answer.wait()
        return True

    await offers.worker("w", admission=corral.Reactive(1), hook=slow)
    client = await offers.client(1)
    run = await client.submit_workflow("job")
    assert run.status is corral.RunStatus.OFFERED
    assert await run.cancel()
    answer.set()
    await (await client.submit_workflow("job")).result(timeout=20)
    assert not offers.started(run)
    assert (await statuses(run)).count("status.cancelled") == 1


async def test_what_is_in_flight_is_right_after_the_worker_has_changed_its_hub(
    fleet: Fleet,
) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    await fleet.worker("w", room=3, hubs=[a.address, b.address])
    client = await fleet.client(hubs=[b.address, a.address])
    runs = await accepted(client, [corral.Submit("nap", {"seconds": 2.5}) for _ in range(3)])
    await fleet.until(lambda: len(fleet.running) == 3)
    hub = {"a": a, "b": b}[(await client.list_workers())[0].hub]
    hub.kill()

    async def moved() -> bool:
        (row,) = await client.list_workers()
        return row.connected and row.stream == 2

    await fleet.eventually(moved)
    (row,) = await client.list_workers()
    assert row.in_flight == 3
    with pytest.raises(corral.NoMatchingWorker, match="full"):
        await client.submit_workflow("nap", {"seconds": 0}, wait_for_worker=False)
    await asyncio.gather(*(run.result(timeout=20) for run in runs))
    (row,) = await client.list_workers()
    assert row.in_flight == 0
    assert set(fleet.executions.values()) == {1}
    assert await fleet.check() == []


BURST_HUBS, BURST_RUNS, BURST_CALL = 8, 2000, 25
CARD_MB = [6000, 3000]


class Cards:
    """Video memory in use by device, as the handlers see it, and the most there ever was."""

    def __init__(self) -> None:
        self.used = {"card1": [0, 0], "card2": [0, 0]}
        self.most = {"card1": [0, 0], "card2": [0, 0]}

    def add(self, worker: str, device: int | None, mb: int) -> None:
        assert device is not None
        self.used[worker][device] += mb
        self.most[worker][device] = max(self.most[worker][device], self.used[worker][device])


def burst_worker(
    offers: Offers, cards: Cards, name: str, admission: corral.Fixed | corral.VramBudget
) -> corral.Worker:
    worker = corral.Worker(
        name, hubs=offers.addresses, namespace=offers.namespace, admission=admission
    )
    offers.live[name], offers.most[name] = set(), 0

    async def act(ctx: corral.Context, input: dict[str, int]) -> None:
        live, mb = offers.live[name], input.get("mb", 0)
        live.add(ctx.run_id)
        offers.most[name] = max(offers.most[name], len(live))
        if mb:
            cards.add(name, ctx.device, mb)
        await asyncio.sleep(input["ms"] / 1000)
        if mb:
            cards.add(name, ctx.device, -mb)
        live.discard(ctx.run_id)

    kinds = ("x@1", "y@1", "z@3") if isinstance(admission, corral.Fixed) else ("infer@1", "embed@1")
    for kind in kinds:
        worker.capability(kind)(act)
    return worker


def burst_submits(dice: random.Random) -> list[corral.Submit[Any]]:
    submits: list[corral.Submit[Any]] = []
    for i in range(BURST_RUNS):
        ms, priority = dice.randrange(1, 8), dice.randrange(256)
        if i % 5 == 0:
            mb = dice.choice([500, 1000, 2000, 3000])
            submits.append(
                corral.Submit(
                    "burst", {"ms": ms, "mb": mb}, capability=dice.choice(["infer@1", "embed@*"]),
                    vram_mb=mb, priority=priority,
                )
            )  # fmt: skip
        else:
            kind = dice.choice(["x@1", "y@*", "z@*", "z@3"])
            submits.append(corral.Submit("burst", {"ms": ms}, capability=kind, priority=priority))
    return submits


@pytest.mark.slow
async def test_a_burst_of_2000_runs_over_8_hubs_never_exceeds_any_limit(
    own_valkey: ValkeyServer, tmp_path: Path, dice: random.Random
) -> None:
    hubs = [
        HubProcess(f"h{n}", own_valkey.url, tmp_path / f"h{n}.log", dict(SHORT))
        for n in range(BURST_HUBS)
    ]
    offers, cards = Offers(hubs, own_valkey.url, "burst"), Cards()
    limits = {"fixed1": 1, "fixed3": 3, "fixed8": 8, "fixed20": 20}
    try:
        for hub in hubs:
            hub.start(wait=False)
        for hub in hubs:
            await asyncio.to_thread(hub.wait_ready)
        async with AsyncExitStack() as stack:
            for name, limit in limits.items():
                worker = burst_worker(offers, cards, name, corral.Fixed(limit))
                await stack.enter_async_context(worker)
            for name in cards.used:
                worker = burst_worker(offers, cards, name, corral.VramBudget(CARD_MB))
                await stack.enter_async_context(worker)
            async with asyncio.timeout(60):
                await burst(offers, limits, burst_submits(dice))
        assert {n: most for n, most in offers.most.items() if most > limits.get(n, most)} == {}
        # The limits were really pressed against, at least where they are low.
        assert (offers.most["fixed1"], offers.most["fixed3"]) == (1, 3)
        for most in cards.most.values():
            assert all(mb <= budget for mb, budget in zip(most, CARD_MB, strict=True)), most
        assert await offers.check() == []
    finally:
        await offers.close()
        for hub in hubs:
            hub.stop()


async def burst(offers: Offers, limits: dict[str, int], submits: list[corral.Submit[Any]]) -> None:
    """Submits over all hubs at once, and looks all the while at what the store counts."""
    clients = [await offers.client(n) for n in range(BURST_HUBS)]
    calls = [submits[i : i + BURST_CALL] for i in range(0, len(submits), BURST_CALL)]
    submitting = asyncio.gather(
        *(accepted(clients[n % BURST_HUBS], call) for n, call in enumerate(calls))
    )
    looks = 0
    while looks < 5 or (await clients[0].stats()).totals.get("completed", 0) < BURST_RUNS:
        for row in await clients[looks % BURST_HUBS].list_workers():
            if row.worker_id in limits:
                assert row.in_flight <= limits[row.worker_id]
            else:
                assert all(mb <= most for mb, most in zip(row.vram_used_mb, CARD_MB, strict=True))
        looks += 1
        await asyncio.sleep(0.05)
    await submitting
    totals = (await clients[0].stats()).totals
    assert (totals["submitted"], totals["completed"]) == (BURST_RUNS, BURST_RUNS)
    assert totals["assigned"] == BURST_RUNS
