"""The store's Python side: entering, coalescing, lost replies, and what a bad server says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from corral_store import Settings, Store
from corral_store.batching import LARGE
from corral_store.connection import Barrier, Call, Connection
from corral_store.digests import plain_class, pool_of
from corral_store.errors import (
    CallTooLarge,
    StoreFormat,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from corral_store.pipe import Pipe
from corral_store.records import Declaration, Letter, NewRun, NewSession, Report
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio


def new_run(run: str) -> NewRun:
    class_id, class_json = plain_class("workflow:x", 0)
    return NewRun(run, "{}", "q", "workflow:x", "x", class_id, class_json)


def new_session(session: str, room: int = 1) -> NewSession:
    pool, text = pool_of(Declaration([("workflow:x", 1)], max=room))
    return NewSession(session, "c1", session, "i1", "p", pool, text, 15_000, 6000, "", "sdk", 100)


@pytest.fixture
async def store(valkey: str) -> AsyncIterator[Store]:
    async with Store(valkey, "a") as store:
        yield store


async def test_concurrent_submits_travel_in_few_calls(
    store: Store, valkey_server: ValkeyServer
) -> None:
    t = store.namespace("n")
    await t.submit([new_run("first")])
    valkey_server.client().config_resetstat()
    verdicts = await asyncio.gather(*(t.submit([new_run(f"r{i}")]) for i in range(500)))
    assert {v.verdict for (v,) in verdicts} == {"accepted"}
    assert [v.run for (v,) in verdicts] == [f"r{i}" for i in range(500)]
    calls = valkey_server.client().info("commandstats")["cmdstat_fcall"]["calls"]
    assert calls <= 5


async def test_only_a_large_pipeline_leaves_beside_another(
    own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Store(own_valkey.url, "a") as store:
        t = store.namespace("n")
        await t.submit([new_run("first")])
        sent: list[int] = []
        run = store.work.run

        async def noted(calls: Sequence[Call], pipe: Pipe) -> list[object]:
            sent.append(sum(len(call.arguments) - 1 for call in calls))
            return await run(calls, pipe)

        monkeypatch.setattr(store.work, "run", noted)
        own_valkey.pause()
        submits = [asyncio.create_task(t.submit([new_run("alone")]))]
        await asyncio.wait(submits, timeout=0.1)
        submits += [asyncio.create_task(t.submit([new_run(f"few{i}")])) for i in range(LARGE - 1)]
        await asyncio.wait(submits, timeout=0.1)
        assert sent == [1]
        submits.append(asyncio.create_task(t.submit([new_run("enough")])))
        await asyncio.wait(submits, timeout=0.1)
        submits += [asyncio.create_task(t.submit([new_run(f"more{i}")])) for i in range(LARGE)]
        await asyncio.wait(submits, timeout=0.1)
        assert sent == [1, LARGE]
        own_valkey.resume()
        verdicts = await asyncio.gather(*submits)
        assert {verdict.verdict for (verdict,) in verdicts} == {"accepted"}


async def test_more_than_a_call_may_carry_is_refused(store: Store) -> None:
    with pytest.raises(CallTooLarge, match="257 items for submit; 256 at most"):
        await store.namespace("n").submit([new_run(f"r{i}") for i in range(257)])


async def test_mail_comes_with_the_reply(valkey: str) -> None:
    letters: list[Letter] = []
    async with Store(valkey, "a", on_letters=lambda _, mail: letters.extend(mail)) as store:
        t = store.namespace("n")
        await t.open_session(new_session("s1"), [], resume=False)
        await t.submit([new_run("r1")])
        assert [(x.run, x.word, x.job) for x in letters] == [("r1", "run", "{}")]
        report = Report("completed", "r1", letters[0].fence, 1, "1")
        assert await t.report("s1", 1, [report]) == ["ok"]


async def test_a_call_whose_connection_is_cut_is_sent_again(
    store: Store, valkey_server: ValkeyServer
) -> None:
    t = store.namespace("n")
    await t.submit([new_run("r0")])
    killer = valkey_server.client()

    for i in range(60):
        call = asyncio.create_task(t.submit([new_run(f"k{i}")]))
        for _ in range(i % 12):
            await asyncio.sleep(0)
        await asyncio.to_thread(killer.execute_command, "CLIENT", "KILL", "TYPE", "normal")
        (verdict,) = await call
        assert verdict.verdict in ("accepted", "duplicate")
    totals = (await t.stats()).totals
    assert totals["submitted"] == 61
    assert await t.check() == []


async def test_calls_outlive_a_restart_of_the_server(own_valkey: ValkeyServer) -> None:
    epochs: list[int] = []
    async with Store(own_valkey.url, "a", on_entered=lambda _, e: epochs.append(e.epoch)) as store:
        t = store.namespace("n")
        await t.submit([new_run("r1")])
        own_valkey.kill()
        waiting = asyncio.create_task(t.submit([new_run("r2")]))
        await asyncio.sleep(0)
        await asyncio.to_thread(own_valkey.restart)
        (verdict,) = await waiting
        assert verdict.verdict == "accepted"
        assert {d is not None for d in await t.describe(["r1", "r2"])} == {True}
    assert epochs[0] == 1
    assert epochs[-1] == 2


async def test_a_full_server_refuses_submits_and_takes_results(own_valkey: ValkeyServer) -> None:
    letters: list[Letter] = []
    async with Store(own_valkey.url, "a", on_letters=lambda _, m: letters.extend(m)) as store:
        t = store.namespace("n")
        await t.open_session(new_session("s1"), [], resume=False)
        await t.submit([new_run("r1")])
        own_valkey.client().config_set("maxmemory", "1mb")
        with pytest.raises(StoreFull, match="maxmemory"):
            await t.submit([new_run("r2")])
        assert await t.report("s1", 1, [Report("completed", "r1", letters[0].fence, 1, "1")]) == [
            "ok"
        ]
        own_valkey.client().config_set("maxmemory", "0")
        assert await t.check() == []


async def test_a_full_server_can_be_entered_again(own_valkey: ValkeyServer) -> None:
    async with Store(own_valkey.url, "a") as store:
        t = store.namespace("n")
        await t.submit([new_run("r1")])
        own_valkey.client().config_set("maxmemory", "1mb")
        own_valkey.client().execute_command("CLIENT", "KILL", "TYPE", "normal")
        assert await t.cancel([("r1", '""')]) == ["cancelled"]


async def test_a_server_that_refuses_writes_is_named(own_valkey: ValkeyServer) -> None:
    async with Store(own_valkey.url, "a") as store:
        t = store.namespace("n")
        await t.submit([new_run("r1")])
        own_valkey.client().replicaof("127.0.0.1", "1")
        with pytest.raises((StoreReadOnly, StoreUnavailable)):
            async with asyncio.timeout(5):
                await t.submit([new_run("r2")])


async def test_data_of_another_format_is_refused(store: Store, valkey_server: ValkeyServer) -> None:
    t = store.namespace("n")
    await t.submit([new_run("r1")])
    valkey_server.client().hset("corral:{n}:meta", "format", "99")
    with pytest.raises(StoreFormat, match="format 99"):
        await t.submit([new_run("r2")])


async def test_a_barrier_that_is_not_met_leaves_the_outcome_unknown(valkey: str) -> None:
    connection = Connection(valkey, barrier=Barrier(replicas=1, timeout_ms=50))
    async with Store(valkey, "a", barrier=Barrier(replicas=1, timeout_ms=50)) as store:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await store.namespace("n").submit([new_run("r1")])
    with pytest.raises(StoreUnavailable, match="replicas 0 of 1"):
        await connection.run([])
    await connection.close()


async def test_an_address_that_is_none_says_what_would_be(valkey: str) -> None:
    assert valkey
    with pytest.raises(ValueError, match="redis://host:port/0"):
        Store("http://localhost:6379", "a", settings=Settings())


async def test_a_lost_reply_is_told_as_its_mail_is_lost_with_it(
    valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when replicas are late once: the connection lives on, so nothing is entered anew,
    and the call that is sent again brings no mail."""
    doubts: list[str] = []
    letters: list[Letter] = []
    async with Store(
        valkey, "a", on_letters=lambda _, mail: letters.extend(mail), on_doubt=doubts.append
    ) as store:
        t = store.namespace("n")
        await t.open_session(new_session("s1"), [], resume=False)
        pipeline = store.work.run

        async def late(calls: Sequence[Call], pipe: Pipe) -> list[object]:
            await pipeline(calls, pipe)
            monkeypatch.undo()
            raise StoreUnavailable("the durability barrier was not met, outcome unknown")

        monkeypatch.setattr(store.work, "run", late)
        (verdict,) = await t.submit([new_run("r1")])
        assert (verdict.verdict, letters, doubts) == ("duplicate", [], ["n"])
        await t.fetch_mail([("s1", 1)])
        assert [letter.run for letter in letters] == ["r1"]


async def test_a_namespace_that_was_emptied_is_entered_again(
    store: Store, valkey_server: ValkeyServer
) -> None:
    t = store.namespace("n")
    await t.submit([new_run("r1")])
    valkey_server.client().flushall()
    async with asyncio.timeout(5):
        (verdict,) = await t.submit([new_run("r2")])
    assert verdict.verdict == "accepted"


async def test_a_namespace_that_cannot_be_entered_fails_its_own_calls_alone(
    store: Store, valkey_server: ValkeyServer
) -> None:
    valkey_server.client().hset("corral:{odd}:meta", "format", "99")
    good, odd = store.namespace("n"), store.namespace("odd")
    results = await asyncio.gather(
        good.submit([new_run("r1")]), odd.submit([new_run("r2")]), good.cancel([("r0", '""')]),
        return_exceptions=True,
    )  # fmt: skip
    assert isinstance(results[1], StoreFormat)
    assert not [r for r in (results[0], results[2]) if isinstance(r, BaseException)]


async def test_no_call_reaches_a_restarted_server_before_its_new_epoch(
    own_valkey: ValkeyServer,
) -> None:
    """Placement is held back after a restart, for the very first call as well."""
    async with Store(own_valkey.url, "a") as store:
        t = store.namespace("n")
        await t.open_session(new_session("s1"), [], resume=False)
        own_valkey.kill()
        await asyncio.to_thread(own_valkey.restart)
        await t.submit([new_run("r1")])
        (described,) = await t.describe(["r1"])
    assert described is not None
    assert described.fields["status"] == "pending"
