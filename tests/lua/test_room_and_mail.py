"""Room and mail that must not be lost, in the corners of a session's life."""

from __future__ import annotations

from corral_store.records import Declaration
from tests.lua.world import World, constraints

GPU = Declaration([("workflow:x", 1)], admission="vram", devices=[8000])


def test_a_run_is_kept_until_its_worker_has_stopped_it(world: World) -> None:
    """Its record says how much memory comes back, and its worker has yet to hear of it."""
    world.open("s1", declaration=GPU)
    big = constraints(vram_mb=8000)
    world.submit("r1", constraints=big, vram_mb=8000, retention_ms=1)
    fence = world.fence("r1")
    world.call("cancel", "r1", '""')
    world.pass_time(1000)
    world.tick()
    world.letters.clear()
    world.call("fetch_mail", "s1", "1")
    assert [letter[2:5] for letter in world.letters] == [["r1", fence, "stop"]]
    assert world.report("s1", ("stopped", "r1", fence, 0)) == ["ok"]
    world.submit("r2", constraints=big, vram_mb=8000)
    assert world.run("r2")["status"] == "running"
    world.pass_time(120_000)
    world.call("renew", 10_000, "s1", "1")
    world.tick()
    assert world.run("r1") == {}
    world.sound()


def test_a_renewal_that_comes_late_does_not_open_a_cut_session(world: World) -> None:
    world.open("s1", max=2)
    assert world.call("close_session", "s1", "1", "cut", 10_000) == ["ok"]
    world.call("renew", 10_000, "s1", "1")
    world.submit("r1")
    assert world.run("r1")["status"] == "pending"
    world.pass_time(10_001)
    world.tick()
    assert world.client.zcard(f"{world.root}due:leases") == 0
    world.sound()


def test_a_drain_that_was_not_delivered_is_said_after_the_reconnect(world: World) -> None:
    world.open("s1", hub="dead")
    world.call("drain", "w-s1", "drain")
    world.letters.clear()
    world.open("s1", connection="c2", resume=True)
    assert [letter[1:5] for letter in world.letters] == [["2", "*", "0", "drain"]]


def test_a_later_assignment_of_the_same_session_is_adopted(world: World) -> None:
    """The store lost its last writes, and in them that the session had the run again."""
    world.open("s1")
    world.submit("r1")
    later = str(int(world.fence("r1")) + 5)
    world.letters.clear()
    world.open("s1", connection="c2", resume=True, held=[("r1", later)])
    assert world.more == ["r1", later, "keep"]
    assert world.letters == []
    assert world.held("s1") == {"r1": f"{later} running"}
    world.sound()
    assert world.complete("s1", "r1", later, stream="2") == "ok"
    world.sound()


def test_room_that_an_adoption_frees_elsewhere_is_filled(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    world.submit("r2")
    later = str(int(world.fence("r1")) + 5)
    world.open("s2", resume=True, held=[("r1", later)])
    world.tick()
    assert world.held("s1") == {"r2": f"{world.fence('r2')} running"}
    world.sound()


def test_memory_that_is_nearly_enough_hides_no_other_session(world: World) -> None:
    liked = Declaration([("workflow:x", 1)], {}, {"a": "b"}, admission="vram", devices=[8192])
    world.open("s1", declaration=liked)
    world.open("s2", declaration=GPU)
    small, big = constraints(vram_mb=200), constraints(vram_mb=8000, preferred={"a": "b"})
    world.submit("r0", constraints=small, vram_mb=193)
    holder = world.run("r0")["session"]
    world.client.hset(f"{world.root}session:{holder}", "turn", 0)
    world.call("resident", holder, "1", "m")
    world.submit("r1", constraints=big, vram_mb=8000)
    assert world.run("r1")["status"] == "running"
    world.sound()


def test_a_run_that_needs_more_memory_than_is_left_waits_for_it(world: World) -> None:
    world.open("s1", declaration=GPU)
    world.submit("r1", constraints=constraints(vram_mb=5000), vram_mb=5000)
    large = constraints(vram_mb=4000)
    assert world.submit("r2", constraints=large, vram_mb=4000, wait=0) == "no_worker"
    world.submit("r3", constraints=large, vram_mb=4000)
    assert world.run("r3")["status"] == "pending"
    world.submit("r4", constraints=constraints(vram_mb=3000), vram_mb=3000)
    assert world.run("r4")["status"] == "running"
    world.sound()
    assert world.complete("s1", "r1", world.fence("r1")) == "ok"
    assert world.run("r3")["status"] == "running"
    world.sound()
