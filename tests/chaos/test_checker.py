"""The checker finds each kind of violation in a history made by hand.

Whether it would find them in a fleet is tested beside it, in `test_faults.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.chaos.checker import STARVED_SECONDS, violations
from tests.chaos.fleet import LEASE_SECONDS
from tests.chaos.records import (
    Cancelled,
    Disturbed,
    Ended,
    Evidence,
    Final,
    Followed,
    HistoryLine,
    LedgerLine,
    Odd,
    Repeated,
    Started,
    Submitted,
    Tried,
)


def done(fence: int = 1, status: str = "completed") -> Final:
    tried = [Tried(fence, "completed")] if status == "completed" else []
    return Final("r", status, fence, last_event=3, output_fence=fence, attempts=tried)


def kinds(
    ledger: Sequence[LedgerLine], history: Sequence[HistoryLine], final: Final | None, **given: int
) -> list[str]:
    finals = {final.run: final} if final else {}
    evidence = Evidence([*ledger], [*history], finals, LEASE_SECONDS, given.get("room", 10))
    return [violation.kind for violation in violations(evidence)]


def execution(
    fence: int, begin: float, end: float | None = None, how: str = "completed", process: str = "w.1"
) -> list[LedgerLine]:
    lines: list[LedgerLine] = [Started("r", fence, fence, process, begin)]
    return lines if end is None else [*lines, Ended("r", fence, process, how, end)]


ONCE = execution(1, 1.0, 2.0)
ASKED = Submitted("r", 0.5)


def test_a_run_that_was_executed_once_is_well() -> None:
    followed = Followed("r", [1, 2, 3], "completed")
    assert kinds(ONCE, [ASKED, Repeated("r", "r", True, 0.6), followed], done()) == []


def test_an_acknowledged_run_without_an_end_is_lost() -> None:
    assert kinds([], [ASKED], done(status="pending")) == ["lost"]
    assert kinds([], [ASKED], None) == ["lost"]


def test_a_second_execution_needs_a_reason() -> None:
    twice = [*ONCE, *execution(2, 1.5, 2.5, process="v.1")]
    assert kinds(twice, [ASKED], done(2)) == ["doubled"]


def test_another_attempt_is_a_reason_and_a_killed_process_too() -> None:
    retried = [*execution(1, 1.0, 2.0, "failed"), *execution(2, 2.1, 3.0)]
    assert kinds(retried, [ASKED], done(2)) == []
    killed = [*execution(1, 1.0), *execution(2, 5.0, 6.0, process="v.1")]
    assert kinds(killed, [ASKED, Disturbed("kill_worker", "w.1", 1.5, 1.6)], done(2)) == []
    other = Disturbed("kill_worker", "u.1", 1.5, 1.6)
    assert kinds(killed, [ASKED, other], done(2)) == ["doubled"]
    later = Disturbed("kill_worker", "w.1", 5.5, 5.6)
    assert kinds(killed, [ASKED, later], done(2)) == ["doubled"]


@pytest.mark.parametrize(("leases", "found"), [(0.3, ["doubled"]), (1.5, [])])
def test_a_freeze_is_a_reason_when_it_was_long(leases: float, found: list[str]) -> None:
    until = 1.5 + leases * LEASE_SECONDS
    frozen = Disturbed("freeze_worker", "w.1", 1.5, until)
    both = [
        *execution(1, 1.0, until + 1, "stopped"),
        *execution(2, 5.0, 6.0, process="v.1"),
    ]
    assert kinds(both, [ASKED, frozen], done(2)) == found


def test_a_fence_is_used_once_and_grows() -> None:
    same = [*execution(1, 1.0, 2.0, "failed"), *execution(1, 3.0, 4.0, process="v.1")]
    assert kinds(same, [ASKED], done(1)) == ["doubled"]
    smaller = [*execution(2, 1.0, 2.0, "failed"), *execution(1, 3.0, 4.0)]
    assert kinds(smaller, [ASKED], done(1)) == ["doubled"]


def test_two_runs_of_one_submit_are_seen() -> None:
    assert kinds(ONCE, [ASKED, Repeated("r", "other", True, 0.6)], done()) == ["doubled"]
    assert kinds(ONCE, [ASKED, Repeated("r", "r", False, 0.6)], done()) == ["doubled"]


def test_the_outcome_of_an_earlier_assignment_is_stale() -> None:
    both = [*ONCE, *execution(2, 5.0)]
    killed = Disturbed("kill_worker", "w.1", 3.0, 3.1)
    final = Final("r", "completed", 2, 3, output_fence=1, attempts=[Tried(1, "completed")])
    assert kinds(both, [ASKED, killed], final) == ["stale"]


def test_an_outcome_that_nobody_reached_is_stale() -> None:
    assert kinds([], [ASKED], done()) == ["stale"]
    failed = Final("r", "failed", 1, 3, attempts=[Tried(1, "failed", "HANDLER")])
    assert kinds(ONCE, [ASKED], failed) == ["stale"]


def test_a_cancelled_run_does_not_start() -> None:
    over = Final("r", "cancelled", 0, 3)
    late = [Started("r", 1, 1, "w.1", 2.0)]
    assert kinds(late, [ASKED, Cancelled("r", 0, 1.9)], over) == ["stale"]
    # It was given out before the cancel, and crossed it.
    assert kinds(late, [ASKED, Cancelled("r", 1, 1.9)], over) == []
    much_later = [Started("r", 1, 1, "w.1", 2.0 + LEASE_SECONDS)]
    assert kinds(much_later, [ASKED, Cancelled("r", 1, 1.9)], over) == ["stale"]
    assert kinds(ONCE, [ASKED, Cancelled("r", 1, 1.9)], done()) == ["stale"]


def test_a_run_that_waits_beside_room_is_starved() -> None:
    late = 1.0 + STARVED_SECONDS
    waited = execution(1, late + 1, late + 2)
    assert kinds(waited, [Submitted("r", 0.0)], done()) == ["starved"]
    assert kinds(waited, [Submitted("r", 0.0)], done(), room=0) == []
    away = Disturbed("kill_valkey", "", 3.0, 9.0)
    assert kinds(waited, [Submitted("r", 0.0), away], done()) == []


@pytest.mark.parametrize("numbers", [[1, 3], [1, 2, 2, 3], [1, 2], [2, 1, 3]])
def test_events_have_no_gaps_and_come_once_in_order(numbers: list[int]) -> None:
    assert kinds(ONCE, [ASKED, Followed("r", numbers, "completed")], done()) == ["events"]


def test_an_end_that_changed_and_an_odd_answer_are_seen() -> None:
    assert kinds(ONCE, [ASKED, Followed("r", [1, 2, 3], "failed")], done()) == ["events"]
    assert kinds(ONCE, [ASKED, Odd("a hub ended by itself", 1.0)], done()) == ["odd"]
