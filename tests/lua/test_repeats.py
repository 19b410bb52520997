"""Every transition may be called again with the same arguments: nothing changes then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from corral_store.digests import plain_class, pool_of
from corral_store.library import READ_ONLY
from corral_store.records import Declaration, NewRun
from corral_store.stubs import ARGUMENTS
from corral_store.transitions import packed_runs
from tests.lua.world import World

_, SHAPE = plain_class("workflow:x", 0)
POOL, POOL_JSON = pool_of(Declaration([("workflow:x", 1)], max=3))

# What a second call may write: clocks and counters of calls, and when a lease ends.
VOLATILE = {b"meta", b"due:leases", b"due:tombstones", b"hubs"}


def _submit(world: World, run: str) -> tuple[Any, ...]:
    class_id, class_json = plain_class("workflow:x", 0)
    asked = NewRun(
        run, "{}", "q", "workflow:x", "x", class_id, class_json, idem="k",
        retention_ms=1000, once=1,
    )  # fmt: skip
    return tuple(packed_runs([asked]))


def _hello(connection: str) -> tuple[Any, ...]:
    return (
        "s9", connection, "w9", "instance", "p", POOL, POOL_JSON, 15_000, 6000, "", "sdk", 100
    )  # fmt: skip


def _outcome(world: World) -> tuple[Any, ...]:
    return ("s1", "1", "completed", "r1", world.fence("r1"), 7, "1", "")


CALLS: dict[str, Callable[[World], tuple[Any, ...]]] = {
    "enter": lambda w: (10_000, 15_000, 1_000_000, 0, 0, 0),
    "submit": lambda w: _submit(w, "r9"),
    "cancel": lambda w: ("r1", '"why"'),
    "retry": lambda w: ("failed", SHAPE),
    "pause": lambda w: ("workflow:x", "1"),
    "report": _outcome,
    "relay": lambda w: ("s1", "r1", w.fence("r1"), 1, 1, 1, '[["chunk",1]]'),
    "listen": lambda w: ("r1", "on", "", 0),
    "answer_input": lambda w: ("r1", "q1", "true"),
    "open_session": lambda w: _hello("c1"),
    "resume_session": lambda w: _hello("c2"),
    "renew": lambda w: (10_000, "s1", "1"),
    "close_session": lambda w: ("s1", "1", "cut", 10_000),
    "drain": lambda w: ("w-s1", "drain"),
    "resident": lambda w: ("s1", "1", "llama3"),
    "fetch_mail": lambda w: ("s1", "1"),
    "tick": lambda w: (500,),
    "repair": lambda w: ("token", "begin"),
}


@pytest.fixture
def busy(world: World) -> World:
    world.open("s1", max=2)
    world.submit("r1")
    world.submit("failed", deadline_ms=10)
    world.pass_time(11)
    world.tick()
    world.report("s1", ("stopped", "failed", world.fence("failed"), 1))
    world.submit("r2")
    world.submit("r3")
    world.ask("s1", "r1", "q1")
    return world


def _state(world: World) -> dict[bytes, Any]:
    out: dict[bytes, Any] = {}
    for key in sorted(world.client.scan_iter(f"{world.root}*")):
        name = bytes(key).removeprefix(world.root.encode())
        if name in VOLATILE:
            continue
        kind = bytes(world.client.type(key)).decode()
        if name == b"totals":
            out[name] = {
                k: v for k, v in world.client.hgetall(key).items() if k not in (b"deduplicated",)
            }
        elif kind == "hash":
            out[name] = world.client.hgetall(key)
        elif kind == "zset":
            out[name] = world.client.zrange(key, 0, -1, withscores=True)
        elif kind == "set":
            out[name] = world.client.smembers(key)
        elif kind == "list":
            out[name] = world.client.lrange(key, 0, -1)
        elif kind == "stream":
            out[name] = world.client.xlen(key)
        else:
            out[name] = world.client.get(key)
    return out


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_repeated_call_changes_nothing(busy: World, name: str) -> None:
    arguments = CALLS[name](busy)
    busy.raw(name, *arguments)
    once = _state(busy)
    busy.raw(name, *arguments)
    assert _state(busy) == once
    busy.sound()


def test_every_transition_is_called_twice() -> None:
    assert set(CALLS) == set(ARGUMENTS) - READ_ONLY


def test_news_of_a_hub_that_is_long_dead_are_forgotten(world: World) -> None:
    world.call("renew", 1000, hub="dead")
    world.open("s1", hub="dead")
    world.submit("r1")
    assert world.client.exists(f"{world.root}news:dead") == 1
    world.pass_time(70_000)
    world.call("renew", 1000)
    assert world.client.exists(f"{world.root}news:dead") == 0
