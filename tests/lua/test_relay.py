"""Ephemeral events: what is kept of them, who is told, and when they end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis.client import PubSub

from corral_store.digests import plain_class
from tests.lua.world import World

RETRY = json.dumps([3, 1000, 2.0, 60_000, 0, []])
FAILED = json.dumps({"type": "ValueError", "message": "no", "retryable": True})


@pytest.fixture
def streams(world: World) -> World:
    """A run that executes on s1 and may be tried again."""
    world.open("s1")
    world.submit("r1", retry=RETRY)
    return world


def listen(world: World, how: str = "read", fence: str = "", number: int = 0) -> list[Any]:
    """First numbers and items of the batches that are kept beyond a number."""
    world.call("listen", "r1", how, fence, number)
    return [(b["first"], [item[1] for item in b["items"]]) for b in map(json.loads, world.more[2])]


def output(world: World) -> Any:
    return json.loads(world.client.get(f"{world.root}output:r1") or b"null")


def told(channel: PubSub) -> list[Any]:
    """The batches that a hub was told, by first number and items."""
    out: list[Any] = []
    while (message := channel.get_message(timeout=0.1)) is not None:
        if message["type"] == "message":
            out += [
                (b["first"], [i[1] for i in b["items"]])
                for b in json.loads(message["data"] or b"[]")
            ]
    return out


def subscribed(world: World, hub: str) -> PubSub:
    channel = world.client.pubsub()
    channel.subscribe(f"{world.root}chunks:{hub}")
    channel.get_message(timeout=1)
    return channel


def test_a_batch_is_told_to_the_hubs_that_listen_and_kept(streams: World) -> None:
    a, b = subscribed(streams, "a"), subscribed(streams, "b")
    assert streams.relay("s1", "r1", 1, "one") == "ok"
    assert listen(streams, "on") == [(1, ["one"])]
    assert streams.relay("s1", "r1", 2, "two", "three") == "ok"
    assert (told(a), told(b)) == ([(2, ["two", "three"])], [])
    fence = streams.fence("r1")
    assert listen(streams, "read", fence, 1) == [(2, ["two", "three"])]
    # A position within a batch gives all of it: who asks knows what it has.
    assert listen(streams, "read", fence, 2) == [(2, ["two", "three"])]
    assert listen(streams, "read", fence, 3) == []
    streams.call("listen", "r1", "off", "", 0)
    streams.relay("s1", "r1", 4, "four")
    assert told(a) == []
    streams.sound()


def test_a_batch_that_was_had_is_neither_kept_nor_told_again(streams: World) -> None:
    a = subscribed(streams, "a")
    listen(streams, "on")
    assert streams.relay("s1", "r1", 1, "one", "two") == "ok"
    assert streams.relay("s1", "r1", 1, "one", "two") == "seen"
    assert streams.relay("s1", "r1", 2, "two") == "seen"
    assert streams.relay("s1", "r1", 5, "five") == "ok"
    assert streams.relay("s1", "r1", 3, "three") == "seen"
    assert told(a) == [(1, ["one", "two"]), (5, ["five"])] == listen(streams)
    streams.sound()


def test_only_the_session_that_has_the_run_streams(streams: World) -> None:
    fence = streams.fence("r1")
    streams.open("s2", capabilities=[("workflow:y", 1)])
    assert streams.relay("s2", "r1", 1, "x") == "stale"
    assert streams.relay("s1", "r1", 1, "x", fence="7") == "stale"
    assert streams.relay("s1", "r9", 1, "x", fence="7") == "unknown"
    streams.complete("s1", "r1", fence)
    assert streams.relay("s1", "r1", 1, "x") == "stale"
    assert streams.call("listen", "r9", "on", "", 0) == []
    assert listen(streams, "on") == []
    streams.sound()


def test_the_oldest_go_beyond_the_bounds(streams: World) -> None:
    for number in range(1, 301):
        streams.relay("s1", "r1", number, number)
    assert [first for first, _ in listen(streams)] == list(range(45, 301))
    for number in range(301, 341):
        streams.relay("s1", "r1", number, "x" * 16_000)
    kept = listen(streams)
    assert kept[-1][0] == 340
    assert 15 <= len(kept) <= 16
    streams.sound()


def test_the_next_attempt_begins_anew(streams: World) -> None:
    first = streams.fence("r1")
    streams.relay("s1", "r1", 1, "old")
    streams.report("s1", ("failed", "r1", first, 1, FAILED))
    streams.pass_time(2000)
    streams.tick()
    assert streams.fence("r1") != first
    assert streams.relay("s1", "r1", 2, "late", fence=first) == "stale"
    assert streams.relay("s1", "r1", 1, "new") == "ok"
    assert listen(streams, "read", first, 1) == [(1, ["new"])]
    streams.sound()


def test_what_is_kept_outlives_the_run_by_some_seconds(streams: World) -> None:
    listen(streams, "on")
    streams.relay("s1", "r1", 1, "one")
    streams.complete("s1", "r1", streams.fence("r1"))
    assert listen(streams) == [(1, ["one"])]
    assert streams.client.exists(f"{streams.root}listens:r1") == 0
    streams.pass_time(16_000)
    streams.tick()
    assert listen(streams) == []
    assert streams.client.exists(f"{streams.root}ring:r1") == 0
    assert streams.client.zcard(f"{streams.root}due:rings") == 0
    streams.sound()


def test_nothing_is_left_of_a_run_that_is_removed(world: World) -> None:
    world.open("s1")
    world.submit("r1", retention_ms=1000)
    world.relay("s1", "r1", 1, "one")
    world.complete("s1", "r1", world.fence("r1"))
    world.pass_time(2000)
    world.tick()
    assert list(world.client.scan_iter(f"{world.root}*r1*")) == []
    assert world.client.zcard(f"{world.root}due:rings") == 0


def test_near_the_memory_limit_nothing_is_kept_and_the_followers_are_told(streams: World) -> None:
    a = subscribed(streams, "a")
    listen(streams, "on")
    streams.client.hset(f"{streams.root}meta", "full", 1)
    assert streams.relay("s1", "r1", 1, "one") == "ok"
    assert told(a) == [(1, ["one"])]
    assert listen(streams) == []
    assert streams.more[:2] == [streams.fence("r1"), "1"]


def test_a_hub_that_is_gone_is_told_no_more(streams: World) -> None:
    streams.call("renew", 1000, hub="dead")
    streams.call("renew", 90_000, hub="a")
    streams.call("listen", "r1", "on", "", 0, hub="dead")
    streams.pass_time(60_000)
    streams.call("listen", "r1", "on", "", 0)
    assert streams.client.smembers(f"{streams.root}listens:r1") == {b"a"}


def once(world: World, relayed: bool = True) -> str:
    """A run that wants no second answer; gives its fence."""
    world.open("s1")
    world.submit("r1", retry=RETRY, once=1)
    if relayed:
        world.relay("s1", "r1", 1, "one")
    return world.fence("r1")


def test_no_attempt_follows_a_failure_behind_a_chunk(world: World) -> None:
    fence = once(world)
    world.report("s1", ("failed", "r1", fence, 1, FAILED))
    assert world.run("r1")["status"] == "failed"
    assert output(world) == json.loads(FAILED)
    world.sound()


@pytest.mark.parametrize("how", ["lost", "goodbye", "give_back", "stopped"])
def test_no_attempt_follows_a_loss_behind_a_chunk(world: World, how: str) -> None:
    fence = once(world)
    if how in ("lost", "goodbye"):
        world.call("close_session", "s1", "1", how, 0)
    else:
        world.report("s1", (how, "r1", fence, 1, '"why"'))
    assert world.run("r1")["status"] == "failed"
    assert output(world)["code"] == "WORKER_LOST"
    world.sound()


def test_without_a_chunk_an_attempt_follows(world: World) -> None:
    fence = once(world, relayed=False)
    log = json.dumps([["log", {"message": "x"}]])
    assert world.call("relay", "s1", "r1", fence, 1, 1, 0, log) == ["ok"]
    world.call("close_session", "s1", "1", "lost", 0)
    assert world.run("r1")["status"] == "pending"
    world.sound()


def test_a_retry_by_hand_may_answer_once_more(world: World) -> None:
    fence = once(world)
    world.report("s1", ("failed", "r1", fence, 1, FAILED))
    assert world.call("retry", "r1", plain_class("workflow:x", 0)[1]) == ["retried"]
    assert world.run("r1")["once"] == "1"
    assert listen(world) == []
    world.relay("s1", "r1", 1, "two")
    assert world.run("r1")["once"] == "2"
    world.sound()
