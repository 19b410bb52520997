"""What clients can do again and again leaves nothing behind, and no list ends too early."""

from __future__ import annotations

from typing import Any

from corral_store.digests import plain_class
from corral_store.filters import RunFilter
from tests.lua.world import World, constraints

CLASS, _ = plain_class("workflow:x", 0)


def keys(world: World) -> set[str]:
    return {key.decode().removeprefix(world.root) for key in world.client.scan_iter()}


def test_a_refused_run_leaves_no_class_behind(world: World) -> None:
    before = keys(world)
    for i in range(5):
        assert world.submit(f"r{i}", constraints=constraints(vram_mb=1000 * i), wait=0) in (
            "no_worker",
        )
    assert keys(world) == before


def test_a_class_outlives_its_last_run_by_a_little(world: World) -> None:
    world.open("s1")
    before = keys(world)
    for run in ("r1", "r2"):
        assert world.submit(run) == "accepted"
        world.complete("s1", run, world.fence(run))
    assert world.submit("r3", kind="workflow:y", wait=0) == "no_worker"
    born = {f"class:{CLASS}", f"fits:{CLASS}", "classes:workflow:x", "due:classes"}
    assert born <= keys(world) - before
    world.tick()
    assert born <= keys(world)
    # A new worker finds out whether it fits the class, as if a run of it waited.
    world.open("s2", max=2)
    world.sound()
    world.submit("last")
    world.client.hset(f"{world.root}meta", "ahead_ms", 6000)
    world.tick()
    assert born - {"due:classes"} <= keys(world)
    world.complete(world.run("last")["session"], "last", world.fence("last"))
    world.client.hset(f"{world.root}meta", "ahead_ms", 12_000)
    world.tick()
    assert not born & keys(world)
    world.sound()


def test_a_refused_run_leaves_the_class_of_another_alone(world: World) -> None:
    assert world.submit("r1") == "accepted"
    assert world.submit("r2", wait=0) == "no_worker"
    world.open("s1")
    assert world.run("r1")["status"] == "running"
    world.sound()


def test_limits_of_attempts_that_have_ended_do_not_keep_the_ticks_busy(world: World) -> None:
    """A page full of them would hide every deadline behind it, and tick without a pause."""
    policy = "[9,600000,1,600000,0,[]]"
    world.open("s1", max=250)
    for i in range(220):
        world.submit(f"r{i:03}", run_ms=1000, retry=policy)
    error = '{"type":"E","message":"m","retryable":true}'
    reports = [("failed", f"r{i:03}", world.fence(f"r{i:03}"), 0, error) for i in range(220)]
    assert set(world.report("s1", *reports)) == {"ok"}
    world.pass_time(1500)
    world.submit("late", kind="workflow:none", deadline_ms=1)
    world.pass_time(2)
    for _ in range(4):
        if world.tick()[0] == "done":
            break
    assert world.tick()[0] == "done"
    assert world.run("late")["status"] == "failed"
    world.sound()


def test_an_attempt_after_a_retry_has_its_limit_too(world: World) -> None:
    world.open("s1")
    world.submit("r1", run_ms=5000, retry="[9,1000,1,1000,0,[]]")
    error = '{"type":"E","message":"m","retryable":true}'
    world.report("s1", ("failed", "r1", world.fence("r1"), 0, error))
    world.pass_time(5500)
    world.tick()
    assert world.run("r1")["status"] == "running"
    world.call("renew", 10_000, "s1", "1")
    world.pass_time(5500)
    world.tick()
    assert world.run("r1")["status"] == "failed"
    world.sound()


def pages(world: World, workflow: str, statuses: str = "") -> list[str]:
    found: list[str] = []
    cursor = ("", "")
    for _ in range(20):
        rows, more = read(world, statuses, workflow, cursor)
        found += [row[0] for row in rows]
        cursor = (more[0], more[1])
        if not cursor[1]:
            break
    return found


def read(world: World, statuses: str, workflow: str, cursor: tuple[str, str]) -> Any:
    wanted = RunFilter((statuses,) if statuses else (), workflow)
    reply = world.raw("list_runs", wanted.text(), 50, *cursor)
    return reply[0], reply[2]


def test_a_listing_goes_on_beyond_what_one_page_looks_at(world: World) -> None:
    world.submit("old", workflow="rare")
    world.gather()
    for i in range(2500):
        world.submit(f"r{i:04}")
    world.flush()
    assert pages(world, "rare") == ["old"]


def test_a_listing_passes_more_runs_of_one_moment_than_a_page_looks_at(world: World) -> None:
    world.gather()
    world.submit("aaa", workflow="rare")
    for i in range(2500):
        world.submit(f"r{i:04}")
    world.flush()
    index = f"{world.root}runs"
    for run in ("aaa", *(f"r{i:04}" for i in range(2500))):
        world.client.zadd(index, {run: 7})
    assert pages(world, "rare") == ["aaa"]


def test_a_listing_goes_on_when_the_run_of_its_cursor_is_gone(world: World) -> None:
    for i in range(120):
        world.submit(f"r{i:03}")
    rows, cursor = read(world, "", "", ("", ""))
    world.client.zrem(f"{world.root}runs", cursor[1])
    rest = pages_from(world, (cursor[0], cursor[1]))
    assert sorted([row[0] for row in rows] + rest) == [f"r{i:03}" for i in range(120)]


def pages_from(world: World, cursor: tuple[str, str]) -> list[str]:
    found: list[str] = []
    while cursor[1]:
        rows, more = read(world, "", "", cursor)
        found += [row[0] for row in rows]
        cursor = (more[0], more[1])
    return found


def test_flows_that_are_served_once_are_forgotten_with_the_backlog(world: World) -> None:
    world.gather()
    for i in range(200):
        world.submit(f"r{i}", flow=f"f{i}")
    world.flush()
    world.open("s1", max=300)
    assert len(world.held("s1")) == 200
    assert world.client.exists(f"{world.root}vt:4:workflow:x") == 0
    world.sound()


def test_a_flow_that_was_served_gains_nothing_by_the_end_of_a_backlog(world: World) -> None:
    """Virtual time goes on from where the backlog left it."""
    for i in range(6):
        world.submit(f"a{i}", flow="a")
    world.submit("c0", flow="c")
    world.open("s1", max=7)
    world.submit("b0", flow="b")
    world.submit("a6", flow="a")
    flows = f"{world.root}flows:{world.run('b0')['class']}:4"
    a, b = (world.client.zscore(flows, flow) for flow in ("a", "b"))
    assert a == b >= 1
    world.sound()


def test_kinds_that_nobody_has_used_for_long_end(world: World) -> None:
    for at in range(0, 1100, 50):
        for i in range(at, at + 50):
            world.submit(f"r{i}", kind=f"workflow:k{i}")
        world.call("cancel", *[p for i in range(at, at + 50) for p in (f"r{i}", '""')])
    world.client.hset(f"{world.root}meta", "ahead_ms", 6000)
    for _ in range(16):
        world.tick()
    assert world.client.zcard(f"{world.root}kinds") <= 1024
    world.sound()


ENTRY_BYTES = 1678


def feed_bytes(world: World) -> int:
    """What the entries of the feed count for: each for its bytes, a small one for some more."""
    feed: Any = world.client.xrange(f"{world.root}feed")
    return sum(max(len(fields[b"events"]), ENTRY_BYTES) for _, fields in feed)


def test_the_feed_is_bounded_in_bytes(world: World) -> None:
    world.open("s1", max=100)
    world.submit("r1")
    mine, payload = world.fence("r1"), '"' + "x" * 50_000 + '"'
    limit = 32 * 1024 * 1024
    highest = 0
    for call in range(20):
        events = [("event", "r1", mine, call * 40 + n + 1, "big", payload) for n in range(40)]
        assert set(world.report("s1", *events)) == {"ok"}
        highest = max(highest, feed_bytes(world))
        assert int(world.client.hget(f"{world.root}meta", "feed_bytes")) == feed_bytes(world)
    assert limit * 0.9 < highest <= limit
    newest: Any = world.client.xrevrange(f"{world.root}feed", count=1)
    assert newest[0][1][b"events"].count(b'"big"') == 40
    # Small entries go on behind the large ones, and behind a feed that somebody has deleted.
    assert world.submit("r2") == "accepted"
    world.client.delete(f"{world.root}feed")
    for run in ("r3", "r4", "r5"):
        world.client.hincrby(f"{world.root}meta", "feed_bytes", limit)
        assert world.submit(run) == "accepted"
    assert int(world.client.hget(f"{world.root}meta", "feed_bytes")) <= feed_bytes(world)
    world.sound()


def test_the_feed_is_bounded_in_entries_and_counts_what_they_have(world: World) -> None:
    root, call = world.root, world.library.function("cancel")
    world.submit("r0")
    pipe = world.client.pipeline(transaction=False)
    for _ in range(20_000):
        pipe.xadd(f"{root}feed", {"events": "[]"})
    pipe.execute()
    world.client.hincrby(f"{root}meta", "feed_bytes", ENTRY_BYTES * 20_000)
    world.client.fcall(call, 1, root, "a", "r0", '""')
    assert 19_000 < world.client.xlen(f"{root}feed") <= 20_000
    assert int(world.client.hget(f"{root}meta", "feed_bytes")) == feed_bytes(world)
