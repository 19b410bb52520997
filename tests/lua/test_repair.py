"""A busy namespace loses an index, or all of them: a repair builds it again, and work goes on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import redis

from corral_store.connection import Connection
from corral_store.digests import class_of
from corral_store.errors import StoreError, StoreRepairing
from corral_store.records import Constraints, Declaration
from corral_store.repair import Repaired, repair
from tests.lua.world import NAMESPACE, World, constraints

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).resolve().parents[2] / "docs/valkey-keys.md"
# What a repair reads and cannot make: the truth itself, and what is lost without harm.
SOURCES = {
    "run:<run>", "job:<run>", "output:<run>", "events:<run>", "attempts:<run>", "inputs:<run>",
    "checkpoint:<run>", "steps:<run>", "session:<session>", "paused", "feed",
}  # fmt: skip
DUE = (
    "leases", "offers", "delays", "deadlines", "questions", "retention", "rings", "tombstones",
    "classes",
)  # fmt: skip


def _documented() -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \| \w+ \|", PAGE.read_text(), re.M))


INDEXES = sorted(_documented() - SOURCES - {"due:<what>"}) + [f"due:{what}" for what in DUE]


@pytest.fixture
def busy(world: World) -> World:
    """A namespace with something under every index."""
    world.open("s1", models="llama")
    world.open("s2", capabilities=[("workflow:y", 1), ("workflow:v", 2)], max=2, models="phi")
    world.open("s3", declaration=Declaration([("workflow:z", 1)], admission="reactive", max=4))
    world.open("s4", capabilities=[("workflow:q", 1)], max=3)
    world.open("s5", declaration=Declaration([("workflow:g", 1)], admission="vram", devices=[800]))
    world.open("ended", capabilities=[("workflow:e", 1)])
    world.call("close_session", "ended", "1", "goodbye", 0)
    world.submit("offer", kind="workflow:z")
    world.submit("refused", kind="workflow:z")
    world.report("s3", ("decline", "refused", world.fence("refused"), 1, '"busy"'))
    for run in ("asks", "parked", "stops"):
        world.submit(run, kind="workflow:q", run_ms=90_000)
    for run in ("asks", "parked"):
        world.ask("s4", run, "q1", timeout_ms=80_000)
    world.report("s4", ("park", "parked", world.fence("parked"), 9, "q1"))
    world.call("cancel", "stops", '"enough"')
    gpu = Constraints("workflow:g", vram_mb=500)
    world.submit("gpu", kind="workflow:g", vram_mb=500, **_special(gpu))
    for run in ("done", "fails"):
        world.submit(run, idem="k" + run)
        world.relay("s1", run, 1, "a")
        word = ("completed", "1") if run == "done" else ("failed", '{"retryable":false,"type":"E"}')
        world.report("s1", (word[0], run, world.fence(run), 5, word[1]))
    world.submit("runs", model="llama")
    world.relay("s1", "runs", 1, "b")
    world.call("listen", "asks", "on", "", 0)
    for n in range(8):
        world.submit(f"waits{n}", flow="ab"[n % 2], weight=1 + n % 2, priority=128 + n // 3)
    # Serves a bit of the backlog, so that virtual times and deficits are not all zero.
    for run in ("runs", "waits0"):
        world.complete("s1", run, world.fence(run))
    world.submit("urgent", priority=0, flow="a", deadline_ms=70_000)
    world.submit("tagged", flow="a", **_special(constraints(tags=[("zone", "nowhere")])))
    world.submit("later", delay_ms=100_000)
    world.open("other-hub", capabilities=[("workflow:h", 1)], hub="b")
    world.submit("elsewhere", kind="workflow:h")
    world.client.sadd(world.root + "unserved", "s2")
    world.sound()
    return world


def _special(needs: Constraints) -> dict[str, Any]:
    """As hubs do, the job says a class that does not follow from its kind."""
    return {"constraints": needs, "job": json.dumps({"class_json": class_of(needs)[1]})}


def _delete(world: World, pattern: str) -> int:
    glob = world.root + re.sub(r"<\w+>", "*", pattern)
    keys = list(world.client.scan_iter(glob))
    return world.client.delete(*keys) if keys else 0


async def _repair(valkey: str) -> Repaired:
    connection = Connection(valkey)
    try:
        return await repair(connection, NAMESPACE)
    finally:
        await connection.close()


def _greet(world: World) -> None:
    """Workers whose declaration was lost say Hello again, with what they hold."""
    for session, declaration in (
        ("s1", Declaration([("workflow:x", 1)])),
        ("s2", Declaration([("workflow:y", 1), ("workflow:v", 2)], max=2)),
        ("s3", Declaration([("workflow:z", 1)], admission="reactive", max=4)),
        ("s4", Declaration([("workflow:q", 1)], max=3)),
        ("s5", Declaration([("workflow:g", 1)], admission="vram", devices=[800])),
        ("other-hub", Declaration([("workflow:h", 1)])),
    ):
        held = [(run, value.split()[0]) for run, value in world.held(session).items()]
        world.open(session, declaration=declaration, connection="again", resume=True, held=held)


def _served(world: World) -> list[str]:
    """Lets s1 work until nothing is left for it; gives the runs in their order."""
    order: list[str] = []
    while True:
        running = [run for run, state in world.held("s1").items() if state.endswith("running")]
        if not running:
            return order
        (run,) = running
        order.append(run)
        assert world.complete("s1", run, world.fence(run), stream=world.stream("s1")) == "ok"


def _in_flow(order: list[str], flow: int) -> list[str]:
    return [run for run in order if run.startswith("waits") and int(run[5:]) % 2 == flow]


def _check_order(order: list[str]) -> None:
    assert order[:2] == ["waits1", "urgent"]
    assert set(order) == {"urgent", *(f"waits{n}" for n in range(1, 8))}
    for flow in (0, 1):
        places = [int(run[5:]) for run in _in_flow(order, flow)]
        assert places == sorted(places)


def test_the_lists_of_this_test_are_those_of_the_page() -> None:
    documented = _documented()
    assert documented >= SOURCES
    line = next(line for line in PAGE.read_text().splitlines() if line.startswith("| `due:<what>`"))
    assert set(DUE) == set(re.findall(r"`(\w+)`", line.split("|", 2)[2]))


@pytest.mark.parametrize("pattern", INDEXES)
async def test_an_index_that_is_lost_is_built_again(busy: World, valkey: str, pattern: str) -> None:
    lost = _delete(busy, pattern)
    assert lost > 0, "the namespace of this test has no such key"
    await _repair(valkey)
    busy.sound()
    _greet(busy)
    busy.tick()
    busy.sound()
    _check_order(_served(busy))
    assert busy.submit("another", idem="kdone") == "duplicate"
    assert busy.submit("one more") == "accepted"
    assert busy.run("one more")["status"] == "running"
    busy.sound()


async def test_all_indexes_that_are_lost_are_built_again(busy: World, valkey: str) -> None:
    for pattern in INDEXES:
        _delete(busy, pattern)
    found = await _repair(valkey)
    assert found.runs == busy.client.zcard(busy.root + "runs")
    assert 10 < found.live < found.runs
    busy.sound()
    _greet(busy)
    busy.tick()
    busy.sound()
    _check_order(_served(busy))
    assert busy.answer("parked", "q1") == "ok"
    busy.sound()


def _contents(world: World) -> dict[str, Any]:
    """All that a repair of a sound namespace has no business with."""
    out: dict[str, Any] = {}
    for key in world.client.scan_iter(f"{world.root}*"):
        name = key.decode().removeprefix(world.root)
        # Clocks; and workers are told again what they may not have heard.
        if name == "kinds":
            # Those that nobody waits for may be listed or not.
            out[name] = world.client.zrange(key, 1, "+inf", byscore=True, withscores=True)
        elif name != "meta" and not name.startswith(("mail:", "news:")):
            out[name] = _value(world.client, key)
    return out


def _value(client: redis.Redis, key: bytes) -> Any:
    match client.type(key):
        case b"hash":
            return client.hgetall(key)
        case b"set":
            return client.smembers(key)
        case _:
            return client.dump(key)


async def test_a_sound_namespace_stays_as_it_is(busy: World, valkey: str) -> None:
    before = _contents(busy)
    await _repair(valkey)
    after = _contents(busy)
    assert set(after) == set(before)
    assert {name for name in after if after[name] != before[name]} == set()


async def test_flows_that_are_lost_begin_where_their_virtual_time_says(
    busy: World, valkey: str
) -> None:
    kept: dict[Any, Any] = {}
    for flow, time in busy.client.zrange(busy.root + "vt:4:workflow:x", 0, -1, withscores=True):
        kept[flow] = time
    clock = float(busy.client.hget(busy.root + "clocks:workflow:x", "4") or 0)
    assert kept
    _delete(busy, "flows:<class>:<band>")
    await _repair(valkey)
    for key in busy.client.scan_iter(busy.root + "flows:*:4"):
        for flow, time in busy.client.zrange(key, 0, -1, withscores=True):
            if flow in (b"a", b"b"):
                assert time == max(kept.get(flow, 0), clock)


async def test_what_belongs_to_nobody_leaves_every_index(busy: World, valkey: str) -> None:
    before = _contents(busy)
    key, client = busy.root, busy.client
    for name in before:
        kind = client.type(key + name)
        if name.startswith(("flow:", "line:", "due:", "free:", "warm:", "open:")) or name in (
            "runs", "runs:failed", "questions", "sessions",
        ):  # fmt: skip
            client.zadd(key + name, {"ghost": 1})
        elif name.startswith(("members:", "fits:", "pools:", "classes:")):
            assert kind == b"set"
            client.sadd(key + name, "ghost")
    client.hset(key + "refs", "ghost", 3)
    client.hset(key + "queue:workflow:x", "ghost 4", 3)
    client.hset(key + "held:s1", "ghost", "1 running")
    client.zadd(key + "flow:ghost:4:-", {"ghost": 1})
    client.zadd(key + "flows:ghost:4", {"-": 1})
    client.hincrby(key + "waits:4:workflow:x", "a", 7)
    client.zincrby(key + "kinds", 5, "workflow:x")
    client.hset(key + "wfq:workflow:x", "7", "0")
    client.set(key + "class:ghost", "{}")
    await _repair(valkey)
    busy.sound()
    after = _contents(busy)
    assert [name for name in after if "ghost" in name or "ghost" in str(after[name])] == []
    _check_order(_served(busy))


async def test_a_run_whose_session_is_gone_goes_back_to_its_place(busy: World, valkey: str) -> None:
    place = busy.run("waits1")["place"]
    assert busy.run("waits1")["status"] == "running"
    busy.client.delete(busy.root + "session:s1", busy.root + "held:s1")
    await _repair(valkey)
    assert busy.run("waits1")["status"] == "pending"
    assert busy.run("waits1")["place"] == place
    busy.sound()
    busy.open("new")
    busy.sound()
    assert "new" in {busy.run(run).get("session") for run in ("urgent", "waits1")}


def _repairing(world: World, step: str, *items: str, token: str = "t") -> str:
    return world.raw("repair", token, step, *items)[0][0]


async def test_nothing_changes_while_a_repair_goes_on(busy: World, valkey: str) -> None:
    assert _repairing(busy, "begin") == "ok"
    for change in (
        lambda: busy.submit("new"),
        lambda: busy.complete("s1", "waits1", busy.fence("waits1")),
        busy.tick,
    ):
        with pytest.raises(redis.ResponseError, match="REPAIRING"):
            change()
    assert busy.run("waits1")["status"] == "running", "reading goes on"
    assert busy.call("enter", 10_000, 15_000, 1_000_000, 0, 0, 0)[0] == "ok", "hubs may come"
    with pytest.raises(StoreRepairing, match="another repair"):
        await _repair(valkey)
    assert _repairing(busy, "finish") == "ok"
    assert busy.complete("s1", "waits1", busy.fence("waits1")) == "ok"


async def test_a_repair_that_goes_no_further_lets_go(busy: World, valkey: str) -> None:
    assert _repairing(busy, "begin") == "ok"
    busy.pass_time(10_001)
    assert busy.submit("new") == "accepted"
    assert _repairing(busy, "finish") == "lapsed"
    await _repair(valkey)
    busy.sound()


async def test_a_step_is_bounded(busy: World) -> None:
    assert _repairing(busy, "begin") == "ok"
    assert _repairing(busy, "runs", *["x", "", "", ""] * 257) == "too_many"


async def test_a_class_that_nobody_can_tell_stops_the_repair(busy: World, valkey: str) -> None:
    _delete(busy, "class:<class>")
    busy.client.delete(busy.root + "job:tagged")
    with pytest.raises(StoreError, match="the job of run tagged does not say it"):
        await _repair(valkey)
