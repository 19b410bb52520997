"""The checker: what the evidence of a round shows that must never be.

Pure functions from evidence to violations, each with a sentence for a person. A process is
excused from having had a run only by what was done to it: killed, or frozen beyond its lease.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.chaos import conversation
from tests.chaos.records import (
    Cancelled,
    Evidence,
    Followed,
    Odd,
    Repeated,
    Started,
    Submitted,
    Tried,
)
from tests.chaos.story import Story, Violation

# A run that waits longer, while there is room and the store is there, is starved.
STARVED_SECONDS = 30.0
# While these last, and a lease longer, nobody can be given work.
STORE_AWAY = frozenset({"kill_valkey", "freeze_valkey"})
TERMINAL = frozenset({"completed", "failed", "cancelled"})


def violations(evidence: Evidence) -> list[Violation]:
    """Everything that the evidence shows against the guarantees; empty: they held."""
    story = Story(evidence)
    return [
        *lost(evidence),
        *doubled(evidence, story),
        *stale(evidence, story),
        *cancelled(evidence, story),
        *starved(evidence, story),
        *events(evidence),
        *conversation.answers(evidence),
        *conversation.steps(evidence, story),
        *conversation.streams(evidence),
        *conversation.subscribers(evidence),
        *(Violation("broken", "", f"{name}: {what}") for name, what in evidence.broken),
        *(Violation("odd", "", line.what) for line in evidence.history if isinstance(line, Odd)),
    ]


def lost(evidence: Evidence) -> Iterator[Violation]:
    """Acknowledged runs that have no end."""
    for line in evidence.history:
        if isinstance(line, Submitted):
            final = evidence.finals.get(line.run)
            if final is None or final.status not in TERMINAL:
                status = final.status if final else "unknown to the hubs"
                yield Violation("lost", line.run, f"acknowledged at {line.at:.3f}, is {status}")
            elif final.code == "WORKER_LOST":
                yield Violation("lost", line.run, "failed for lost leases, which it may have often")


def doubled(evidence: Evidence, story: Story) -> Iterator[Violation]:
    """Runs that two submits made two of, and runs that began again without a reason."""
    for line in evidence.history:
        if isinstance(line, Repeated) and not (line.deduplicated and line.answer == line.run):
            yield Violation("doubled", line.run, f"the same submit again gave {line.answer}")
    for run, starts in story.starts.items():
        for before, after in pairwise(starts):
            if after.fence < before.fence and story.excused(after, after.at):
                continue
            if after.fence <= before.fence:
                yield Violation("doubled", run, f"fence {after.fence} came after {before.fence}")
                continue
            ended = story.end_of(before)
            retried = (
                ended is not None
                and ended.at <= after.at
                and (ended.how == "failed" or (ended.how == "parked" and _parked(evidence, before)))
            )
            if not retried and not story.excused(before, after.at):
                how = f"{ended.how} at {ended.at:.3f}" if ended else "is still at it"
                yield Violation(
                    "doubled",
                    run,
                    f"{before.process} began it at {before.at:.3f} ({how}), nothing happened to "
                    f"that process, and {after.process} began it at {after.at:.3f}",
                )


def _parked(evidence: Evidence, start: Started) -> bool:
    """True when the store has it that this attempt gave its room back at a question."""
    final = evidence.finals.get(start.run)
    return final is not None and Tried(start.fence, "parked") in final.attempts


def stale(evidence: Evidence, story: Story) -> Iterator[Violation]:
    """Outcomes that are not those of the last assignment, or of none that was executed."""
    executed = {(end.run, end.fence): end.how for end in story.ends.values()}
    for final in evidence.finals.values():
        if final.status == "completed" and final.output_fence != final.fence:
            yield Violation(
                "stale",
                final.run,
                f"the result is that of fence {final.output_fence}, the last is {final.fence}",
            )
        fences = [tried.fence for tried in final.attempts]
        if fences != sorted(set(fences)):
            yield Violation("stale", final.run, f"its attempts ended with the fences {fences}")
        for tried in final.attempts:
            said = tried.outcome == "completed" or tried.code == "HANDLER"
            how = executed.get((final.run, tried.fence), "never executed to its end")
            if said and how != tried.outcome:
                yield Violation(
                    "stale",
                    final.run,
                    f"fence {tried.fence} stands as {tried.outcome}, and was {how}",
                )


def cancelled(evidence: Evidence, story: Story) -> Iterator[Violation]:
    """Cancelled runs that were given out, or started, after the cancel was acknowledged.

    What a hub had under way to the worker may cross the reply, for a lease at most, or until
    a frozen process thaws.
    """
    for line in evidence.history:
        if not isinstance(line, Cancelled):
            continue
        final = evidence.finals.get(line.run)
        if final is not None and final.status != "cancelled":
            yield Violation("stale", line.run, f"cancelled, and then {final.status}")
        for start in story.starts.get(line.run, []):
            late = start.at - line.at
            crossed = start.fence <= line.fence and (
                late <= story.lease_seconds or story.excused(start, start.at)
            )
            if late > 0 and not crossed:
                yield Violation("stale", line.run, f"started {late:.3f} s after its cancel")


def starved(evidence: Evidence, story: Story) -> Iterator[Violation]:
    """Runs that waited longer than `STARVED_SECONDS` while the store was there and had room."""
    over = {line.run: line.at for line in evidence.history if isinstance(line, Cancelled)}
    away = [one for one in story.disturbed if one.kind in STORE_AWAY]
    spans = [
        (start.at, end.at if (end := story.end_of(start)) else start.at)
        for starts in story.starts.values()
        for start in starts
    ]
    step = 0.5
    for line in evidence.history:
        if not isinstance(line, Submitted):
            continue
        starts = story.starts.get(line.run)
        until = starts[0].at if starts else over.get(line.run, line.at)
        if until - line.at <= STARVED_SECONDS:
            continue
        waited, at = 0.0, line.at
        while at < until:
            there = not any(one.at <= at <= one.until + story.lease_seconds for one in away)
            if there and sum(begin <= at < end for begin, end in spans) < evidence.room:
                waited += step
            at += step
        if waited > STARVED_SECONDS:
            yield Violation("starved", line.run, f"waited {waited:.0f} s while there was room")


def events(evidence: Evidence) -> Iterator[Violation]:
    """Subscribers that missed an event, saw one twice, or saw another end than the run's."""
    for line in evidence.history:
        if not isinstance(line, Followed):
            continue
        final = evidence.finals.get(line.run)
        if final is None:
            continue
        if line.numbers != list(range(1, final.last_event + 1)):
            seen = f"{line.numbers[:3]}...{line.numbers[-3:]}, {len(line.numbers)} in all"
            yield Violation("events", line.run, f"saw {seen}, there are 1 to {final.last_event}")
        if line.status != final.status:
            yield Violation("events", line.run, f"was seen {line.status}, and is {final.status}")
