"""The way of a run through the transitions, and what late or repeated words do."""

from __future__ import annotations

import pytest

from corral_store.digests import plain_class
from corral_store.records import Declaration
from tests.lua.world import World, constraints


def test_a_run_waits_until_a_worker_comes_and_is_executed_once(world: World) -> None:
    assert world.submit("r1") == "accepted"
    assert world.run("r1")["status"] == "pending"
    world.open("s1")
    assert world.run("r1")["status"] == "running"
    assert world.mail("s1") == {"r1": f"{world.fence('r1')} run"}
    assert world.complete("s1", "r1", world.fence("r1")) == "ok"
    assert world.run("r1")["status"] == "completed"
    assert world.held("s1") == {}
    assert world.mail("s1") == {}
    world.sound()


def test_a_worker_gets_exactly_what_it_has_room_for(world: World) -> None:
    for i in range(200):
        world.submit(f"r{i}")
    world.open("s1", max=7)
    assert len(world.held("s1")) == 7
    assert [world.run(f"r{i}")["status"] for i in range(7)] == ["running"] * 7
    world.sound()


def test_the_same_submit_twice_is_one_run(world: World) -> None:
    assert world.submit("r1", idem="k", request="same") == "accepted"
    assert world.submit("r2", idem="k", request="same") == "duplicate"
    assert world.submit("r3", idem="k", request="other") == "conflict"
    assert world.submit("r1", request="other") == "conflict"
    assert world.run("r2") == {}
    world.sound()


def test_a_result_with_an_old_fence_changes_nothing(world: World) -> None:
    world.submit("r1")
    world.open("s1")
    old = world.fence("r1")
    world.call("close_session", "s1", "1", "lost", 0)
    world.open("s2")
    assert world.fence("r1") > old
    assert world.complete("s1", "r1", old) == "stale"
    assert world.complete("s2", "r1", old) == "stale"
    assert world.run("r1")["status"] == "running"
    assert world.complete("s2", "r1", world.fence("r1")) == "ok"
    world.sound()


def test_a_repeated_result_is_acknowledged_and_changes_nothing(world: World) -> None:
    world.submit("r1")
    world.open("s1")
    fence = world.fence("r1")
    assert world.complete("s1", "r1", fence) == "ok"
    before = world.run("r1")
    assert world.complete("s1", "r1", fence) == "ok"
    assert world.run("r1") == before
    world.sound()


def test_a_cancelled_run_keeps_its_room_until_it_has_stopped(world: World) -> None:
    world.submit("r1")
    world.submit("r2")
    world.open("s1", max=1)
    fence = world.fence("r1")
    assert world.call("cancel", "r1", '"why"') == ["cancelled"]
    assert world.run("r1")["status"] == "cancelled"
    assert world.run("r2")["status"] == "pending"
    assert world.mail("s1") == {"r1": f"{fence} stop"}
    assert world.report("s1", ("stopped", "r1", fence, 1)) == ["ok"]
    assert world.run("r2")["status"] == "running"
    world.sound()


def test_a_late_result_of_a_cancelled_run_is_already_final(world: World) -> None:
    world.submit("r1")
    world.open("s1")
    fence = world.fence("r1")
    world.call("cancel", "r1", '""')
    assert world.complete("s1", "r1", fence) == "already_final"
    assert world.run("r1")["status"] == "cancelled"
    assert world.held("s1") == {}
    world.sound()


def test_cancelling_again_or_after_the_end_says_so(world: World) -> None:
    world.submit("r1")
    assert world.call("cancel", "r1", '""') == ["cancelled"]
    assert world.call("cancel", "r1", '""') == ["already"]
    world.open("s1")
    world.submit("r2")
    world.complete("s1", "r2", world.fence("r2"))
    assert world.call("cancel", "r2", '""', "nobody", '""') == ["final", "unknown"]
    world.sound()


def test_a_failed_run_is_tried_again_as_its_policy_says(world: World) -> None:
    error = '{"code":"HANDLER","type":"E","message":"m","retryable":true}'
    world.open("s1")
    world.submit("r1", retry="[2,1000,2,60000,0,[]]")
    assert world.report("s1", ("failed", "r1", world.fence("r1"), 1, error)) == ["ok"]
    assert world.run("r1")["status"] == "delayed"
    world.sound()
    world.pass_time(1001)
    world.tick()
    assert world.run("r1")["status"] == "running"
    assert world.report("s1", ("failed", "r1", world.fence("r1"), 2, error)) == ["ok"]
    assert world.run("r1")["status"] == "failed"
    world.sound()


def test_a_failed_run_without_a_policy_fails(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    error = '{"code":"HANDLER","type":"E","message":"m","retryable":true}'
    world.report("s1", ("failed", "r1", world.fence("r1"), 1, error))
    assert world.run("r1")["status"] == "failed"
    world.sound()


def test_a_delayed_run_starts_when_its_time_has_come(world: World) -> None:
    world.open("s1")
    world.submit("r1", delay_ms=5000)
    world.tick()
    assert world.run("r1")["status"] == "delayed"
    world.pass_time(5001)
    world.tick()
    assert world.run("r1")["status"] == "running"
    world.sound()


@pytest.mark.parametrize(
    ("limits", "running", "code"),
    [
        ({"deadline_ms": 1000}, False, "DEADLINE_EXCEEDED"),
        ({"deadline_ms": 1000}, True, "DEADLINE_EXCEEDED"),
        ({"queue_wait_ms": 1000}, False, "QUEUE_WAIT_EXCEEDED"),
        ({"run_ms": 1000}, True, "RUN_TIME_EXCEEDED"),
    ],
)
def test_a_missed_limit_fails_the_run_with_its_reason(
    world: World, limits: dict[str, int], running: bool, code: str
) -> None:
    if running:
        world.open("s1")
    world.submit("r1", **limits)
    world.tick()
    assert world.run("r1")["status"] in ("pending", "running")
    world.pass_time(1001)
    world.tick()
    assert world.run("r1")["status"] == "failed"
    assert code in world.client.get(f"{world.root}output:r1").decode()
    if running:
        assert world.mail("s1")["r1"].endswith(" stop")
    world.sound()


def test_a_queue_limit_no_longer_counts_once_the_run_has_started(world: World) -> None:
    world.submit("r1", queue_wait_ms=1000)
    world.open("s1")
    world.pass_time(2000)
    world.tick()
    assert world.run("r1")["status"] == "running"


def test_expired_runs_leave_no_key_behind(world: World) -> None:
    world.open("s1")
    world.submit("r1", retention_ms=1000)
    world.report("s1", ("event", "r1", world.fence("r1"), 1, "p", "1"))
    world.complete("s1", "r1", world.fence("r1"))
    world.pass_time(2000)
    world.tick()
    assert [key for key in world.client.scan_iter() if b"r1" in key] == []
    assert world.client.zcard(f"{world.root}runs") == 0
    world.sound()


def test_events_are_numbered_and_a_repeated_one_is_stored_once(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    fence = world.fence("r1")
    said = ("event", "r1", fence, 1, "progress", '{"done":1}')
    assert world.report("s1", said) == ["ok"]
    assert world.report("s1", said) == ["ok"]
    ((status, latest, events),) = world.call("read_events", 0, 100, "r1")
    assert (status, latest, len(events)) == ("running", "3", 3)
    assert [f'"number":{i + 1}' in event for i, event in enumerate(events)] == [True] * 3


def test_reports_count_in_the_order_they_were_said(world: World) -> None:
    world.open("s1", max=2)
    world.submit("r1")
    world.submit("r2")
    f1, f2 = world.fence("r1"), world.fence("r2")
    verdicts = world.report(
        "s1",
        ("event", "r1", f1, 1, "a", "1"),
        ("completed", "r1", f1, 2, "1"),
        ("event", "r1", f1, 3, "late", "1"),
        ("give_back", "r2", f2, 4, '"x"'),
        ("completed", "nobody", "1", 5, "1"),
    )
    assert verdicts == ["ok", "ok", "already_final", "ok", "unknown"]
    assert world.run("r2")["attempt"] == "1"
    world.sound()


def test_work_that_nobody_can_take_costs_the_others_nothing(world: World) -> None:
    world.open("s1")
    for i in range(50):
        world.submit(f"stuck{i}", constraints=constraints(tags=[("zone", str(i))]))
    world.submit("r1")
    assert world.run("r1")["status"] == "running"
    assert world.client.zcard(f"{world.root}line:4:workflow:x") == 0
    world.sound()
    world.open("s2", declaration=Declaration([("workflow:x", 1)], tags={"zone": "7"}))
    assert world.run("stuck7")["status"] == "running"
    world.sound()


def test_a_run_that_may_not_wait_is_refused_with_the_stage(world: World) -> None:
    assert world.submit("r1", wait=0) == "no_worker"
    world.open("s1")
    assert world.submit("r2", wait=0) == "accepted"
    assert world.submit("r3", wait=0) == "no_worker"
    assert world.run("r3") == {}
    world.sound()


def test_bands_share_by_their_weights(world: World) -> None:
    for band in range(8):
        for i in range(40):
            world.submit(f"b{band}-{i}", priority=band * 32)
    world.open("s1")
    served = [0] * 8
    for _ in range(36):
        ((run, held),) = world.held("s1").items()
        served[int(run[1])] += 1
        world.complete("s1", run, held.split()[0])
    assert served == [8, 7, 6, 5, 4, 3, 2, 1]
    world.sound()


def test_flows_take_turns_by_their_weights(world: World) -> None:
    for i in range(100):
        world.submit(f"big-{i}", flow="big")
    for i in range(10):
        world.submit(f"small-{i}", flow="small", weight=2)
    world.open("s1")
    order: list[str] = []
    for _ in range(20):
        ((run, held),) = world.held("s1").items()
        order.append(run)
        world.complete("s1", run, held.split()[0])
    assert sum(run.startswith("small") for run in order) == 10
    world.sound()


def test_the_highest_version_with_room_takes_an_open_version(world: World) -> None:
    world.open("old", declaration=Declaration([("workflow:x", 1)]))
    world.open("new", declaration=Declaration([("workflow:x", 3)]))
    world.submit("r1")
    assert world.run("r1")["session"] == "new"
    assert world.run("r1")["version"] == "3"
    world.submit("r2")
    assert world.run("r2")["session"] == "old"
    world.sound()


def test_video_memory_is_never_oversubscribed(world: World) -> None:
    world.open(
        "gpu",
        declaration=Declaration([("workflow:x", 1)], admission="vram", max=0, devices=[8192, 4096]),
    )
    need = constraints(vram_mb=4000)
    for i in range(5):
        world.submit(f"r{i}", constraints=need, vram_mb=4096)
    devices = [world.run(f"r{i}").get("device") for i in range(5)]
    assert devices.count("0") == 2
    assert devices.count("1") == 1
    assert devices.count(None) == 2
    world.sound()
    run = next(f"r{i}" for i in range(5) if devices[i] == "1")
    world.complete("gpu", run, world.fence(run))
    world.sound()
    assert len(world.held("gpu")) == 3
    assert world.submit("r9") == "vram_required"


def test_equal_loads_take_turns(world: World) -> None:
    for i in range(4):
        world.open(f"s{i}", max=4)
    for i in range(8):
        world.submit(f"r{i}")
    assert [len(world.held(f"s{i}")) for i in range(4)] == [2, 2, 2, 2]


def test_a_resident_model_draws_its_runs(world: World) -> None:
    world.open("cold", max=10)
    world.open("warm", max=10, models="llama3")
    for i in range(5):
        world.submit(f"r{i}", model="llama3")
    assert len(world.held("warm")) == 5
    world.sound()


REACTIVE = Declaration([("workflow:x", 1)], admission="reactive", max=2)


def test_a_reactive_worker_is_offered_and_claims(world: World) -> None:
    world.open("s1", declaration=REACTIVE)
    for i in range(3):
        world.submit(f"r{i}")
    assert [world.run(f"r{i}")["status"] for i in range(3)] == ["offered", "offered", "pending"]
    world.sound()
    assert world.report("s1", ("claim", "r0", world.fence("r0"), 1)) == ["ok"]
    assert world.run("r0")["status"] == "running"
    assert world.run("r0")["attempt"] == "1"
    assert world.run("r2")["status"] == "offered"
    world.sound()


def test_a_declined_run_goes_to_another_and_then_is_parked(world: World) -> None:
    world.open("s1", declaration=REACTIVE)
    world.submit("r0")
    world.open("s2", declaration=REACTIVE)
    assert world.report("s1", ("decline", "r0", world.fence("r0"), 1, '"full"')) == ["ok"]
    assert world.run("r0")["session"] == "s2"
    world.report("s2", ("decline", "r0", world.fence("r0"), 1, '"full"'))
    assert world.run("r0")["status"] == "parked"
    world.sound()
    world.submit("r1")
    assert world.run("r1")["status"] == "offered"
    world.pass_time(1001)
    world.tick()
    assert world.run("r0")["status"] == "offered"
    world.sound()


def test_an_offer_without_an_answer_lapses(world: World) -> None:
    world.open("s1", declaration=REACTIVE)
    world.submit("r0")
    world.pass_time(10_001)
    world.tick()
    assert world.run("r0")["status"] == "parked"
    assert world.report("s1", ("claim", "r0", world.fence("r0"), 1)) == ["stale"]
    world.sound()


def test_a_paused_kind_is_given_out_again_after_it_is_resumed(world: World) -> None:
    world.open("s1", max=5)
    assert world.call("pause", "workflow:x", "1") == ["workflow:x"]
    world.submit("r0")
    assert world.run("r0")["status"] == "pending"
    world.sound()
    assert world.call("pause", "workflow:x", "0") == []
    world.tick()
    assert world.run("r0")["status"] == "running"
    world.sound()


def test_a_failed_run_may_be_tried_again_by_hand(world: World) -> None:
    world.open("s1")
    world.submit("r0", deadline_ms=500)
    world.pass_time(501)
    world.tick()
    world.report("s1", ("stopped", "r0", world.fence("r0"), 1))
    assert world.run("r0")["status"] == "failed"
    _, shape = plain_class("workflow:x", 0)
    assert world.call("retry", "r0", shape, "nobody", shape) == ["retried", "unknown"]
    assert world.run("r0")["status"] == "running"
    assert world.complete("s1", "r0", world.fence("r0")) == "ok"
    assert world.call("retry", "r0", shape) == ["completed"]
    world.sound()


def test_explain_says_what_each_worker_is_to_a_waiting_run(world: World) -> None:
    world.open("full")
    world.submit("running")
    world.open("other", capabilities=[("workflow:y", 1)])
    world.open("drained", max=5)
    world.call("drain", "w-drained", "drain")
    world.submit("r1")
    world.submit("r2")
    status, band, ahead, _, waiting, stages, _ = world.call("explain", "r2")
    assert (status, band, ahead, waiting) == ("pending", "4", "1", ["4", "2"])
    counted = dict(zip(stages[::2], stages[1::2], strict=True))
    assert counted == {"full": "1", "capability": "1", "draining": "1"}
    assert ["w-full", "full", "0"] in world.more
    assert world.call("explain", "nobody") == []


def test_a_key_that_comes_with_a_later_submit_of_the_run_is_kept(world: World) -> None:
    assert world.submit("r1") == "accepted"
    assert world.submit("r1", idem="k") == "duplicate"
    assert world.submit("r2", idem="k") == "duplicate"
    assert world.run("r2") == {}


def test_a_run_that_is_given_back_again_and_again_is_slowed_down(world: World) -> None:
    world.open("s1")
    world.submit("r1")
    for _ in range(4):
        assert world.run("r1")["status"] == "running"
        world.report("s1", ("give_back", "r1", world.fence("r1"), 0, '"no"'))
    assert world.run("r1")["status"] == "parked"
    world.sound()
    world.pass_time(1001)
    world.tick()
    assert world.run("r1")["status"] == "running"
    world.sound()
