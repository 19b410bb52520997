"""Checks of what flows while runs run: answers, steps, streams, and subscribers of all runs.

Pure functions from evidence to violations, as those of `checker.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.records import Answered, Evidence, Heard, Missed, Part, Read, Submitted
from tests.chaos.story import Story, Violation
from tests.chaos.subscribers import EVERYTHING, FILTERED

STATUS = "status."


def answers(evidence: Evidence) -> Iterator[Violation]:
    """Questions with two acknowledged answers, and results that have another one."""
    said: dict[str, set[str]] = defaultdict(set)
    for line in evidence.history:
        if isinstance(line, Answered):
            said[line.run].add(line.answer)
    for run, acknowledged in said.items():
        if len(acknowledged) > 1:
            yield Violation("answers", run, f"acknowledged are {sorted(acknowledged)}")
        final = evidence.finals.get(run)
        if final and final.status == "completed" and final.answer not in acknowledged:
            yield Violation(
                "answers", run, f"{sorted(acknowledged)} was acknowledged, it got {final.answer!r}"
            )


def steps(evidence: Evidence, story: Story) -> Iterator[Violation]:
    """Steps that were done again without a reason, and results that are not what was kept."""
    for (run, key), done in story.did.items():
        kept = story.kept.get((run, key), [])
        first = min((line.at for line in kept), default=float("inf"))
        for before, after in pairwise(sorted(done, key=lambda line: line.at)):
            ended = story.end_of(before)
            refused = ended is not None and ended.how == "failed" and ended.at <= after.at
            if after.at > first:
                yield Violation("steps", run, f"{key} was done again at {after.at:.3f}, as kept")
            elif not refused and not story.excused(before, after.at):
                yield Violation(
                    "steps",
                    run,
                    f"{before.process} did {key} at {before.at:.3f}, nothing happened to that "
                    f"process, and {after.process} did it at {after.at:.3f}",
                )
        values = {line.value for line in kept}
        if not values <= {line.fence for line in done} or len(values) > 1:
            yield Violation("steps", run, f"{key} has the results {sorted(values)}")
    for final in evidence.finals.values():
        for number, value in enumerate(final.steps):
            kept = story.kept.get((final.run, f"step{number}"), [])
            if value not in {line.value for line in kept}:
                yield Violation("steps", final.run, f"step{number} is {value} in the result")


def streams(evidence: Evidence) -> Iterator[Violation]:
    """Readers that were given a chunk twice, out of order, or not at all and without a gap."""
    for line in evidence.history:
        if not isinstance(line, Read):
            continue
        wrong, fence, last = _reading(line.parts)
        if wrong:
            yield Violation("streams", line.run, wrong)
            continue
        final = evidence.finals.get(line.run)
        # When nothing of the last attempt came, there is nothing to count.
        if final and final.status == "completed" and fence == final.output_fence:
            if last != final.chunks:
                yield Violation("streams", line.run, f"ended behind {last} of {final.chunks}")
        elif final and fence > final.fence:
            yield Violation("streams", line.run, f"fence {fence} was read, the last is its own")


def _reading(parts: list[Part]) -> tuple[str, int, int]:
    """What is wrong with a reading, the last fence that was read and its last number."""
    fence, last = 0, 0
    for at, part in enumerate(parts):
        if part.kind == "restart":
            last = 0
            continue
        if part.first != last + 1 or part.last < part.first:
            # A gap behind everything may be that of an attempt of which nothing else came.
            if part.kind == "gap" and at == len(parts) - 1 and part.first == 1:
                return "", 0, 0
            return f"{part.kind} {part.first} to {part.last} came behind {last}", fence, last
        if part.kind == "chunk":
            if last and fence and part.fence != fence and not _restarted(parts, at):
                return f"fence {part.fence} came behind {fence} without a restart", fence, last
            if part.fence < fence:
                return f"fence {part.fence} came behind {fence}", fence, last
            fence = part.fence
        last = part.last
    return "", fence, last


def _restarted(parts: list[Part], at: int) -> bool:
    """True when only gaps stand between a restart and this part."""
    while at > 0 and parts[at - 1].kind == "gap":
        at -= 1
    return at > 0 and parts[at - 1].kind == "restart"


def subscribers(evidence: Evidence) -> Iterator[Violation]:
    """Subscribers of all runs that missed an event, or were told one twice or out of order."""
    heard: dict[str, dict[str, list[Heard]]] = {EVERYTHING: {}, FILTERED: {}}
    missed: set[str] = set()
    for line in evidence.history:
        if isinstance(line, Heard):
            heard[line.subscriber].setdefault(line.run, []).append(line)
        elif isinstance(line, Missed):
            missed.add(line.subscriber)
    if not any(heard.values()):
        return
    for name, runs in heard.items():
        for run, told in runs.items():
            numbers = [line.number for line in told]
            if numbers != sorted(set(numbers)):
                yield Violation("events", run, f"{name} was told {numbers}")
    submitted = {line.run for line in evidence.history if isinstance(line, Submitted)}
    for run in submitted & evidence.finals.keys():
        final, everything = evidence.finals[run], heard[EVERYTHING].get(run, [])
        numbers = [line.number for line in everything]
        whole = numbers == list(range(1, final.last_event + 1))
        if EVERYTHING not in missed and not whole:
            yield Violation(
                "events", run, f"{EVERYTHING} was told {numbers}, there are 1 to {final.last_event}"
            )
        told = [line.number for line in heard[FILTERED].get(run, [])]
        wanted = [line.number for line in everything if line.kind.startswith(STATUS)]
        if whole and FILTERED not in missed and told != (wanted if final.labelled else []):
            yield Violation("events", run, f"{FILTERED} was told {told} of {wanted}")
