"""Each invariant of check is broken once by hand, and check names it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from corral_store.digests import plain_class, pool_of
from corral_store.library import read_sources
from corral_store.records import Declaration
from tests.lua.world import World

CLASS, _ = plain_class("workflow:x", 0)
POOL, _ = pool_of(Declaration([("workflow:x", 1)], max=1))

Break = Callable[[World], object]


def key(world: World, name: str) -> str:
    return world.root + name


BREAKS: dict[str, Break] = {
    "run_has_record": lambda w: w.client.delete(key(w, "run:waits")),
    "fence_is_known": lambda w: w.client.hset(key(w, "run:runs"), "fence", 9 * 10**15),
    "run_has_job": lambda w: w.client.delete(key(w, "job:waits")),
    "pending_stands_in_line": lambda w: w.client.zrem(key(w, f"flow:{CLASS}:4:-"), "waits"),
    "only_pending_stand_in_line": lambda w: w.client.zadd(key(w, f"flow:{CLASS}:4:-"), {"done": 1}),
    "delayed_is_due": lambda w: w.client.zrem(key(w, "due:delays"), "later"),
    "running_is_held": lambda w: w.client.hdel(key(w, "held:s1"), "runs"),
    "only_terminal_have_ended": lambda w: w.client.hset(key(w, "run:waits"), "ended", 1),
    "terminal_is_retained": lambda w: w.client.zrem(key(w, "due:retention"), "done"),
    "paused_kinds_are_counted": lambda w: w.client.sadd(key(w, "paused"), "workflow:x"),
    "events_are_numbered": lambda w: w.client.rpush(key(w, "events:done"), "{}"),
    "class_counts_its_runs": lambda w: w.client.hincrby(key(w, "refs"), CLASS, 1),
    "class_ends_with_its_runs": lambda w: w.client.hset(key(w, "refs"), "other", 1),
    "class_without_runs_is_due": lambda w: w.client.delete(key(w, "due:classes")),
    "totals_add_up": lambda w: w.client.hincrby(key(w, "totals"), "submitted", 1),
    "flow_has_runs": lambda w: w.client.zadd(key(w, f"flows:{CLASS}:4"), {"ghost": 5}),
    "queue_counts_the_line": lambda w: w.client.hincrby(
        key(w, "queue:workflow:x"), f"{CLASS} 4", 1
    ),
    "class_stands_when_it_fits": lambda w: w.client.zrem(key(w, "line:4:workflow:x"), CLASS),
    "class_stands_at_its_first_flow": lambda w: w.client.zincrby(
        key(w, "line:4:workflow:x"), 5, CLASS
    ),
    "fits_is_true": lambda w: w.client.srem(key(w, f"fits:{CLASS}"), POOL),
    "flows_that_wait_are_counted": lambda w: w.client.hincrby(key(w, "waits:4:workflow:x"), "-", 1),
    "kind_of_pending_is_listed": lambda w: w.client.delete(key(w, "kinds")),
    "kind_counts_its_lines": lambda w: w.client.zincrby(key(w, "kinds"), 1, "workflow:x"),
    "band_stands_while_backlogged": lambda w: w.client.hdel(key(w, "wfq:workflow:x"), "4"),
    "no_run_waits_beside_room": lambda w: (
        w.client.delete(key(w, "held:s1")),
        w.client.hset(key(w, "session:s1"), mapping={"in_flight": 0}),
    ),
    "held_runs_here": lambda w: w.client.hset(key(w, "held:s1"), "done", "1 running"),
    "in_flight_counts_held": lambda w: w.client.hset(key(w, "session:s1"), "in_flight", 0),
    "offered_is_due": lambda w: w.client.zrem(key(w, "due:offers"), "offer"),
    "offers_are_counted": lambda w: w.client.hset(key(w, "session:s3"), "offers", 3),
    "stopping_is_counted": lambda w: w.client.hset(key(w, "session:s1"), "stopping", 1),
    "mail_is_about_what_is_held": lambda w: w.client.hset(key(w, "mail:s1"), "done", "1 run"),
    "session_has_its_pool": lambda w: w.client.hset(key(w, "session:s1"), "pool", "ghost"),
    "never_over_capacity": lambda w: w.client.hset(key(w, "held:s1"), "done", "1 stopping"),
    "free_shows_room": lambda w: w.client.zadd(key(w, f"free:{POOL}"), {"s1": 0}),
    "free_shows_load": lambda w: w.client.zincrby(key(w, "free:" + IDLE), 3, "s2"),
    "open_shows_pools_with_room": lambda w: w.client.zadd(key(w, "open:workflow:x"), {POOL: 1}),
    "pool_is_listed": lambda w: w.client.srem(key(w, "pools:workflow:x"), POOL),
    "worker_has_one_session": lambda w: w.client.set(key(w, "worker:w-s1"), "s9"),
    "listed_session_has_a_lease": lambda w: w.client.delete(key(w, "due:leases")),
    "session_is_listed_too": lambda w: w.client.zrem(key(w, "sessions"), "s1"),
    "open_question_is_listed": lambda w: w.client.zrem(key(w, "questions"), "asks q1"),
    "listed_question_is_open": lambda w: w.client.zadd(key(w, "questions"), {"done q1": 1}),
    "parked_awaits_an_answer": lambda w: w.client.hset(key(w, "run:parked"), "awaits", "q9"),
    "ring_counts_its_bytes": lambda w: w.client.rpush(key(w, "ring:asks"), "{}"),
    "ring_has_an_end": lambda w: w.client.zrem(key(w, "due:rings"), "done"),
    "nobody_follows_what_has_ended": lambda w: w.client.sadd(key(w, "listens:done"), "a"),
    "lease_has_a_session": lambda w: w.client.zadd(key(w, "due:leases"), {"ghost": 1}),
}
IDLE, _ = pool_of(Declaration([("workflow:y", 1)], max=1))


@pytest.fixture
def busy(world: World) -> World:
    """A namespace with a bit of everything."""
    world.open("s1")
    world.open("s2", capabilities=[("workflow:y", 1)])
    world.open("s3", declaration=Declaration([("workflow:z", 1)], admission="reactive", max=4))
    world.submit("offer", kind="workflow:z")
    world.open("s4", capabilities=[("workflow:q", 1)], max=2)
    world.submit("asks", kind="workflow:q")
    world.submit("parked", kind="workflow:q")
    for run in ("asks", "parked"):
        world.ask("s4", run, "q1")
    world.report("s4", ("park", "parked", world.fence("parked"), 9, "q1"))
    world.submit("done")
    world.relay("s4", "asks", 1, "a")
    world.relay("s1", "done", 1, "a")
    world.complete("s1", "done", world.fence("done"))
    world.submit("brief", version=1)
    world.complete("s1", "brief", world.fence("brief"))
    world.submit("runs")
    world.submit("waits")
    world.submit("later", delay_ms=100_000)
    world.sound()
    return world


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_check_names_a_broken_invariant(busy: World, name: str) -> None:
    BREAKS[name](busy)
    assert name in {broken for broken, _ in busy.check()}


def test_every_invariant_has_a_test_that_breaks_it(busy: World) -> None:
    body = read_sources()["parts/invariants"]
    assert set(re.findall(r"'([a-z]+(?:_[a-z]+){2,})'", body)) == set(BREAKS)
