"""The checker finds what is wrong with answers, steps, streams and subscribers, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.chaos.checker import violations
from tests.chaos.fleet import LEASE_SECONDS
from tests.chaos.records import (
    Answered,
    Did,
    Disturbed,
    Ended,
    Evidence,
    Final,
    Heard,
    HistoryLine,
    Kept,
    LedgerLine,
    Missed,
    Part,
    Read,
    Started,
    Submitted,
    Tried,
)
from tests.chaos.subscribers import EVERYTHING, FILTERED


def done(fence: int = 1, *before: Tried, **given: Any) -> Final:
    tried = [*before, Tried(fence, "completed")]
    given = {"last_event": 3, "output_fence": fence, **given}
    return Final("r", "completed", fence, attempts=tried, **given)


def kinds(
    final: Final, history: Sequence[HistoryLine] = (), ledger: Sequence[LedgerLine] = ()
) -> list[str]:
    ledger = ledger or execution(final.fence, 1.0, 2.0)
    evidence = Evidence([*ledger], [*history], {"r": final}, LEASE_SECONDS, 10)
    return [violation.kind for violation in violations(evidence)]


def execution(
    fence: int, begin: float, end: float, how: str = "completed", process: str = "w.1"
) -> list[LedgerLine]:
    return [Started("r", fence, fence, process, begin), Ended("r", fence, process, how, end)]


def test_one_answer_counts_and_is_the_one_that_the_run_gets() -> None:
    assert kinds(done(answer="a"), [Answered("r", "a", 1.0)]) == []
    assert kinds(done(answer="b"), [Answered("r", "a", 1.0)]) == ["answers"]
    both = [Answered("r", "a", 1.0), Answered("r", "b", 1.1)]
    assert kinds(done(answer="a"), both) == ["answers"]


def test_a_parked_run_starts_again_when_the_store_has_it_that_it_parked() -> None:
    twice = [*execution(1, 1.0, 2.0, "parked"), *execution(2, 3.0, 4.0, process="v.1")]
    assert kinds(done(2, Tried(1, "parked")), (), twice) == []
    # Told to stop there, for a lease that was lost without a reason.
    assert kinds(done(2, Tried(1, "lost")), (), twice) == ["doubled"]


ONCE = execution(1, 1.0, 2.0)
TWICE = [*execution(1, 1.0, 1.5, "stopped"), *execution(2, 2.0, 3.0)]
KILLED = Disturbed("kill_worker", "w.1", 1.3, 1.4)


def step(*fences: int, kept: int) -> list[LedgerLine]:
    """Executions do the step, and `kept` is the one whose result is kept."""
    did: list[LedgerLine] = [Did("r", fence, "w.1", "step0", fence + 0.1) for fence in fences]
    return [*did, Kept("r", kept, "step0", kept, kept + 0.2)]


def test_a_step_is_done_again_only_when_its_process_was_killed_before_it_was_kept() -> None:
    assert kinds(done(steps=[1]), (), [*ONCE, *step(1, kept=1)]) == []
    again = [*TWICE, *step(1, 2, kept=2)]
    assert kinds(done(2, steps=[2]), [KILLED], again) == []
    assert kinds(done(2, steps=[2]), (), again) == ["doubled", "steps"]
    kept_before = [*TWICE, *step(1, 2, kept=1)]
    assert kinds(done(2, steps=[1]), [KILLED], kept_before) == ["steps"]


def test_the_result_of_a_step_is_that_of_one_execution_of_it() -> None:
    assert kinds(done(steps=[7]), (), [*ONCE, *step(1, kept=1)]) == ["steps"]
    two = [*ONCE, *step(1, kept=1), Kept("r", 1, "step0", 7, 1.3)]
    assert kinds(done(steps=[1]), (), two) == ["steps"]


def chunks(fence: int, *numbers: int) -> list[Part]:
    return [Part("chunk", fence, number, number) for number in numbers]


GAP = Part("gap", 0, 2, 3)
RESTART = Part("restart")


@pytest.mark.parametrize(
    "parts",
    [
        chunks(2, 1, 2, 3, 4),
        [*chunks(2, 1), GAP, *chunks(2, 4)],
        [*chunks(1, 1, 2), RESTART, *chunks(2, 1, 2, 3, 4)],
        # Of the last attempt nothing came, or nothing but a gap.
        [*chunks(1, 1, 2)],
        [*chunks(1, 1, 2), Part("gap", 0, 1, 4)],
        [*chunks(1, 1, 2), RESTART, Part("gap", 0, 1, 3), *chunks(2, 4)],
    ],
)
def test_a_stream_has_each_chunk_once_and_in_order_or_a_gap(parts: list[Part]) -> None:
    final = done(2, Tried(1, "lost"), chunks=4)
    assert kinds(final, [Read("r", parts)]) == []


@pytest.mark.parametrize(
    "parts",
    [
        chunks(2, 1, 2, 2, 3, 4),
        chunks(2, 1, 3, 2, 4),
        chunks(2, 1, 2, 4),
        chunks(2, 1, 2, 3),
        [*chunks(2, 1, 2), GAP, *chunks(2, 4)],
        [*chunks(1, 1, 2), *chunks(2, 3, 4)],
        [*chunks(2, 1, 2), RESTART, *chunks(1, 1, 2)],
        chunks(3, 1, 2, 3, 4),
    ],
)
def test_a_stream_that_doubles_skips_or_mixes_attempts_is_seen(parts: list[Part]) -> None:
    assert kinds(done(2, Tried(1, "lost"), chunks=4), [Read("r", parts)]) == ["streams"]


def heard(subscriber: str, *numbers: int) -> list[HistoryLine]:
    types = {2: "progress"}
    return [Heard(subscriber, "r", number, types.get(number, "status.any")) for number in numbers]


@pytest.mark.parametrize(
    ("all_of_it", "filtered", "found"),
    [
        ((1, 2, 3), (1, 3), []),
        ((1, 3), (1, 3), ["events"]),
        ((1, 2, 2, 3), (1, 3), ["events", "events"]),
        ((2, 1, 3), (1, 3), ["events", "events"]),
        ((1, 2, 3), (1,), ["events"]),
        ((1, 2, 3), (1, 2, 3), ["events"]),
        ((1, 2, 3), (), ["events"]),
    ],
)
def test_subscribers_of_all_runs_are_told_each_event_once_and_in_order(
    all_of_it: tuple[int, ...], filtered: tuple[int, ...], found: list[str]
) -> None:
    told = [Submitted("r", 0.5), *heard(EVERYTHING, *all_of_it), *heard(FILTERED, *filtered)]
    assert kinds(done(labelled=True), told) == found


def test_a_subscriber_that_is_told_of_a_gap_may_miss_but_not_double() -> None:
    gap = Missed(EVERYTHING, "trimmed")
    told = [Submitted("r", 0.5), gap, *heard(EVERYTHING, 1, 3)]
    assert kinds(done(), told) == []
    assert kinds(done(), [*told, *heard(EVERYTHING, 3)]) == ["events"]


def test_a_run_without_the_label_is_not_told_to_who_filters_by_it() -> None:
    told = [Submitted("r", 0.5), *heard(EVERYTHING, 1, 2, 3), *heard(FILTERED, 1, 3)]
    assert kinds(done(labelled=False), told) == ["events"]
