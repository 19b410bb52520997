"""What one call gathers and remembers: many writes of one key, words that meet, caches that
another part of the same call must not believe."""

from __future__ import annotations

import pytest

from corral_store.records import Declaration
from tests.lua.world import World

REACTIVE = Declaration([("workflow:x", 1)], admission="reactive", max=2)
MANY = 5000


def submit_many(world: World) -> None:
    world.gather()
    for number in range(MANY):
        world.submit(f"r{number}")
    world.flush()
    world.gathered = None


def news(world: World, hub: str = "a") -> set[str]:
    """The sessions that the hub's news are about."""
    return {
        one.decode().split()[0] for one in world.client.lrange(f"{world.root}news:{hub}", 0, -1)
    }


def test_a_session_with_thousands_of_runs_comes_back(world: World) -> None:
    world.open("s1", max=MANY)
    submit_many(world)
    assert len(world.held("s1")) == MANY
    assert world.open("s1", connection="c2", max=MANY, resume=True)[0] == "ok"
    assert len(world.mail("s1")) == MANY
    world.sound()


def test_a_reply_has_a_bounded_number_of_letters_and_the_rest_follows(world: World) -> None:
    world.open("s1", max=MANY)
    submit_many(world)
    world.letters.clear()
    world.open("s1", connection="c2", max=MANY, resume=True)
    heard: set[str] = set()
    for _ in range(MANY // 256 + 1):
        assert len(world.letters) <= 1024, "more than a hub queues for one session"
        came = [(letter[2], letter[3]) for letter in world.letters]
        heard |= {run for run, _ in came}
        for at in range(0, len(came), 256):
            acks = [("ack", run, fence, 0, "run") for run, fence in came[at : at + 256]]
            world.report("s1", *acks, stream="2")
        world.letters.clear()
        if not news(world):
            break
        world.call("fetch_mail")
    assert len(heard) == MANY
    assert world.mail("s1") == {}


def test_who_has_much_mail_does_not_keep_others_from_theirs(world: World) -> None:
    world.open("s1", max=16, hub="b")
    world.open("s2", capabilities=[("workflow:y", 1)], hub="b")
    for number in range(12):
        world.submit(f"r{number}", job=f'"{"x" * 100_000}"')
    world.submit("other", "workflow:y")
    assert news(world, "b") == {"s1", "s2"}
    heard: set[str] = set()
    for _ in range(2):
        world.letters.clear()
        world.call("fetch_mail", hub="b")
        heard |= {letter[0] for letter in world.letters}
    assert heard == {"s1", "s2"}


def test_many_sessions_are_lost_at_once_in_steps(world: World) -> None:
    for number in range(50):
        world.open(f"s{number}", max=MANY // 50)
    submit_many(world)
    shape = world.run("r0")["class"]
    world.pass_time(40_000)
    calls = 1
    while world.tick()[0] == "more":
        calls += 1
    assert calls > MANY // 256, "a call gives a bounded number of runs back"
    assert world.client.zcard(f"{world.root}flow:{shape}:4:-") == MANY
    world.sound()


@pytest.mark.parametrize("hub", ["a", "b"])
def test_an_answer_leaves_the_word_that_begins_the_run(world: World, hub: str) -> None:
    world.open("s1")
    world.submit("r1")
    world.ask("s1", "r1", "q")
    world.open("s2", hub=hub)
    world.call("close_session", "s1", "1", "lost", 0)
    world.answer("r1", "q", 7)
    world.letters.clear()
    world.call("fetch_mail", "s2", "1", hub=hub)
    (letter,) = world.letters
    assert (letter[0], letter[4]) == ("s2", "run")
    assert '"q":7' in letter[12]
    # An assignment that left before the answer says nothing of it; who asks is told.
    world.ask("s2", "r1", "q")
    assert world.mail("s2") == {"r1": f"{world.fence('r1')} answer:1"}
    world.sound()


def test_an_answer_is_no_mail_any_more_when_the_run_ends_in_the_same_call(world: World) -> None:
    world.open("s1", max=2)
    world.submit("r1")
    world.submit("r2")
    asks = ("ask", "r2", world.fence("r2"), 0, "q", '{"request_id":"q"}')
    ends = [("completed", run, world.fence(run), 0, "1") for run in ("r1", "r2")]
    world.report("s1", asks)
    world.answer("r2", "q", 7)
    world.report("s1", ("ack", "r2", world.fence("r2"), 0, "answer:1"))
    assert world.report("s1", ends[0], asks, ends[1]) == ["ok"] * 3
    assert world.mail("s1") == {}
    world.sound()


def test_a_key_that_comes_with_a_run_past_its_retention_keeps_it_for_its_window(
    world: World,
) -> None:
    world.open("s1")
    world.submit("r1", retention_ms=1000)
    world.complete("s1", "r1", world.fence("r1"))
    world.pass_time(2000)
    assert world.submit("r1", idem="k") == "duplicate"
    world.pass_time(86_000_000)
    world.tick()
    assert world.run("r1")["status"] == "completed"
    assert world.submit("r2", idem="k") == "duplicate"
    world.pass_time(86_400_000)
    world.tick()
    assert list(world.client.scan_iter(f"{world.root}*r1*")) == []
    assert world.client.exists(f"{world.root}idem:k") == 0


def test_a_pool_that_filled_up_and_has_room_again_in_one_call_is_open(world: World) -> None:
    world.open("s1", declaration=REACTIVE)
    world.submit("offered")
    world.pass_time(9000)
    world.open("s2", declaration=REACTIVE)
    for number in range(3):
        world.submit(f"later{number}", delay_ms=500)
    world.pass_time(2000)
    # Three runs wake and fill the room; then the offer lapses.
    world.tick()
    world.sound()


def test_a_parked_run_that_a_worker_holds_waits_for_no_answer_any_more(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    world.ask("s1", "r1", "q")
    world.report("s1", ("park", "r1", world.fence("r1"), 0, "q"))
    assert world.run("r1")["awaits"] == "q"
    later = str(int(world.fence("r1")) + 1_000_000)
    # The store has lost its last writes.
    world.open("s1", connection="c2", resume=True, held=[("r1", later)])
    assert world.run("r1")["status"] == "running"
    assert "awaits" not in world.run("r1")
    world.sound()


def test_a_class_is_known_from_a_run_of_the_call_that_was_there_already(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    world.complete("s1", "r1", world.fence("r1"))
    world.gather()
    # The text of the class goes with the first of them alone, and the class has ended.
    world.submit("r1")
    world.submit("r2")
    world.flush()
    world.gathered = None
    assert world.client.hget(f"{world.root}run:r2", "status") in ("running", b"running")
    world.sound()
