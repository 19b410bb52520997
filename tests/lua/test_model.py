"""Random histories of the real transitions against a small model of what must hold.

The model knows of each run only what a user may rely on: its status, who may end it, and
how often it was ended. Every mutating call is made twice; `check` runs after every step.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from corral_hub.feed import events_of
from tests.lua.histories import TERMINAL, Moves
from tests.lua.world import World

FAILED = '{"code":"HANDLER","type":"E","message":"","retryable":true}'
WORDS = (
    *("completed", "failed", "give_back", "stopped", "event", "ack", "claim", "decline"),
    *("ask", "park", "step"),
)
# Nothing is left of a run that is removed.
KEYS = (
    *("run", "job", "output", "events", "attempts", "inputs"),
    *("checkpoint", "steps", "ring", "listens", "declined"),
)


def event_of(raw: bytes | str) -> dict[str, Any]:
    """An event from its JSON text, as a subscriber sees it."""
    return {"fence": "", **json.loads(raw)}


class Histories(Moves):
    def _assigned(self, data: st.DataObject) -> tuple[str, str, str] | None:
        pairs = [
            (session, run, value.split()[0])
            for session in sorted(self.sessions)
            for run, value in sorted(self.world.held(session).items())
        ]
        return data.draw(st.sampled_from(pairs)) if pairs else None

    @rule(
        data=st.data(),
        word=st.sampled_from(
            ["completed", "failed", "give_back", "stopped", "event", "ack", "claim", "decline"]
        ),
    )
    def report(self, data: st.DataObject, word: str) -> None:
        found = self._assigned(data)
        if found is None:
            return
        session, run, fence = found
        self.heard.add((run, fence))
        before = self.world.run(run)["status"]
        a = {
            "failed": FAILED,
            "event": "progress",
            "ack": "run",
        }.get(word, '"x"')
        stream = str(self.sessions[session])
        seq = self.number = self.number + 1
        first = self.world.report(session, (word, run, fence, seq, a, "1"), stream=stream)
        # A declined run may be on offer again, with another fence.
        repeated = self.world.again == first or word == "decline"
        assert repeated or before in TERMINAL, (first, self.world.again)
        if before in TERMINAL:
            assert self.status(run) in (before, "gone")
        elif word in ("completed", "failed") and before == "running":
            assert self.world.run(run)["status"] in TERMINAL | {"delayed"}

    @precondition(lambda self: self.sessions)
    @rule(
        data=st.data(),
        words=st.lists(
            st.sampled_from(WORDS),
            min_size=2,
            max_size=6,
        ),
    )
    def report_many(self, data: st.DataObject, words: list[str]) -> None:
        """One frame: about several runs, or several words about one."""
        session = data.draw(st.sampled_from(sorted(self.sessions)))
        held = sorted(self.world.held(session).items())
        if not held:
            return
        said: list[tuple[Any, ...]] = []
        asked = '{"request_id":"q1","prompt":"?","metadata":null}'
        for word in words:
            run, value = data.draw(st.sampled_from(held))
            seq = self.number = self.number + 1
            a, b = {
                "failed": (FAILED, ""), "ack": ("run", ""), "event": ("e", "1"),
                "ask": ("q1", asked), "park": ("q1", ""), "step": ("s", '"once"'),
            }.get(word, ('"x"', ""))  # fmt: skip
            self.heard.add((run, value.split()[0]))
            said.append((word, run, value.split()[0], seq, a, b))
        self.world.report(session, *said, stream=str(self.sessions[session]))

    @rule(data=st.data(), listen=st.sampled_from(["", "", "on", "off", "read"]))
    def relay(self, data: st.DataObject, listen: str) -> None:
        found = self._assigned(data)
        if found is None:
            return
        session, run, fence = found
        if listen:
            self.world.call("listen", run, listen, "", 0)
            return
        number = self.streamed[run, fence] = self.streamed.get((run, fence), 0) + 1
        verdict = self.world.relay(session, run, number, "part", fence=fence)
        before = self.world.run(run)
        if before["status"] == "running" and (before["session"], before["fence"]) == (
            session, fence,
        ):  # fmt: skip
            assert (verdict, self.world.again) == ("ok", ["seen"])
        else:
            assert verdict == "stale"

    @rule(
        data=st.data(),
        word=st.sampled_from(["ask", "ask", "park", "checkpoint", "step"]),
        question=st.sampled_from(["q1", "q2"]),
        timeout=st.sampled_from([0, 100]),
    )
    def remember(self, data: st.DataObject, word: str, question: str, timeout: int) -> None:
        found = self._assigned(data)
        if found is None:
            return
        session, run, fence = found
        self.heard.add((run, fence))
        seq = self.number = self.number + 1
        timed = f',"timeout_ms":{timeout}' if timeout else ""
        asked = f'{{"request_id":"{question}","prompt":"?","metadata":null{timed}}}'
        said = {"ask": (question, asked), "park": (question, ""), "step": ("s", '"once"')}
        a, b = said.get(word, ("", f"{seq}"))
        before = self.world.run(run)
        stream = str(self.sessions[session])
        first = self.world.report(session, (word, run, fence, seq, a, b), stream=stream)
        assert self.world.again == first or before["status"] in TERMINAL
        if first == ["ok"] and before["status"] == "running" and word == "park":
            assert self.world.run(run).get("attempt", "0") == str(int(before["attempt"]) - 1) or (
                self.world.run(run)["status"] == "running"
            )

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), question=st.sampled_from(["q1", "q2"]), answer=st.sampled_from("123"))
    def answer(self, data: st.DataObject, question: str, answer: str) -> None:
        run = data.draw(st.sampled_from(sorted(self.runs)))
        before = self.world.run(run)["status"]
        (verdict,) = self.world.call("answer_input", run, question, answer)
        assert self.world.again == ["same" if verdict == "ok" else verdict]
        was = self.answers.get((run, question))
        if verdict == "ok":
            assert was is None, "a question has one answer, ever"
            assert before not in TERMINAL
            self.answers[run, question] = answer
        elif was is not None:
            assert verdict == ("same" if was == answer else "conflict")
        else:
            assert verdict in ("unasked", "lapsed", "ended")

    @precondition(lambda self: self.old)
    @rule(data=st.data())
    def report_with_an_old_fence(self, data: st.DataObject) -> None:
        session, run, fence = data.draw(st.sampled_from(self.old))
        record = self.world.run(run)
        if not record or (record["fence"] == fence and record.get("session") == session):
            return
        self.world.report(session, ("completed", run, fence, 0, '"late"'))
        after = self.world.run(run)
        if not after:
            assert record["status"] in TERMINAL
            return
        # Room that a resumed kind left empty may be filled by any call about the session.
        if record["status"] == "pending":
            assert after["status"] in ("pending", "running", "offered")
        else:
            assert (after["status"], after["fence"]) == (record["status"], record["fence"])

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.runs)))
        before = self.world.run(run)["status"]
        (verdict,) = self.world.call("cancel", run, '"why"')
        assert self.world.run(run)["status"] == (before if before in TERMINAL else "cancelled")
        assert verdict == {"cancelled": "already"}.get(
            before, "final" if before in TERMINAL else "cancelled"
        )

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.runs)))
        record = self.world.run(run)
        before = record["status"]
        in_hand = run in self.world.held(record.get("session") or "-")
        shape = self.classes[run]
        (verdict,) = self.world.call("retry", run, shape)
        expected = "completed" if before == "completed" else "live"
        if before not in ("failed", "cancelled"):
            assert (verdict, self.world.again) == (expected, [expected])
        elif in_hand:
            assert (verdict, self.world.again) == ("stopping", ["stopping"])
        else:
            assert (verdict, self.world.again) == ("retried", ["live"])
        if verdict == "retried":
            self.runs[run] = ""

    @invariant()
    def sound(self) -> None:
        if self.runs or self.sessions:
            assert self.world.check() == []

    @invariant()
    def who_has_a_run_is_told(self) -> None:
        for session in self.sessions:
            mail = self.world.mail(session)
            for run, value in self.world.held(session).items():
                fence, state = value.split()
                if state == "running" and (run, fence) not in self.heard:
                    assert mail.get(run) == f"{fence} run"

    @invariant()
    def the_feed_tells_what_each_run_says_of_itself(self) -> None:
        told: dict[str, list[Any]] = defaultdict(list)
        feed: Any = self.world.client.xrange(f"{self.world.root}feed")
        for _, fields in feed:
            for found in events_of(fields[b"events"]):
                told[found.run].append(event_of(msgspec.json.encode(found.event)))
        for run in self.runs:
            (said,), _, _ = self.world.raw("read_events", 0, 1000, run)
            if said:
                status, latest, events = said
                assert [event_of(raw) for raw in events] == told[run]
                assert int(latest) == len(events)
                assert [e["type"] for e in told[run] if e["type"].startswith("status.")][-1] == (
                    f"status.{status}"
                )

    @invariant()
    def terminal_runs_never_change(self) -> None:
        for run, was in list(self.runs.items()):
            now = self.world.run(run)
            if not now:
                assert was.split()[0] in TERMINAL
                keys = [f"{self.world.root}{key}:{run}" for key in KEYS]
                assert self.world.client.exists(*keys) == 0, "removed with all that it had"
                del self.runs[run]
                continue
            status = f"{now['status']} {now.get('ended')} {now.get('fence')}"
            if was:
                assert status == was
            elif now["status"] in TERMINAL:
                self.runs[run] = status


def explore(world: World, examples: int, steps: int) -> None:
    """Runs the machine against a world; raises what it finds."""
    machine = type("Machine", (Histories,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


@pytest.mark.parametrize("part", range(3))
def test_random_histories_keep_every_invariant(world: World, part: int) -> None:
    explore(world, examples=40, steps=40)
