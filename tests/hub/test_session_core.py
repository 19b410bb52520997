"""The hub's session core: each branch, without sockets, store or time."""

from __future__ import annotations

from typing import Any

import pytest

from corral_hub.session import messages as m
from corral_hub.session.core import REJECTED, STOPPED_REMEMBERED, SessionCore
from corral_store.records import Declaration, Held, Kept, Letter, Opened, Report

HELLO = m.Hello(
    "w", "instance", "session", Declaration([("workflow:x", 1)]), held=(Held("r", "1"),)
)
LEASE, PING = 3000, 300


def fresh() -> SessionCore:
    return SessionCore(LEASE, PING, 0.0)


def opened() -> SessionCore:
    core = fresh()
    core.receive([HELLO], 0.0)
    core.opened(Opened("ok", 3), 0.0)
    return core


def letter(run: str = "r", fence: str = "1", word: str = "run", stream: int = 3) -> Letter:
    return Letter("session", stream, run, fence, word, 1, 1, -1, 0, 0, "", b"{}")


def said(word: str, run: str = "r", fence: str = "1", a: str = "") -> m.Said:
    return m.Said(Report(word, run, fence, 1, a))


def words(actions: m.Actions) -> list[tuple[str, str, str]]:
    letters = [sent.letter for sent in actions.send if isinstance(sent, m.Word)]
    return [(one.run, one.fence, one.word) for one in letters]


def ticked(core: SessionCore, begin: float, end: float) -> m.Actions:
    """The last tick of a hub that was awake all the time in between."""
    now = begin
    while now + LEASE / 6 < end and core.state == "open":
        now += LEASE / 6
        assert core.tick(now).end == ""
    return core.tick(end)


def rejects(actions: m.Actions) -> list[str]:
    return [sent.reason for sent in actions.send if isinstance(sent, m.Reject)]


def test_hello_is_opened_and_welcomed() -> None:
    core = fresh()
    actions = core.receive([HELLO], 0.0)
    assert (actions.open, actions.send, actions.end, core.open) == (HELLO, [], "", False)
    kept = (Kept("r", "1", True),)
    actions = core.opened(Opened("ok", 3, True, False, kept), 0.0)
    assert actions.send == [m.Welcome("session", 3, True, kept)]
    assert (core.open, core.stream, core.session) == (True, 3, "session")


@pytest.mark.parametrize("verdict", ["in_use", "ended", "superseded", "not_yours", "limit"])
def test_a_hello_that_the_store_refuses_ends_with_its_reason(verdict: str) -> None:
    core = fresh()
    core.receive([HELLO], 0.0)
    actions = core.opened(Opened(verdict), 0.0)
    assert (actions.send, actions.end) == ([REJECTED[verdict]], "refused")
    assert not core.open
    assert core.stream == 0


@pytest.mark.parametrize("first", [m.Pong(1), said("completed"), m.Goodbye(), m.Draining()])
def test_nothing_comes_before_hello(first: Any) -> None:
    core = fresh()
    actions = core.receive([first, HELLO], 0.0)
    assert (rejects(actions), actions.end) == (["protocol"], "refused")
    assert (actions.open, actions.reports, actions.draining) == (None, [], False)


def test_hello_twice_in_a_frame_opens_nothing() -> None:
    actions = fresh().receive([HELLO, HELLO], 0.0)
    assert (rejects(actions), actions.open, actions.end) == (["protocol"], None, "refused")


def test_hello_twice_before_the_welcome_refuses() -> None:
    core = fresh()
    core.receive([HELLO], 0.0)
    actions = core.receive([HELLO], 0.0)
    assert (rejects(actions), actions.end) == (["protocol"], "refused")
    # The store's answer to the first comes late: no Welcome, but the number is known.
    assert core.opened(Opened("ok", 7), 0.0) == m.Actions()
    assert (core.open, core.stream) == (False, 7)


def test_hello_on_an_open_stream_cuts_it() -> None:
    core = opened()
    actions = core.receive([HELLO, said("completed")], 0.0)
    assert (rejects(actions), actions.end, actions.reports) == (["protocol"], "cut", [])


def test_messages_become_actions_in_their_order() -> None:
    first, second = said("event", a="step"), said("completed", a="1")
    actions = opened().receive(
        [m.Pong(1), first, m.Resident(("a",)), second, m.Draining(), m.Resident(("b",))], 0.0
    )
    assert actions.reports == [first.report, second.report]
    assert (actions.models, actions.draining, actions.end) == (("b",), True, "")


def test_goodbye_ends_and_nothing_counts_behind_it() -> None:
    core = opened()
    actions = core.receive([said("completed"), m.Goodbye(), said("event")], 0.0)
    assert [report.word for report in actions.reports] == ["completed"]
    assert (actions.end, core.open) == ("goodbye", False)
    assert core.receive([said("event")], 0.0) == m.Actions()


def test_an_odd_message_is_answered_and_a_fatal_one_ends() -> None:
    core = opened()
    actions = core.receive([m.Odd("event", "why", "r"), said("completed")], 0.0)
    assert actions.send == [m.Unsupported("event", "why", "r")]
    assert len(actions.reports) == 1
    actions = core.receive([m.Odd("result", "why", "r", fatal=True), said("completed")], 0.0)
    assert actions.send == [m.Reject("protocol", "why")]
    assert (actions.end, actions.reports) == ("cut", [])


@pytest.mark.parametrize(("core", "end"), [(fresh(), "refused"), (opened(), "cut")])
def test_the_hub_may_refuse_at_any_time(core: SessionCore, end: str) -> None:
    actions = core.refuse(REJECTED["moved"])
    assert (actions.send, actions.end, core.open) == ([REJECTED["moved"]], end, False)
    assert core.receive([HELLO, said("completed")], 0.0) == m.Actions()
    assert core.letters([letter()], 0.0) == m.Actions()
    assert core.tick(LEASE * 9.0) == m.Actions()


def test_mail_is_sent_once_while_it_is_on_its_way() -> None:
    core = opened()
    assert words(core.letters([letter(), letter()], 0.0)) == [("r", "1", "run")]
    assert words(core.letters([letter()], 0.0)) == []
    assert words(core.letters([letter(fence="2"), letter(run="q")], 0.0)) == [
        ("r", "2", "run"), ("q", "1", "run"),
    ]  # fmt: skip


def test_mail_waits_for_the_welcome_and_for_its_stream() -> None:
    core = fresh()
    core.receive([HELLO], 0.0)
    assert words(core.letters([letter()], 0.0)) == []
    core.opened(Opened("ok", 3), 0.0)
    assert words(core.letters([letter(stream=4)], 0.0)) == []
    assert words(core.letters([letter(stream=2)], 0.0)) == [("r", "1", "run")]


def test_mail_that_was_acknowledged_may_be_sent_again() -> None:
    core = opened()
    core.letters([letter()], 0.0)
    core.receive([said("ack", a="run")], 0.0)
    assert words(core.letters([letter()], 0.0)) == [("r", "1", "run")]


def test_a_run_that_was_stopped_on_its_way_is_dropped() -> None:
    core = opened()
    assert words(core.letters([letter(word="stop"), letter()], 0.0)) == [("r", "1", "stop")]
    assert words(core.letters([letter(fence="2")], 0.0)) == [("r", "2", "run")]


def test_the_memory_of_stopped_runs_is_bounded() -> None:
    core = opened()
    stops = [letter(run=f"r{n}", word="stop") for n in range(STOPPED_REMEMBERED + 1)]
    core.letters(stops, 0.0)
    assert words(core.letters([letter(run="r1")], 0.0)) == []
    assert words(core.letters([letter(run="r0")], 0.0)) == [("r0", "1", "run")]


def test_mail_that_stays_unacknowledged_ends_the_session() -> None:
    core = opened()
    core.letters([letter(run="q"), letter()], 0.0)
    core.receive([said("ack", run="q", a="run"), m.Pong(1)], 1.0)
    assert not rejects(ticked(core, 0.0, LEASE))
    actions = core.tick(LEASE + 1.0)
    assert (rejects(actions), actions.end, core.open) == (["session_lost"], "lost", False)
    (reject,) = actions.send
    assert "'run' about run r " in getattr(reject, "detail", "")


@pytest.mark.parametrize(
    ("sent", "word", "arrived"),
    [
        (letter(), said("event", a="step"), True),
        (letter(), said("completed", a="1"), True),
        (letter(), said("completed", fence="2"), False),
        (letter(word="stop"), said("stopped"), True),
        (letter(word="stop"), said("event", a="step"), False),
        (letter(word="stop"), said("ack", a="run"), False),
        (letter(run="*", fence="", word="drain"), m.Pong(1), True),
    ],
)
def test_a_report_about_a_run_acknowledges_its_mail(sent: Letter, word: Any, arrived: bool) -> None:
    core = opened()
    core.letters([sent], 0.0)
    core.receive([word], 1.0)
    assert (ticked(core, 0.0, LEASE + 1.0).end == "") is arrived


def test_time_in_which_the_hub_waited_for_its_store_is_not_held_against_the_worker() -> None:
    core = opened()
    core.letters([letter()], 0.0)
    core.held_up(2.0 * LEASE)
    assert ticked(core, 0.0, 3.0 * LEASE).end == ""
    assert core.tick(3.0 * LEASE + 1.0).end == "lost"


def test_time_in_which_the_hub_did_not_run_is_not_held_against_the_worker() -> None:
    core = opened()
    core.letters([letter()], 0.0)
    assert ticked(core, 0.0, LEASE / 2).end == ""
    # Frozen for three leases: it has heard nothing, and the worker is likely elsewhere.
    awake = LEASE / 2 + 3.0 * LEASE
    assert core.tick(awake).end == ""
    assert ticked(core, awake, awake + LEASE / 2).end == ""
    assert core.tick(awake + LEASE / 2 + 1.0).end == "lost"


def test_pings_are_numbered_and_regular() -> None:
    core = opened()
    assert core.tick(0.9 * PING - 1.0).send == []
    # A timer that wakes a little early misses none.
    assert core.tick(PING - 1.0).send == [m.Ping(1)]
    assert core.tick(PING + 1.0).send == []
    assert core.tick(2.0 * PING - 2.0).send == [m.Ping(2)]


def test_a_ping_says_which_pong_has_renewed_the_lease() -> None:
    core = opened()
    core.receive([m.Pong(1, 100)], 0.0)
    assert core.tick(float(PING)).send == [m.Ping(1, 0)]
    assert core.take_life()
    # Came too late for the renewal that is under way.
    core.receive([m.Pong(2, 200)], 0.0)
    core.renewed()
    assert core.tick(2.0 * PING).send == [m.Ping(2, 100)]
    # The store has not answered this one.
    assert core.take_life()
    assert core.tick(3.0 * PING).send == [m.Ping(3, 100)]
    core.take_life()
    core.renewed()
    assert core.tick(4.0 * PING).send == [m.Ping(4, 200)]


def test_nobody_is_pinged_before_the_welcome() -> None:
    core = fresh()
    assert core.tick(9.0 * PING) == m.Actions()
    core.receive([HELLO], 9.0 * PING)
    core.opened(Opened("ok", 1), 9.0 * PING)
    assert core.tick(9.0 * PING + 1).send == []


def test_life_is_a_frame_since_it_was_asked_last() -> None:
    core = opened()
    assert [core.take_life(), core.take_life()] == [True, False]
    core.tick(float(PING))
    core.letters([letter()], 0.0)
    assert not core.take_life()
    core.receive([m.Pong(1)], 0.0)
    assert core.take_life()
    core.receive([m.Goodbye()], 0.0)
    assert not core.take_life()


def test_reports_are_acknowledged_in_order_and_acks_are_not() -> None:
    reports = [
        Report("event", "r", "1", 1),
        Report("ack", "r", "1", 0, "run"),
        Report("completed", "q", "2", 2),
    ]
    (acks,) = opened().reported(reports, ["ok", "ok", "stale"]).send
    assert acks == m.Acks((m.Acked("r", "1", 1, "ok"), m.Acked("q", "2", 2, "stale")))
    assert opened().reported(reports[1:2], ["ok"]) == m.Actions()


@pytest.mark.parametrize("word", ["completed", "failed", "stopped", "give_back"])
def test_the_acknowledgement_of_an_end_needs_no_frame_of_its_own(word: str) -> None:
    reports = [Report(word, "q", "2", 2), Report("ack", "r", "1", 0, "run")]
    actions = opened().reported(reports, ["ok", "ok"])
    assert actions == m.Actions(in_passing=[m.Acks((m.Acked("q", "2", 2, "ok"),))])


@pytest.mark.parametrize("word", ["event", "ask", "park", "step", "checkpoint", "claim", "decline"])
def test_the_acknowledgement_that_a_handler_may_wait_for_is_sent_at_once(word: str) -> None:
    reports = [Report(word, "r", "1", 1), Report("completed", "q", "2", 2)]
    actions = opened().reported(reports, ["ok", "ok"])
    assert (len(actions.send), actions.in_passing) == (1, [])
