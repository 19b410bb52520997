"""Behind the load balancer of `deploy/`, too, a hub's death is invisible and quiet is not death.

nginx runs with the shipped file. Where a test cannot wait as long as the file says, it names the
lines that it scales down.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
import trustme

import corral
from corral import submit_stream
from corral.tls import Tls
from tests.balancer.conftest import Balanced
from tests.fleet.test_hub_deaths import all_completed, submit_naps

pytestmark = pytest.mark.anyio

# The minute of the file, after which a quiet stream is cut, in a test.
QUIET_SECONDS = 3
QUIET = {"60s": f"{QUIET_SECONDS}s"}
WORKERS = 6


async def sessions(client: corral.Client) -> Counter[str]:
    """How many sessions each hub has."""
    return Counter(worker.hub for worker in await client.list_workers())


async def streams(client: corral.Client) -> dict[str, int]:
    """The number of each worker's stream: it grows with each reconnect."""
    return {worker.worker_id: worker.stream for worker in await client.list_workers()}


async def spread_evenly(balanced: Balanced, client: corral.Client) -> None:
    """Returns when all three hubs have the same number of sessions."""
    even = dict.fromkeys("abc", WORKERS // 3)

    async def is_even() -> bool:
        return await sessions(client) == even

    await balanced.fleet.eventually(is_even)


@pytest.mark.slow
async def test_hubs_end_and_come_back_under_load_and_nothing_is_lost_or_repeated(
    balanced: Balanced, dice: random.Random
) -> None:
    hubs = balanced.start(move_after_ms=1000)
    for number in range(WORKERS):
        await balanced.worker(f"w{number}", room=8)
    client = await balanced.client()
    await spread_evenly(balanced, client)
    runs = await submit_naps(client, dice, 300, 0.05, 1.0)
    await balanced.fleet.until(lambda: len(balanced.fleet.running) >= 30)
    for hub, end in ((hubs[0], hubs[0].terminate), (hubs[1], hubs[1].kill)):
        await asyncio.to_thread(end)
        assert len(balanced.fleet.running) >= 10
        # Calls, too, find a hub while one is away.
        runs += await submit_naps(client, dice, 100, 0.05, 1.0)
        await asyncio.to_thread(hub.start)
    await all_completed(balanced.fleet, runs, 60)
    await spread_evenly(balanced, client)


async def test_submits_by_a_stream_outlive_the_hub_that_has_it(
    balanced: Balanced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit_stream, "REST_SECONDS", 0.0)
    hubs = balanced.start({"access_log off;": "access_log /dev/stdout;"})
    await balanced.worker("w", room=20)
    client = await balanced.client()
    runs: list[corral.Run] = []

    async def submit_one_by_one(count: int) -> None:
        for _ in range(count):
            runs.append(await client.submit_workflow("nap", {"seconds": 0.0}))

    await submit_one_by_one(30)
    for hub in hubs:
        meanwhile = asyncio.create_task(submit_one_by_one(60))
        await asyncio.to_thread(hub.kill)
        await meanwhile
        await asyncio.to_thread(hub.start)
    await all_completed(balanced.fleet, runs, 30)
    await client.close()

    async def told() -> bool:
        # nginx tells of a stream at its end. One went with each hub that had one.
        return balanced.nginx.log.count("/corral.v1.Orchestrator/SubmitStream HTTP/2.0") >= 2

    await balanced.fleet.eventually(told)


async def test_quiet_streams_outlive_the_limit_of_the_balancer(
    balanced: Balanced, dice: random.Random
) -> None:
    balanced.start(QUIET, keepalive_ms=1000)
    await balanced.worker("w")
    client = await balanced.client()

    async def first_event() -> corral.Event | corral.GapInEvents:
        return await anext(aiter(client.subscribe_all()))

    first = asyncio.create_task(first_event())
    before = await streams(client)
    await asyncio.sleep(2.5 * QUIET_SECONDS)
    assert await streams(client) == before
    assert not first.done()
    runs = await submit_naps(client, dice, 1, 0.0, 0.0)
    event = await asyncio.wait_for(first, 10)
    assert isinstance(event, corral.Event)
    assert event.run_id == runs[0].run_id
    await all_completed(balanced.fleet, runs, 10)
    # No stream was cut, nor taken up again in silence.
    assert "timed out" not in balanced.nginx.log


async def test_a_run_that_is_followed_goes_on_at_another_hub_from_its_cursor(
    balanced: Balanced, dice: random.Random
) -> None:
    hubs = balanced.start()
    await balanced.worker("w", room=20)
    client = await balanced.client()
    runs = await submit_naps(client, dice, 12, 4.0, 4.5)
    await balanced.fleet.until(lambda: len(balanced.fleet.running) == 12)
    numbers: dict[str, list[int]] = {run.run_id: [] for run in runs}

    async def follow(run: corral.Run) -> None:
        async for event in client.subscribe_run_events(run.run_id):
            assert isinstance(event, corral.Event)
            numbers[run.run_id].append(event.number)

    following = [asyncio.create_task(follow(run)) for run in runs]
    await asyncio.sleep(1)
    for hub in hubs[:2]:
        await asyncio.to_thread(hub.kill)
    await asyncio.wait_for(asyncio.gather(*following), 30)
    await all_completed(balanced.fleet, runs, 30)
    for run in runs:
        last = (await client.describe_workflow(run.run_id)).last_event
        assert numbers[run.run_id] == list(range(1, last + 1))


async def test_connections_that_had_their_number_of_calls_and_a_reload_lose_nothing(
    balanced: Balanced, dice: random.Random
) -> None:
    # A connection ends after 20 calls; what a reload leaves behind, after 2 s.
    balanced.start({"keepalive_requests 100000": "keepalive_requests 20", "30s": "2s"})
    await balanced.worker("w", room=20)
    client = await balanced.client()
    before = await streams(client)
    runs: list[corral.Run] = []
    for number in range(200):
        if number == 80:
            balanced.nginx.reload()
        runs.append(await client.submit_workflow("nap", {"seconds": dice.uniform(0.5, 1.5)}))

    async def moved() -> bool:
        return await streams(client) != before

    await balanced.fleet.eventually(moved)
    await all_completed(balanced.fleet, runs, 30)


async def test_an_error_of_a_hub_arrives_as_it_is(balanced: Balanced) -> None:
    balanced.start()
    client = await balanced.client()
    with pytest.raises(corral.RunNotFound) as found:
        await client.describe_workflow("nobody")
    assert "nobody" in str(found.value)
    assert found.value.run_id == "nobody"
    with pytest.raises(corral.InvalidRequest) as refused:
        await client.submit_workflow("nap", {}, required_tags=["ключ" * 1000])
    assert refused.value.field == "required_tags"


async def test_a_certificate_of_another_authority_or_name_is_not_believed(
    balanced: Balanced,
) -> None:
    balanced.start()
    others = Tls(ca=trustme.CA().cert_pem.bytes())
    for address, tls in (
        (balanced.nginx.address, others),
        (f"grpcs://127.0.0.1:{balanced.nginx.port}", None),
    ):
        async with corral.Client(address, tls=tls, timeout=1.0) as stranger:
            with pytest.raises(corral.NoHub):
                await stranger.stats()
