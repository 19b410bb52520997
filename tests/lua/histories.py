"""The moves of random histories that are about sessions, submits and time; those about what
workers and people say are in `test_model.py`."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

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
MODELS = ["", "m1", "m1,m2"]
HUBS = ["a", "b"]


class Moves(RuleBasedStateMachine):
    """Submits, sessions, drains, pauses and time; counts what it has begun."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.runs: dict[str, str] = {}
        self.sessions: dict[str, int] = {}
        self.number = 0
        self.old: list[tuple[str, str, str]] = []
        self.classes: dict[str, str] = {}
        self.answers: dict[tuple[str, str], str] = {}
        self.streamed: dict[tuple[str, str], int] = {}
        # Runs and fences that a worker has shown to have.
        self.heard: set[tuple[str, str]] = set()

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
        model=st.sampled_from(["", "m1"]),
        once=st.sampled_from([0, 1]),
        retention_ms=st.sampled_from([5000, 10_000_000]),
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

    @rule(
        kinds=st.lists(st.sampled_from(["workflow:x", "workflow:y"]), min_size=2, max_size=6),
        delay=st.sampled_from([0, 0, 100]),
        flow=st.sampled_from(["-", "t1"]),
    )
    def submit_many(self, kinds: list[str], delay: int, flow: str) -> None:
        names = [self.fresh("r") for _ in kinds]
        self.world.gather()
        for run, kind in zip(names, kinds, strict=True):
            self.world.submit(run, kind, delay_ms=delay, flow=flow)
        self.world.flush()
        self.world.gathered = None
        for run, kind in zip(names, kinds, strict=True):
            if self.world.run(run):
                self.runs[run] = ""
                self.classes[run] = class_of(Constraints(kind))[1]

    @rule(pool=st.sampled_from(POOLS), models=st.sampled_from(MODELS), hub=st.sampled_from(HUBS))
    def open(self, pool: Declaration, models: str, hub: str) -> None:
        session = self.fresh("s")
        verdict = self.world.open(session, declaration=pool, models=models, hub=hub)
        assert verdict[:2] == ["ok", "1"]
        assert self.world.again[1] == "1", "the repeated Hello is no new stream"
        self.sessions[session] = 1

    @precondition(lambda self: self.sessions)
    @rule(
        data=st.data(),
        keep=st.booleans(),
        pool=st.sampled_from(POOLS),
        models=st.sampled_from(MODELS),
    )
    def resume(self, data: st.DataObject, keep: bool, pool: Declaration, models: str) -> None:
        session = data.draw(st.sampled_from(sorted(self.sessions)))
        held = [
            (run, value.split()[0])
            for run, value in sorted(self.world.held(session).items())
            if keep or data.draw(st.booleans())
        ]
        verdict = self.world.open(
            session,
            declaration=pool,
            connection=self.fresh("c"),
            resume=True,
            held=held,
            models=models,
        )
        assert verdict[0] == "ok"
        self.heard.update(held)
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

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), models=st.sampled_from(MODELS))
    def resident(self, data: st.DataObject, models: str) -> None:
        session = data.draw(st.sampled_from(sorted(self.sessions)))
        assert self.world.call("resident", session, self.sessions[session], models) == ["ok"]

    def status(self, run: str) -> str:
        return self.world.run(run).get("status", "gone")

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
