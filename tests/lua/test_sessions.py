"""The life of a session: streams, reconciliation, mail, leases in lease time."""

from __future__ import annotations

import json

from tests.lua.world import World


def test_a_stream_number_grows_and_an_older_stream_changes_nothing(world: World) -> None:
    world.open("s1")
    first = world.open("s1", connection="c2", resume=True, hub="b")
    assert first[:3] == ["ok", "2", "1"]
    assert world.call("renew", 1000, "s1", "1") == ["moved"]
    assert world.call("close_session", "s1", "1", "cut", 1000) == ["moved"]
    assert world.call("close_session", "s1", "1", "goodbye", 1000) == ["moved"]
    assert world.call("resident", "s1", "1", "m") == ["moved"]
    assert world.client.hget(f"{world.root}session:s1", "state") == b"open"
    assert world.call("renew", 1000, "s1", "2") == ["ok"]
    world.sound()


def test_an_old_stream_cannot_acknowledge_mail(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    world.open("s1", connection="c2", resume=True)
    ack = ("ack", "r1", world.fence("r1"), 0, "run")
    assert world.report("s1", ack, stream="1") == ["moved"]
    assert "r1" in world.mail("s1")
    assert world.report("s1", ack, stream="2") == ["ok"]
    assert world.mail("s1") == {}


def test_a_hello_whose_reply_was_lost_may_be_said_again(world: World) -> None:
    world.submit("r1")
    first = world.open("s1")
    fence = world.fence("r1")
    assert world.open("s1") == [*first[:2], "1", "0"]
    assert world.fence("r1") == fence
    assert len(world.held("s1")) == 1
    world.sound()


def test_mail_stays_until_it_is_acknowledged_by_the_very_word(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    fence = world.fence("r1")
    world.letters.clear()
    world.call("fetch_mail", "s1", "1")
    world.call("fetch_mail", "s1", "1")
    assert [letter[2:5] for letter in world.letters] == [["r1", fence, "run"]] * 2
    world.call("cancel", "r1", '""')
    world.report("s1", ("ack", "r1", fence, 0, "run"))
    assert world.mail("s1") == {"r1": f"{fence} stop"}
    world.report("s1", ("ack", "r1", fence, 0, "stop"))
    assert world.mail("s1") == {}
    assert world.held("s1") == {"r1": f"{fence} stopping"}
    world.sound()


def test_mail_for_a_session_on_another_hub_is_in_its_news(world: World) -> None:
    world.open("s1", hub="b")
    world.submit("r1")
    assert world.letters == []
    assert world.client.lrange(f"{world.root}news:b", 0, -1) == [b"s1 r1"]
    reply = world.raw("fetch_mail", hub="b")
    assert reply[0] == [["s1", "ok"]]
    assert [letter[2] for letter in reply[1]] == ["r1"]
    assert world.client.exists(f"{world.root}news:b") == 0
    assert "r1" in world.mail("s1")


def test_what_was_fetched_is_not_fetched_again_by_later_news(world: World) -> None:
    world.open("s1", hub="b", max=3)
    world.submit("r1")
    world.raw("fetch_mail", hub="b")
    world.submit("r2")
    assert [letter[2] for letter in world.raw("fetch_mail", hub="b")[1]] == ["r2"]
    # All that waits for an acknowledgement is what a look at the session itself gives.
    assert {letter[2] for letter in world.raw("fetch_mail", "s1", "1", hub="b")[1]} == {"r1", "r2"}


def test_of_several_words_about_a_run_news_lead_to_the_last(world: World) -> None:
    world.open("s1", hub="b", max=3)
    world.submit("r1")
    world.call("cancel", "r1", '"enough"')
    assert {letter[4] for letter in world.raw("fetch_mail", hub="b")[1]} == {"stop"}
    world.submit("r2")
    assert world.complete("s1", "r2", world.fence("r2")) == "ok"
    assert world.raw("fetch_mail", hub="b")[1] == []


def test_news_are_fetched_in_order_and_a_bounded_number_at_once(world: World) -> None:
    world.open("s1", hub="b", max=300)
    for number in range(300):
        world.submit(f"r{number}")
    first, second = (world.raw("fetch_mail", hub="b") for _ in range(2))
    assert [letter[2] for letter in first[1]] == [f"r{n}" for n in range(256)]
    assert [letter[2] for letter in second[1]] == [f"r{n}" for n in range(256, 300)]
    assert (first[2], second[2]) == (["44"], ["0"])


def test_what_a_resumed_session_holds_and_lists_is_kept(world: World) -> None:
    world.open("s1", max=2)
    world.submit("r1")
    fence = world.fence("r1")
    world.open("s1", connection="c2", resume=True, max=2, held=[("r1", fence)])
    assert world.more == ["r1", fence, "keep"]
    assert world.mail("s1") == {}
    world.sound()


def test_what_it_holds_but_does_not_list_is_sent_again_with_the_same_fence(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    fence = world.fence("r1")
    world.report("s1", ("ack", "r1", fence, 0, "run"))
    world.open("s1", connection="c2", resume=True)
    assert world.mail("s1") == {"r1": f"{fence} run"}
    assert world.fence("r1") == fence
    world.sound()


def test_what_it_lists_but_does_not_hold_is_stopped(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    old = world.fence("r1")
    world.call("close_session", "s1", "1", "lost", 0)
    world.open("s3", worker="w-s1", instance="i-s1", held=[("r1", old), ("nobody", "5")])
    verdicts = {world.more[i]: world.more[i + 2] for i in range(0, len(world.more), 3)}
    assert verdicts == {"r1": "stop", "nobody": "stop"}
    world.sound()


def test_a_run_that_was_cancelled_meanwhile_is_stopped(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    fence = world.fence("r1")
    world.call("close_session", "s1", "1", "cut", 10_000)
    world.call("cancel", "r1", '""')
    world.open("s1", connection="c2", resume=True, held=[("r1", fence)])
    assert world.more == ["r1", fence, "stop"]
    assert world.mail("s1") == {"r1": f"{fence} stop"}
    world.sound()


def test_a_new_process_takes_over_only_from_a_silent_or_closed_stream(world: World) -> None:
    world.submit("r1")
    world.open("s1", worker="w")
    assert world.open("s2", worker="w", instance="other") == ["in_use"]
    world.sound()
    world.call("close_session", "s1", "1", "cut", 10_000)
    assert world.open("s2", worker="w", instance="other")[0] == "ok"
    assert world.run("r1")["session"] == "s2"
    assert world.call("renew", 1000, "s1", "1") == ["superseded"]
    assert world.open("s1", worker="w", connection="c9", resume=True) == ["superseded"]
    world.sound()


def test_a_silent_stream_gives_way_after_two_heartbeats(world: World) -> None:
    world.open("s1", worker="w")
    world.pass_time(5000)
    assert world.open("s2", worker="w", instance="o", silent_ms=6000) == ["in_use"]
    world.pass_time(1500)
    assert world.open("s2", worker="w", instance="o", silent_ms=6000)[0] == "ok"
    world.sound()


def test_a_session_belongs_to_its_principal(world: World) -> None:
    world.open("s1", principal="alice")
    assert world.open("s1", principal="mallory", connection="c2", resume=True) == ["not_yours"]


def test_a_lost_lease_sends_the_run_back_to_its_place(world: World) -> None:
    world.submit("r1")
    world.submit("r2")
    place = world.run("r1")["place"]
    world.open("s1")
    world.pass_time(world.lease_ms + 1)
    assert world.tick()[1] == "1"
    assert world.run("r1")["status"] == "pending"
    assert world.run("r1")["place"] == place
    world.sound()
    world.open("s2")
    assert list(world.held("s2")) == ["r1"]
    world.sound()


def test_a_run_that_loses_too_many_leases_fails(world: World) -> None:
    world.submit("r1", max_lost=2)
    for i in range(2):
        world.call("renew", 10_000_000)
        world.open(f"s{i}")
        world.pass_time(world.lease_ms + 1)
        world.tick()
        world.sound()
    assert world.run("r1")["status"] == "failed"
    assert b"WORKER_LOST" in world.client.get(f"{world.root}output:r1")


def test_losses_while_the_hub_was_dead_are_not_counted(world: World) -> None:
    world.submit("r1", max_lost=1)
    world.open("s1", hub="dead")
    world.pass_time(world.lease_ms + 1)
    world.tick()
    assert world.run("r1")["status"] == "pending"
    assert world.run("r1").get("lost") is None


def test_goodbye_releases_at_once_and_is_no_loss(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    assert world.call("close_session", "s1", "1", "goodbye", 0) == ["ok"]
    assert world.run("r1")["status"] == "pending"
    assert world.run("r1").get("lost") is None
    assert world.call("close_session", "s1", "1", "goodbye", 0) == ["gone"]
    world.sound()


def test_a_store_that_was_away_expires_no_session(world: World) -> None:
    """However long the gap: lease time moves by 2 s, and nothing expires for a lease."""
    world.open("s1")
    world.submit("r1")
    meta = f"{world.root}meta"
    for _ in range(3):
        clock = int(world.client.hget(meta, "clock"))
        world.client.hset(meta, mapping={"clock": clock + 3_600_000})
        assert world.tick()[1] == "0"
    assert world.run("r1")["status"] == "running"
    world.sound()


def test_lease_time_moves_by_two_seconds_at_most_for_each_look(world: World) -> None:
    """Gaps too short to settle after must not add up to a lost lease either."""
    world.open("s1")
    world.submit("r1")
    meta = f"{world.root}meta"
    for _ in range(6):
        clock = int(world.client.hget(meta, "clock"))
        world.client.hset(meta, mapping={"clock": clock + world.lease_ms // 4 - 100})
        world.tick()
    assert world.run("r1")["status"] == "running"
    world.sound()


def test_a_late_tick_is_no_gap(world: World) -> None:
    world.open("s1")
    meta = f"{world.root}meta"
    for _ in range(12):
        clock = int(world.client.hget(meta, "clock"))
        world.client.hset(meta, mapping={"clock": clock + 1900})
        world.tick()
    assert world.client.zcard(f"{world.root}due:leases") == 0


def test_wall_time_and_fences_never_go_back(world: World) -> None:
    meta = f"{world.root}meta"
    future = int(world.client.hget(meta, "clock")) + 86_400_000
    world.client.hset(meta, mapping={"clock": future, "fence": str(future * 1000 + 7)})
    world.open("s1")
    world.submit("r1")
    assert int(world.run("r1")["submitted"]) >= future
    assert int(world.fence("r1")) == future * 1000 + 8


def test_a_cut_session_gets_no_new_work_until_it_is_back(world: World) -> None:
    world.open("s1", max=5)
    world.call("close_session", "s1", "1", "cut", 10_000)
    world.submit("r1")
    assert world.run("r1")["status"] == "pending"
    world.open("s1", max=5, connection="c2", resume=True)
    assert world.run("r1")["status"] == "running"
    world.sound()


def test_a_drained_session_gets_no_new_work(world: World) -> None:
    world.open("s1", max=5)
    world.submit("r1")
    assert world.call("drain", "w-s1", "drain") == ["ok", "1"]
    world.submit("r2")
    assert world.run("r2")["status"] == "pending"
    assert world.letters[-1][2:5] == ["*", "0", "drain"]
    assert world.call("drain", "nobody", "drain") == ["unknown", "0"]
    world.sound()


def test_a_held_run_with_a_higher_fence_is_adopted(world: World) -> None:
    """The store lost its last writes: the worker knows of a later assignment."""
    world.submit("r1")
    later = str(int(world.client.hget(f"{world.root}meta", "fence")) + 10**15 * 2)
    world.open("s1", resume=True, held=[("r1", later)])
    assert world.more == ["r1", later, "keep"]
    assert world.run("r1")["status"] == "running"
    assert world.fence("r1") == later
    assert world.complete("s1", "r1", later) == "ok"
    world.sound()


def test_an_adopted_run_keeps_what_was_said_of_the_attempt_before(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    first, later = world.fence("r1"), str(int(world.fence("r1")) + 10**15)
    world.open("s2", resume=True, hub="b", held=[("r1", later)])
    ((_, _, events),) = world.raw("read_events", 0, 10, "r1")[0]
    begun = [e["payload"] for e in map(json.loads, events) if e["type"] == "status.running"]
    assert [(p["fence"], p["worker"], p["hub"]) for p in begun] == [
        (first, "w-s1", "a"),
        (later, "w-s2", "b"),
    ]
    world.sound()


def test_a_new_server_begins_a_new_epoch_and_holds_placement(world: World) -> None:
    meta = f"{world.root}meta"
    world.client.hset(meta, "server", "another")
    reply = world.call("enter", 10_000, world.lease_ms, 1_000_000, 0, 0, 0)
    assert reply[2] == "2"
    world.open("s1")
    world.submit("r1")
    assert world.run("r1")["status"] == "pending"
    world.pass_time(3001)
    world.tick()
    assert world.run("r1")["status"] == "running"
    world.sound()


def test_a_session_with_much_room_is_filled_in_steps(world: World) -> None:
    for i in range(600):
        world.submit(f"r{i}")
    world.open("s1", max=1000)
    assert len(world.held("s1")) == 256
    world.sound()
    assert world.tick()[0] == "more"
    assert world.tick()[0] == "done"
    assert len(world.held("s1")) == 600
    world.sound()


def test_a_lost_session_with_much_work_is_released_in_steps(world: World) -> None:
    for i in range(450):
        world.submit(f"r{i}")
    world.open("s1", max=1000)
    while world.tick()[0] == "more":
        pass
    world.pass_time(world.lease_ms + 1)
    while world.tick()[0] == "more":
        pass
    for _ in range(3):
        world.tick()
    assert world.held("s1") == {}
    assert world.client.hget(f"{world.root}totals", "lost") == b"450"
    world.sound()


def test_submits_are_refused_near_the_memory_limit_and_results_are_not(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    world.call("enter", 10_000, world.lease_ms, 1_000_000, 1, 0, 0)
    world.tick()
    assert world.submit("r2") == "full"
    fence = world.fence("r1")
    assert world.report("s1", ("event", "r1", fence, 1, "p", "1")) == ["refused"]
    assert world.complete("s1", "r1", fence) == "ok"
    world.sound()


def test_a_queue_has_a_limit(world: World) -> None:
    world.call("enter", 10_000, world.lease_ms, 3, 0, 0, 0)
    assert [world.submit(f"r{i}") for i in range(4)] == ["accepted"] * 3 + ["queue_full"]
    world.sound()
