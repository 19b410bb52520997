"""Questions, checkpoints and steps: what a run remembers, and what it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral_store.digests import plain_class
from tests.lua.world import World


def told(letter: list[str]) -> Any:
    """What a letter carries of the run's memory."""
    return json.loads(letter[12]) if letter[12] else None


@pytest.fixture
def asked(world: World) -> World:
    """A run that executes on s1, the only worker, and asks q1."""
    world.open("s1")
    world.submit("r1")
    assert world.ask("s1", "r1", "q1") == "ok"
    return world


def words(world: World, run: str = "r1") -> list[list[str]]:
    return [letter for letter in world.letters if letter[2] == run]


def event_types(world: World, run: str = "r1") -> list[str]:
    return [
        json.loads(raw)["type"] for raw in world.client.lrange(f"{world.root}events:{run}", 0, -1)
    ]


def test_a_question_is_listed_until_it_is_answered(asked: World) -> None:
    (row,) = asked.call("list_inputs", "", 10, "", "")
    assert row[:2] == ["r1", "q1"]
    assert json.loads(row[2]) == {"request_id": "q1", "prompt": "Go on?", "metadata": None}
    assert row[5:] == ["x", "running"]
    assert asked.call("list_inputs", "r1", 10, "", "") == [row]
    assert asked.answer("r1", "q1", {"yes": 1}) == "ok"
    assert asked.call("list_inputs", "", 10, "", "") == []
    assert event_types(asked)[-2:] == ["input.request", "input.answered"]
    asked.sound()


def test_an_answer_that_did_not_arrive_is_said_on_the_next_stream(asked: World) -> None:
    fence = asked.fence("r1")
    asked.answer("r1", "q1", 1)
    asked.letters.clear()
    asked.open("s1", connection="c2", resume=True, held=[("r1", fence)])
    assert asked.mail("s1") == {"r1": f"{fence} answer:1"}
    assert [told(letter)["answers"] for letter in words(asked)] == [{"q1": 1}]
    asked.sound()


def test_pages_of_questions_go_on_behind_the_last_one(world: World) -> None:
    world.open("s1", max=5)
    for run in ("r1", "r2", "r3", "r4", "r5"):
        world.submit(run)
        world.ask("s1", run, "q")
    seen: list[str] = []
    cursor = ["", ""]
    while True:
        rows = world.call("list_inputs", "", 2, *cursor)
        seen += [row[0] for row in rows]
        cursor = world.more
        if cursor == ["", ""]:
            break
        if len(seen) == 2:
            world.answer(seen[1], "q")
    assert seen == ["r1", "r2", "r3", "r4", "r5"]


def test_the_worker_is_told_the_answer_until_it_acknowledges(asked: World) -> None:
    asked.answer("r1", "q1", [1, 2])
    letter = words(asked)[-1]
    assert letter[4] == "answer:1"
    assert told(letter) == {"answers": {"q1": [1, 2]}, "lapsed": []}
    asked.report("s1", ("ack", "r1", asked.fence("r1"), 0, "answer:1"))
    assert asked.mail("s1") == {}
    asked.sound()


def test_a_second_answer_replaces_no_first(asked: World) -> None:
    assert asked.answer("r1", "q1", 1) == "ok"
    assert asked.answer("r1", "q1", 1) == "same"
    assert asked.answer("r1", "q1", 2) == "conflict"
    assert asked.answer("r1", "q2", 1) == "unasked"
    assert asked.answer("r9", "q1", 1) == "unknown"


def test_an_answer_is_not_lost_with_the_worker(asked: World) -> None:
    asked.answer("r1", "q1", "first")
    asked.call("close_session", "s1", "1", "lost", 0)
    asked.open("s2")
    letter = words(asked)[-1]
    assert (letter[0], letter[4]) == ("s2", "run")
    assert told(letter)["answers"] == {"q1": "first"}
    # Asked again it is the same question, and answered at once.
    assert asked.ask("s2", "r1", "q1") == "ok"
    assert told(words(asked)[-1])["answers"] == {"q1": "first"}
    assert event_types(asked).count("input.request") == 1
    asked.sound()


def test_a_question_stays_open_over_the_loss_of_its_worker(asked: World) -> None:
    asked.call("close_session", "s1", "1", "lost", 0)
    assert asked.answer("r1", "q1", "later") == "ok"
    asked.open("s2")
    assert told(words(asked)[-1])["answers"] == {"q1": "later"}
    asked.sound()


def test_a_parked_run_gives_its_room_back_and_returns_in_front(asked: World) -> None:
    first = asked.fence("r1")
    asked.submit("r2")
    asked.submit("r3")
    asked.report("s1", ("park", "r1", first, 1, "q1"))
    assert asked.run("r1")["status"] == "parked"
    assert asked.run("r2")["status"] == "running"
    asked.sound()
    assert asked.answer("r1", "q1") == "ok"
    asked.complete("s1", "r2", asked.fence("r2"))
    # Before r3, which came later and has waited all the time.
    assert asked.run("r1")["status"] == "running"
    assert asked.run("r1")["attempt"] == "1"
    asked.sound()
    # Of the attempt that parked nothing counts any more.
    assert asked.report("s1", ("event", "r1", first, 2, "x", "1")) == ["stale"]


def test_who_parks_for_what_is_answered_goes_on_at_once(asked: World) -> None:
    asked.answer("r1", "q1")
    asked.report("s1", ("park", "r1", asked.fence("r1"), 1, "q1"))
    assert asked.run("r1")["status"] == "running"
    asked.sound()


def test_a_parked_run_can_be_cancelled(asked: World) -> None:
    asked.report("s1", ("park", "r1", asked.fence("r1"), 1, "q1"))
    assert asked.call("cancel", "r1", '""') == ["cancelled"]
    assert asked.call("list_inputs", "", 10, "", "") == []
    assert asked.answer("r1", "q1") == "ended"
    asked.sound()


def test_a_question_lapses_by_the_stores_clock(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    world.ask("s1", "r1", "q1", timeout_ms=1000)
    world.pass_time(999)
    world.tick()
    assert world.call("list_inputs", "", 10, "", "") != []
    world.pass_time(2)
    world.tick()
    assert world.call("list_inputs", "", 10, "", "") == []
    assert told(words(world)[-1]) == {"answers": {}, "lapsed": ["q1"]}
    assert event_types(world)[-1] == "input.lapsed"
    assert world.answer("r1", "q1") == "lapsed"
    world.sound()


def test_a_parked_run_comes_back_when_its_question_lapses(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    world.ask("s1", "r1", "q1", timeout_ms=1000)
    world.report("s1", ("park", "r1", world.fence("r1"), 1, "q1"))
    world.pass_time(1001)
    world.tick()
    assert world.run("r1")["status"] == "running"
    assert told(words(world)[-1])["lapsed"] == ["q1"]
    world.sound()


def test_the_latest_checkpoint_and_the_first_result_of_a_step_count(asked: World) -> None:
    fence = asked.fence("r1")
    reports = [
        ("checkpoint", "r1", fence, 3, "", "[1]"),
        ("checkpoint", "r1", fence, 5, "", "[1, 2]"),
        # The same again over an older stream.
        ("checkpoint", "r1", fence, 3, "", "[1]"),
        ("step", "r1", fence, 6, "pay", '"once"'),
        ("step", "r1", fence, 6, "pay", '"twice"'),
    ]
    assert asked.report("s1", *reports) == ["ok"] * 5
    asked.call("close_session", "s1", "1", "lost", 0)
    asked.open("s2")
    got = told(words(asked)[-1])
    assert got["checkpoint"] == [1, 2]
    assert got["steps"] == {"pay": "once"}
    # A later attempt counts its reports from one again.
    asked.report("s2", ("checkpoint", "r1", asked.fence("r1"), 1, "", "[9]"))
    asked.call("close_session", "s2", "1", "lost", 0)
    asked.open("s3")
    assert told(words(asked)[-1])["checkpoint"] == [9]
    asked.sound()


def test_the_memory_of_a_run_is_bounded(asked: World) -> None:
    fence, big = asked.fence("r1"), json.dumps("x" * 60_000)
    verdicts = [asked.report("s1", ("step", "r1", fence, 0, f"s{n}", big))[0] for n in range(10)]
    assert verdicts == ["ok"] * 8 + ["refused"] * 2
    assert asked.report("s1", ("checkpoint", "r1", fence, 1, "", big)) == ["refused"]
    assert asked.report("s1", ("checkpoint", "r1", fence, 2, "", "1")) == ["ok"]
    assert asked.ask("s1", "r1", "q2") == "ok"
    assert asked.call("answer_input", "r1", "q2", big) == ["too_large"]
    assert asked.answer("r1", "q2") == "ok"
    for n in range(200):
        verdict = asked.ask("s1", "r1", f"more-{n}")
    assert verdict == "refused"
    asked.sound()


def test_nothing_is_left_when_the_record_is_removed(asked: World) -> None:
    fence = asked.fence("r1")
    asked.report("s1", ("checkpoint", "r1", fence, 1, "", "1"), ("step", "r1", fence, 2, "a", "1"))
    asked.ask("s1", "r1", "open")
    asked.answer("r1", "q1")
    asked.complete("s1", "r1", fence)
    asked.sound()
    left = {key.decode().removeprefix(asked.root) for key in asked.client.keys(f"{asked.root}*:r1")}
    assert left == {"run:r1", "job:r1", "output:r1", "events:r1", "inputs:r1"}
    # Who answered may say it again.
    assert asked.answer("r1", "q1") == "same"
    asked.pass_time(20_000_000)
    asked.tick()
    assert asked.client.keys(f"{asked.root}*r1*") == []


def test_a_run_that_is_tried_again_keeps_what_it_has_and_asks_anew(asked: World) -> None:
    fence = asked.fence("r1")
    asked.report("s1", ("step", "r1", fence, 2, "a", "1"))
    asked.answer("r1", "q1", "yes")
    asked.ask("s1", "r1", "open")
    asked.report("s1", ("failed", "r1", fence, 3, '{"type":"E","retryable":false}'))
    asked.sound()
    _, shape = plain_class("workflow:x", 0)
    assert asked.call("retry", "r1", shape) == ["retried"]
    got = told(words(asked)[-1])
    assert (got["steps"], got["answers"]) == ({"a": 1}, {"q1": "yes"})
    assert asked.ask("s1", "r1", "open") == "ok"
    assert [row[1] for row in asked.call("list_inputs", "", 10, "", "")] == ["open"]
    asked.sound()


@pytest.mark.parametrize("answered", [False, True])
def test_a_run_asks_64_questions_and_no_more(asked: World, answered: bool) -> None:
    for number in range(63):
        assert asked.ask("s1", "r1", f"more{number}") == "ok"
        if answered:
            assert asked.answer("r1", f"more{number}") == "ok"
    assert asked.ask("s1", "r1", "one-too-many") == "refused"
    assert asked.ask("s1", "r1", "more0") == "ok", "it is asked already"
    asked.sound()
