"""The rate at which a namespace's submits are let through."""

from __future__ import annotations

from corral_store.transitions import packed_runs
from tests.lua.world import World


def limited(world: World, per_second: float, burst: int) -> World:
    world.call("enter", 10_000, world.lease_ms, 1_000_000, 0, per_second, burst)
    # The bucket is looked at in steps of the test, not of the machine.
    world.client.hset(world.root + "meta", "clock", 10**13)
    return world


def test_a_burst_is_let_through_and_then_one_at_a_time(world: World) -> None:
    limited(world, 2, 3)
    verdicts = [world.submit(f"r{n}") for n in range(5)]
    assert verdicts == ["accepted"] * 3 + ["rate_limited"] * 2
    world.pass_time(499)
    assert world.submit("r3") == "rate_limited"
    world.pass_time(1)
    assert world.submit("r3") == "accepted"
    assert world.submit("r4") == "rate_limited"
    world.pass_time(10_000)
    assert [world.submit(f"s{n}") for n in range(4)] == ["accepted"] * 3 + ["rate_limited"]
    world.sound()


def test_the_refusal_says_when_the_next_one_is_let_through(world: World) -> None:
    limited(world, 2, 1)
    world.submit("r1")
    world.gather()
    world.submit("r2")
    assert world.gathered is not None
    (refused,) = world.call("submit", *packed_runs(world.gathered))
    assert (refused[0], refused[3]) == ("rate_limited", "500")


def test_a_repeated_submit_costs_nothing_and_a_refused_one_leaves_nothing(world: World) -> None:
    limited(world, 1, 1)
    assert world.submit("r1") == "accepted"
    assert [world.submit("r1") for _ in range(3)] == ["duplicate"] * 3
    assert world.submit("r2", kind="workflow:other") == "rate_limited"
    assert world.run("r2") == {}
    assert world.client.exists(f"{world.root}job:r2", f"{world.root}classes:workflow:other") == 0
    world.sound()


def test_without_a_rate_nothing_is_counted(world: World) -> None:
    limited(world, 5, 5)
    limited(world, 0, 1)
    assert [world.submit(f"r{n}") for n in range(20)] == ["accepted"] * 20
    assert world.client.hget(world.root + "meta", "bucket") is None
