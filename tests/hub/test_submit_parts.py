"""A submit of many runs: it goes to the store in parts, and each run has its own outcome."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis

from corral_hub.config import HubConfig
from corral_hub.errors import HubError, InvalidRequest
from corral_hub.limits import Limits, LimitsOf
from corral_hub.orchestrator import Accepted, Orchestrator
from corral_hub.requests import SubmitRequest
from corral_store import Store
from corral_store.errors import StoreUnavailable
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(valkey: str) -> AsyncIterator[Store]:
    async with Store(valkey, "a") as store:
        yield store


def orchestrator(valkey: str) -> Orchestrator:
    return Orchestrator(HubConfig(name="a", valkey=valkey), LimitsOf(Limits()))


def runs(count: int) -> list[SubmitRequest | HubError]:
    return [SubmitRequest(workflow="w", run_id=f"r{n}") for n in range(count)]


async def outcomes(
    asked: Orchestrator, store: Store, requests: Iterator[SubmitRequest | HubError]
) -> list[list[Accepted | HubError]]:
    return [part async for part in asked.submit(store.namespace("n"), requests)]


async def test_outcomes_come_in_order_whatever_is_refused(valkey: str, store: Store) -> None:
    requests = runs(800)
    unread = InvalidRequest("cannot be read", field="selector")
    requests[0] = requests[255] = requests[799] = SubmitRequest(workflow="no such name!")
    requests[256] = unread
    requests[512:768] = [unread] * 256
    parts = await outcomes(orchestrator(valkey), store, iter(requests))
    assert [len(part) for part in parts] == [256, 256, 256, 32]
    found = [outcome for part in parts for outcome in part]
    for request, outcome in zip(requests, found, strict=True):
        if isinstance(request, HubError):
            assert outcome is request
        elif request.run_id:
            assert isinstance(outcome, Accepted)
            assert outcome.verdict.run == request.run_id
        else:
            assert isinstance(outcome, InvalidRequest)
            assert outcome.field == "workflow"
    order = redis.Redis.from_url(valkey, decode_responses=True).zrange("corral:{n}:runs", 0, -1)
    accepted = [request for request in requests if isinstance(request, SubmitRequest)]
    assert sorted(order) == sorted(request.run_id for request in accepted if request.run_id)


async def test_a_run_that_comes_twice_in_different_parts_is_one(valkey: str, store: Store) -> None:
    requests = [*runs(300), SubmitRequest(workflow="w", run_id="r0")]
    found = sum(await outcomes(orchestrator(valkey), store, iter(requests)), list[object]())
    last = found[-1]
    assert isinstance(last, Accepted)
    assert last.known is not None
    assert last.verdict.verdict == "duplicate"


async def test_the_first_runs_are_at_the_store_before_the_last_are_read(
    valkey: str, store: Store
) -> None:
    client = redis.Redis.from_url(valkey)
    there: list[int] = []

    def read() -> Iterator[SubmitRequest]:
        for number, request in enumerate(runs(512)):
            if number == 511:
                # The connection and the namespace are new: long enough for the first part.
                there.append(client.exists("corral:{n}:run:r0"))
            assert isinstance(request, SubmitRequest)
            yield request

    await store.namespace("n").stats()
    await outcomes(orchestrator(valkey), store, read())
    assert there == [1]


async def test_a_large_run_ends_its_part(valkey: str, store: Store) -> None:
    large = b'"' + b"x" * 1_000_000 + b'"'
    requests = [SubmitRequest(workflow="w", input=large) for _ in range(5)]
    parts = await outcomes(orchestrator(valkey), store, iter(requests))
    assert [len(part) for part in parts] == [2, 2, 1]


def calls() -> int:
    return sum("submit" in str(task.get_coro()) for task in asyncio.all_tasks())


async def test_who_gives_up_leaves_no_call_behind(own_valkey: ValkeyServer) -> None:
    async with Store(own_valkey.url, "a") as store:
        await store.namespace("n").stats()
        own_valkey.pause()
        try:
            stream = orchestrator(own_valkey.url).submit(store.namespace("n"), iter(runs(800)))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await anext(stream)
        finally:
            own_valkey.resume()
        assert calls() == 0


async def test_a_failure_of_the_store_is_raised_once(
    own_valkey: ValkeyServer,
) -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))

    async def submit(store: Store) -> str:
        try:
            await outcomes(orchestrator(own_valkey.url), store, iter(runs(800)))
        except StoreUnavailable as error:
            # Without its traceback, which would keep the calls.
            return str(error)
        return ""

    async with Store(own_valkey.url, "a") as store:
        await store.namespace("n").stats()
        own_valkey.pause()
        asking = asyncio.create_task(submit(store), name="asking")
        for _ in range(100):
            await asyncio.sleep(0)
        assert calls() == 1 + 4
    # Each of the four calls is told that the store is closed.
    own_valkey.resume()
    assert "the hub is stopping" in await asking
    # Its tasks keep what they raised.
    del store
    gc.collect()
    assert said == []
