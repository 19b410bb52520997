"""Runs of one call over sessions of several pools: those that fit, and of them the least loaded."""

from __future__ import annotations

import pytest

from corral_store.records import Declaration
from tests.lua.world import World, constraints


def open_pools(world: World, count: int, sessions: int, **labels: str) -> list[str]:
    """Opens sessions, so many of each pool; gives their ids."""
    opened: list[str] = []
    for pool in range(count):
        own = {"n": str(pool), **labels}
        for number in range(sessions):
            opened.append(f"{'-'.join(labels.values())}{pool}-{number}")
            declaration = Declaration([("workflow:x", 1)], labels=own, max=50)
            world.open(opened[-1], declaration=declaration)
    return opened


def submit_at_once(world: World, name: str, count: int, **required: str) -> None:
    asked = constraints(required=required)
    world.gather()
    for number in range(count):
        world.submit(f"{name}{number}", constraints=asked)
    world.flush()
    world.gathered = None


# Where few pools fit all are looked at, and of many some that have room.
@pytest.mark.parametrize("pools", [2, 16, 17, 40])
@pytest.mark.parametrize("sessions", [1, 2])
def test_runs_of_one_call_go_to_the_least_loaded(world: World, pools: int, sessions: int) -> None:
    opened = open_pools(world, pools, sessions)
    submit_at_once(world, "a", 2 * len(opened))
    assert {len(world.held(one)) for one in opened} == {2}
    # And in the next call, from what the store has.
    submit_at_once(world, "b", len(opened))
    assert {len(world.held(one)) for one in opened} == {3}
    world.sound()


@pytest.mark.parametrize("pools", [2, 40])
def test_a_call_makes_up_for_what_some_have_more(world: World, pools: int) -> None:
    ahead = open_pools(world, pools, 2, row="ahead")
    submit_at_once(world, "a", 3 * len(ahead), row="ahead")
    behind = open_pools(world, pools, 2, row="behind")
    submit_at_once(world, "b", 3 * len(behind))
    loads = {one: len(world.held(one)) for one in ahead + behind}
    assert sum(loads.values()) == 6 * len(ahead)
    if pools == 2:
        assert set(loads.values()) == {3}
    else:
        assert max(loads.values()) <= 4, "of those that were looked at the least loaded was left"
    world.sound()


def test_open_pools_that_do_not_fit_are_passed_over(world: World) -> None:
    for number in range(20):
        other = Declaration([("workflow:x", 1)], labels={"row": "other", "n": str(number)}, max=50)
        world.open(f"other{number}", declaration=other)
        fitting = Declaration([("workflow:x", 1)], labels={"row": "mine", "n": str(number)}, max=50)
        world.open(f"mine{number}", declaration=fitting)
    submit_at_once(world, "a", 40, row="mine")
    assert [len(world.held(f"other{number}")) for number in range(20)] == [0] * 20
    assert sum(len(world.held(f"mine{number}")) for number in range(20)) == 40
    world.sound()


def test_of_many_open_pools_the_few_that_fit_are_found(world: World) -> None:
    open_pools(world, 200, 1, row="other")
    mine = open_pools(world, 20, 1, row="mine")
    for number in range(30):
        world.submit(f"r{number}", constraints=constraints(required={"row": "mine"}))
        assert world.run(f"r{number}")["session"] in mine
    submit_at_once(world, "a", 30, row="mine")
    assert [len(world.held(one)) for one in mine] == [3] * 20
    world.sound()


def test_of_many_pools_with_memory_the_one_with_enough_is_found(world: World) -> None:
    for number in range(40):
        memory = Declaration(
            [("workflow:x", 1)], labels={"n": str(number)}, admission="vram", devices=[8000]
        )
        world.open(f"s{number}", declaration=memory)
        if number != 29:
            asked = constraints(required={"n": str(number)}, vram_mb=6000)
            world.submit(f"a{number}", constraints=asked, vram_mb=6000)
    world.submit("r", constraints=constraints(vram_mb=4000), vram_mb=4000)
    assert world.run("r")["session"] == "s29"
    world.sound()


def test_all_room_of_many_pools_is_used_in_one_call(world: World) -> None:
    for number in range(40):
        own = Declaration([("workflow:x", 1)], labels={"n": str(number)}, max=2)
        world.open(f"s{number}", declaration=own)
        if number % 3:
            submit_at_once(world, f"a{number}-", number % 3, n=str(number))
    submit_at_once(world, "b", 60)
    started = [world.run(f"b{number}").get("session", "") for number in range(60)]
    assert [len(world.held(f"s{number}")) for number in range(40)] == [2] * 40
    assert sum(1 for session in started if session) == 80 - sum(number % 3 for number in range(40))
    world.sound()


def test_that_no_pool_takes_a_class_is_found_out_once_in_a_call(world: World) -> None:
    for number in range(40):
        own = {"n": str(number)}
        memory = Declaration([("workflow:x", 1)], labels=own, admission="vram", devices=[8000])
        world.open(f"s{number}", declaration=memory)
        small = constraints(required=own, vram_mb=6000)
        world.submit(f"a{number}", constraints=small, vram_mb=6000)
    world.client.config_resetstat()
    world.gather()
    for number in range(100):
        world.submit(f"r{number}", constraints=constraints(vram_mb=4000), vram_mb=4000, wait=0)
    world.flush()
    assert world.client.info("commandstats")["cmdstat_zrange"]["calls"] < 3 * 40
    world.gathered = None
    # What comes back is seen in the next call, and by the runs that follow there.
    assert world.complete("s7", "a7", world.fence("a7")) == "ok"
    world.submit("last", constraints=constraints(vram_mb=4000), vram_mb=4000, wait=0)
    assert world.run("last")["session"] == "s7"
    world.sound()
