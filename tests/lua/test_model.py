"""Random histories of the real transitions against a small model of what must hold.

The model knows of each run only what a user may rely on: its status, who may end it, and
how often it was ended. Every mutating call is made twice; `check` runs after every step.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from corral_store.digests import class_of
from corral_store.records import Constraints, Declaration
from tests.lua.world import World

TERMINAL = {"completed", "failed", "cancelled"}
POOLS = [
    Declaration([("workflow:x", 1)], max=1),
    Declaration([("workflow:x", 2), ("workflow:y", 1)], max=3),
    Declaration([("workflow:y", 1)], tags={"zone": "a"}, max=2),
    Declaration([("workflow:x", 1)], admission="vram", max=0, devices=[1024, 512]),
    Declaration([("workflow:x", 1), ("workflow:y", 1)], admission="reactive", max=2),
]
NEEDS: list[dict[str, Any]] = [
    {},
    {"version": 2},
    {"tags": [("zone", "a")]},
    {"tags": [("zone", "nowhere")]},
    {"preferred": {"fast": "yes"}, "vram_mb": 512},
]
RETRIES = ["", "[2,50,2,100,0,[]]"]


class Histories(RuleBasedStateMachine):
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.runs: dict[str, str] = {}
        self.sessions: dict[str, int] = {}
        self.number = 0
        self.old: list[tuple[str, str, str]] = []
        self.classes: dict[str, str] = {}
        self.answers: dict[tuple[str, str], str] = {}

    def fresh(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    @initialize()
    def empty(self) -> None:
        self.world.client.flushdb()
        self.world.letters.clear()
        self.world.twice = False
        self.world.call("enter", 10_000_000, self.world.lease_ms, 1_000_000, 0, 0, 0)
        self.world.twice = True

    @rule(
        kind=st.sampled_from(["workflow:x", "workflow:y"]),
        needs=st.sampled_from(NEEDS),
        priority=st.sampled_from([0, 128, 255]),
        flow=st.sampled_from(["-", "t1", "t2"]),
        weight=st.sampled_from([1, 3]),
        retry=st.sampled_from(RETRIES),
        delay=st.sampled_from([0, 0, 100]),
        deadline=st.sampled_from([0, 0, 200]),
    )
    def submit(
        self, kind: str, needs: dict[str, Any], delay: int, deadline: int, **given: Any
    ) -> None:
        run = self.fresh("r")
        version = needs.get("version", 0)
        constraints = Constraints(kind, **{"version": version, **needs})
        verdict = self.world.submit(
            run, kind, version, constraints=constraints, delay_ms=delay, deadline_ms=deadline,
            vram_mb=constraints.vram_mb, **given,
        )  # fmt: skip
        if verdict == "accepted":
            assert self.world.again[0][0] == "duplicate"
            self.runs[run] = ""
            self.classes[run] = class_of(constraints)[1]
        else:
            assert verdict == "vram_required"
            assert self.world.run(run) == {}

    @rule(pool=st.sampled_from(POOLS))
    def open(self, pool: Declaration) -> None:
        session = self.fresh("s")
        verdict = self.world.open(session, declaration=pool)
        assert verdict[:2] == ["ok", "1"]
        assert self.world.again[1] == "1", "the repeated Hello is no new stream"
        self.sessions[session] = 1

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), keep=st.booleans(), pool=st.sampled_from(POOLS))
    def resume(self, data: st.DataObject, keep: bool, pool: Declaration) -> None:
        session = data.draw(st.sampled_from(sorted(self.sessions)))
        held = [
            (run, value.split()[0])
            for run, value in sorted(self.world.held(session).items())
            if keep or data.draw(st.booleans())
        ]
        verdict = self.world.open(
            session, declaration=pool, connection=self.fresh("c"), resume=True, held=held
        )
        assert verdict[0] == "ok"
        assert int(verdict[1]) == self.sessions[session] + 1
        self.sessions[session] += 1

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), how=st.sampled_from(["cut", "goodbye", "lost"]))
    def close(self, data: st.DataObject, how: str) -> None:
        session = data.draw(st.sampled_from(sorted(self.sessions)))
        for run, value in self.world.held(session).items():
            self.old.append((session, run, value.split()[0]))
        stream = self.sessions[session]
        assert self.world.call("close_session", session, stream, how, 10_000) == ["ok"]
        if how != "cut":
            assert self.world.again == ["gone"]
            del self.sessions[session]

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
        before = self.world.run(run)["status"]
        a = {
            "failed": '{"code":"HANDLER","type":"E","message":"","retryable":true}',
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
            assert self.world.run(run)["status"] == before
        elif word in ("completed", "failed") and before == "running":
            assert self.world.run(run)["status"] in TERMINAL | {"delayed"}

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
        if record["fence"] == fence and record.get("session") == session:
            return
        self.world.report(session, ("completed", run, fence, 0, '"late"'))
        after = self.world.run(run)
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

    @rule(kind=st.sampled_from(["workflow:x", "workflow:y"]), paused=st.sampled_from(["1", "0"]))
    def pause(self, kind: str, paused: str) -> None:
        self.world.call("pause", kind, paused)
        assert (kind in self.world.again) == (paused == "1")

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(sorted(self.sessions)))
        self.world.call("drain", f"w-{session}", "drain")

    @rule(ms=st.sampled_from([10, 60, 250, 16_000]))
    def time_passes(self, ms: int) -> None:
        for session in self.sessions:
            for run, value in self.world.held(session).items():
                self.old.append((session, run, value.split()[0]))
        self.world.pass_time(ms)
        self.world.tick()
        live = self.world.client.zrange(f"{self.world.root}due:leases", 0, -1)
        self.sessions = {s: n for s, n in self.sessions.items() if s.encode() in live}

    @invariant()
    def sound(self) -> None:
        if self.runs or self.sessions:
            assert self.world.check() == []

    @invariant()
    def terminal_runs_never_change(self) -> None:
        for run, was in self.runs.items():
            now = self.world.run(run)
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
