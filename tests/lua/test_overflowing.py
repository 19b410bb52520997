"""Mail beyond what a reply has room for, calls that take back what they gave, and who is told of
what when sessions change hubs or pools."""

from __future__ import annotations

import json

from corral_store.records import Declaration
from tests.lua.world import World

# Two of these are more than a reply carries.
LARGE = '"' + "x" * 600_000 + '"'


def test_a_stop_is_not_replaced_by_the_assignment_that_it_takes_back(world: World) -> None:
    """Runs that are woken and miss their deadline in one tick, with more than a reply has room
    for."""
    world.open("s1", max=8)
    for number in range(4):
        world.submit(f"r{number}", job=LARGE, delay_ms=100, deadline_ms=200)
    world.pass_time(1000)
    world.tick()
    assert {world.run(f"r{number}")["status"] for number in range(4)} == {"failed"}
    world.letters.clear()
    world.call("fetch_mail", "s1", "1")
    assert [letter[4] for letter in world.letters] == ["stop"] * 4
    world.sound()


def test_a_session_that_ends_in_the_call_gets_no_mail(world: World) -> None:
    world.open("s1", max=4)
    for number in range(4):
        world.submit(f"r{number}", job=LARGE)
    world.open("s2", max=4)
    world.letters.clear()
    # Both are lost in one tick; the runs of the first go to the second and back.
    world.pass_time(40_000)
    while world.tick()[0] == "more":
        pass
    assert [letter for letter in world.letters if letter[4] == "run"] == []
    assert world.client.keys(f"{world.root}mail:*") == []
    world.sound()


def test_who_adopts_a_run_that_its_pool_does_not_fit_keeps_the_version(world: World) -> None:
    world.open("s1", declaration=Declaration([("workflow:x", 2)], max=1))
    world.submit("r1", version=2)
    later = str(int(world.fence("r1")) + 10**9)
    other = Declaration([("workflow:x", 1)], max=1)
    world.open("s2", resume=True, declaration=other, held=[("r1", later)])
    assert (world.run("r1")["status"], world.run("r1")["version"]) == ("running", "2")


def test_one_call_looks_at_few_sessions_when_they_hold_much(world: World) -> None:
    sessions = [f"s{number}" for number in range(6)]
    for session in sessions:
        world.open(session, max=1000)
    world.gather()
    for number in range(6000):
        world.submit(f"r{number}")
    world.flush()
    world.gathered = None
    asked = [(session, "ok") for session in sessions]
    looks = 0
    while asked:
        verdicts = world.call("fetch_mail", *[x for session, _ in asked for x in (session, "1")])
        assert [verdict for _, verdict in verdicts].count("ok") <= 2
        asked = [told for told in verdicts if told[1] == "later"]
        looks += 1
    assert looks == 3


def test_an_attempt_says_over_which_hub_it_was_given(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    mine = world.fence("r1")
    world.open("s1", connection="c2", resume=True, held=[("r1", mine)], hub="b")
    assert world.report("s1", ("give_back", "r1", mine, 0, '"why"'), stream="2") == ["ok"]
    (attempt,) = [json.loads(one) for one in world.client.lrange(f"{world.root}attempts:r1", 0, -1)]
    assert (attempt["hub"], attempt["outcome"]) == ("a", "given_back")
