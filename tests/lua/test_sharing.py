"""Shares and starvation at scale: bands, flows, classes, pools."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from corral_store.records import Declaration
from tests.lua.world import World, constraints

WEIGHTS = [8, 7, 6, 5, 4, 3, 2, 1]


def serve(world: World, session: str, count: int) -> list[str]:
    """Completes what a session of one has, `count` times; gives the runs in order."""
    order: list[str] = []
    for _ in range(count):
        ((run, held),) = world.held(session).items()
        order.append(run)
        assert world.complete(session, run, held.split()[0]) == "ok"
    return order


@pytest.mark.parametrize("absent", [[], [0], [1, 4], [0, 2, 3, 7]])
def test_shares_of_placeable_bands_are_exact_over_every_round(
    world: World, absent: list[int]
) -> None:
    """A band whose runs nobody here can take neither earns nor pays."""
    # Another pool keeps the unplaceable class in its line: it fits there, and is full.
    other = Declaration([("workflow:x", 1)], tags={"zone": "nowhere"})
    world.open("other", declaration=other)
    world.submit("plug", constraints=constraints(tags=[("zone", "nowhere")]))
    world.gather()
    for band in range(8):
        tags = [("zone", "nowhere")] if band in absent else []
        for i in range(100):
            world.submit(f"{band}-{i}", priority=band * 32, constraints=constraints(tags=tags))
    world.flush()
    world.open("s1")
    present = [band for band in range(8) if band not in absent]
    round_ = sum(WEIGHTS[band] for band in present)
    for _ in range(2):
        served = Counter(int(run.split("-")[0]) for run in serve(world, "s1", round_))
        assert served == {band: WEIGHTS[band] for band in present}


def test_a_small_tenant_starts_soon_beside_a_very_large_one(world: World) -> None:
    """100,000 runs of one tenant over 500 classes, some of them unplaceable."""
    world.gather()
    for i in range(100_000):
        shape = constraints(
            preferred={"n": str(i % 500)}, tags=[("zone", "x")] if i % 50 == 7 else []
        )
        world.submit(f"big-{i}", flow="big", constraints=shape)
    world.flush()
    world.open("s1", declaration=Declaration([("workflow:x", 1)]))
    serve(world, "s1", 100)
    for i in range(10):
        world.submit(f"small-{i}", flow="small")
    world.flush()
    flows = 2
    order = serve(world, "s1", 2 * flows * 10)
    assert sum(run.startswith("small") for run in order) == 10


def test_weights_of_flows_are_their_shares(world: World) -> None:
    world.gather()
    for i in range(400):
        world.submit(f"three-{i}", flow="three", weight=3)
        world.submit(f"one-{i}", flow="one")
    world.flush()
    world.open("s1")
    served = Counter(run.split("-")[0] for run in serve(world, "s1", 200))
    assert abs(served["three"] - 150) <= 2


def test_priorities_inside_a_band_count_and_none_starves(world: World) -> None:
    world.open("s1")
    world.submit("holds")
    world.submit("low", priority=159)
    world.submit("high", priority=128)
    assert serve(world, "s1", 3) == ["holds", "high", "low"]
    world.submit("holds2")
    world.submit("last", priority=159)
    world.gather()
    for i in range(3000):
        world.submit(f"h{i}", priority=128)
    world.flush()
    order = serve(world, "s1", 2200)
    assert "last" in order


def test_10000_sessions_of_one_pool_share_evenly_and_warm_ones_come_first(world: World) -> None:
    world.lease_ms = 600_000  # To open them all may take longer than a lease.
    for i in range(10_000):
        world.open(f"s{i}", max=2, models="llama3" if i in (17, 4711) else "")
    for i in range(4):
        world.submit(f"warm{i}", model="llama3")
    assert Counter(world.run(f"warm{i}")["session"] for i in range(4)) == {"s17": 2, "s4711": 2}
    world.gather()
    for i in range(9_998):
        world.submit(f"r{i}")
    world.flush()
    while world.tick()[0] == "more":
        pass
    loads = Counter(len(world.held(f"s{i}")) for i in range(10_000))
    assert loads == {1: 9_998, 2: 2}


def test_10000_sessions_of_their_own_kind_of_pool_still_find_the_one_that_fits(
    world: World,
) -> None:
    for i in range(2000):
        world.open(f"s{i}", declaration=Declaration([("workflow:x", 1)], labels={"host": str(i)}))
    world.submit("r1", constraints=constraints(required={"host": "1234"}))
    assert world.run("r1")["session"] == "s1234"
    world.sound()


def test_thousands_of_submits_never_fill_a_session_beyond_its_limit(world: World) -> None:
    for i in range(20):
        world.open(f"s{i}", max=7, hub="b")
    world.gather()
    for i in range(2000):
        world.submit(f"r{i}")
        if i % 200 == 0:
            assert max(len(world.held(f"s{n}")) for n in range(20)) <= 7
    world.flush()
    assert [len(world.held(f"s{n}")) for n in range(20)] == [7] * 20
    world.sound()


def test_classes_of_one_tenant_take_turns(world: World) -> None:
    """Runs of one key with different needs: none waits for the end of the others' backlog."""
    world.gather()
    for i in range(60):
        for name in "abc":
            world.submit(f"{name}-{i}", constraints=constraints(preferred={"n": name}))
    world.flush()
    world.open("s1")
    served = Counter(run.split("-")[0] for run in serve(world, "s1", 30))
    assert served == {"a": 10, "b": 10, "c": 10}


def test_classes_of_several_tenants_take_turns(world: World) -> None:
    world.gather()
    for i in range(60):
        for name in "abc":
            for flow in ("one", "two"):
                shape = constraints(preferred={"n": name})
                world.submit(f"{flow}-{name}-{i}", flow=flow, constraints=shape)
    world.flush()
    world.open("s1")
    order = serve(world, "s1", 120)
    flows = Counter(run.split("-")[0] for run in order)
    names = Counter(run.split("-")[1] for run in order)
    assert abs(flows["one"] - flows["two"]) <= 20
    assert min(names.values()) >= 20
    world.sound()


# What runs that wait differ in, and how many of each a session with room for nine takes at once.
TURNS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, int]]] = {
    "bands": ({"priority": 0}, {"priority": 255}, (8, 1)),
    "flows": ({"flow": "a"}, {"flow": "b"}, (5, 4)),
    "weights": ({"flow": "a", "weight": 2}, {"flow": "b"}, (6, 3)),
    "kinds": ({"kind": "workflow:x"}, {"kind": "workflow:y"}, (5, 4)),
    "classes": (
        {"constraints": constraints(preferred={"n": "a"})},
        {"constraints": constraints(preferred={"n": "b"})},
        (5, 4),
    ),
}


@pytest.mark.parametrize("differ", TURNS)
def test_a_session_with_much_room_takes_turns_as_one_with_little(world: World, differ: str) -> None:
    first, second, shares = TURNS[differ]
    world.gather()
    for i in range(20):
        world.submit(f"a-{i}", **first)
        world.submit(f"b-{i}", **second)
    world.flush()
    kinds = [("workflow:x", 1), ("workflow:y", 1)]
    world.open("s1", declaration=Declaration(kinds, max=9))
    taken = Counter(run.split("-")[0] for run in world.held("s1"))
    assert (taken["a"], taken["b"]) == shares
    world.sound()


def test_a_session_with_much_room_takes_the_first_of_a_flow_that_waits_alone(world: World) -> None:
    world.gather()
    for i in range(20):
        world.submit(f"low-{i}", priority=130)
        world.submit(f"high-{i}", priority=128)
    world.flush()
    world.open("s1", max=21)
    assert set(world.held("s1")) == {f"high-{i}" for i in range(20)} | {"low-0"}
    world.open("s2", max=1)
    assert set(world.held("s2")) == {"low-1"}
    world.sound()


@pytest.mark.parametrize("theirs", [1, 10, 40])
def test_a_session_finds_its_class_behind_those_that_it_does_not_fit(
    world: World, theirs: int
) -> None:
    world.open("other", declaration=Declaration([("workflow:x", 1)], tags={"zone": "a"}, max=1))
    world.submit("plug", constraints=constraints(tags=[("zone", "a")]))
    for i in range(theirs):
        shape = constraints(tags=[("zone", "a")], preferred={"n": str(i)})
        world.submit(f"theirs-{i}", constraints=shape)
    # It fits the other pool as well, or it would not stand in line behind theirs.
    world.submit("mine")
    world.open("s1", declaration=Declaration([("workflow:x", 1)], max=9))
    assert list(world.held("s1")) == ["mine"]
    world.sound()


def test_who_comes_to_a_backlog_that_one_call_has_left_over_waits_behind_it(world: World) -> None:
    world.gather()
    for i in range(40):
        for name in "abcdefghij":
            world.submit(f"{name}-{i}", constraints=constraints(preferred={"n": name}))
    world.flush()
    # A call gives out 256; for the rest there is room, and the next tick.
    world.open("s1", declaration=Declaration([("workflow:x", 1)], max=1000))
    assert len(world.held("s1")) == 256
    world.gather()
    for name in "abcdefghijk":
        world.submit(f"late-{name}", constraints=constraints(preferred={"n": name}))
    world.flush()
    late = [world.run(f"late-{name}")["status"] for name in "abcdefghijk"]
    assert late == ["pending"] * 10 + ["running"]
    world.tick()
    assert len(world.held("s1")) == 411
    world.sound()
