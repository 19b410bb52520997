"""The world of the transition tests: the real library on a real server, called plainly."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import redis

from corral_store.connection import root_of
from corral_store.digests import class_of, plain_class, pool_of
from corral_store.library import Library
from corral_store.records import Constraints, Declaration, NewRun
from corral_store.transitions import packed_runs, run_of
from tests.lua.mutations import library

NAMESPACE = "test"


@dataclass
class World:
    """One namespace, seen as one hub; every method is one call of one transition."""

    client: redis.Redis
    library: Library = field(default_factory=library)
    hub: str = "a"
    lease_ms: int = 15_000
    twice: bool = False

    def __post_init__(self) -> None:
        self.root = root_of(NAMESPACE)
        self.client.function_load(self.library.source, replace=True)
        self.letters: list[list[str]] = []
        self.gathered: list[NewRun] | None = None
        self.call("enter", 10_000, self.lease_ms, 1_000_000, 0, 0, 0)

    def raw(self, name: str, *arguments: Any, hub: str | None = None) -> Any:
        reply = self.client.fcall(
            self.library.function(name), 1, self.root, hub or self.hub, *arguments
        )
        if name == "enter":
            return _text(reply)
        verdicts, letters, more = reply
        if name == "submit":
            verdicts = [msgspec.msgpack.decode(verdict) for verdict in verdicts]
        return [_text(verdicts), _letters(letters), _text(more)]

    def call(self, name: str, *arguments: Any, hub: str | None = None) -> Any:
        """Verdicts of a transition; its letters are kept. With `twice`, every call is made
        again, and its second verdicts are given too, in `again`."""
        reply = self.raw(name, *arguments, hub=hub)
        if name == "enter":
            return reply
        self.letters += reply[1]
        self.more = reply[2]
        if self.twice:
            again = self.raw(name, *arguments, hub=hub)
            self.letters += again[1]
            self.again = again[0]
        return reply[0]

    def submit(self, run: str, kind: str = "workflow:x", version: int = 0, **given: Any) -> Any:
        constraints = given.pop("constraints", None)
        class_id, class_json = class_of(constraints) if constraints else plain_class(kind, version)
        values: dict[str, Any] = {
            "run": run, "job": "{}", "request": "q", "kind": kind, "workflow": "x",
            "class_": class_id, "class_json": class_json, "version": version,
            "retention_ms": 10_000_000,
        }  # fmt: skip
        asked = NewRun(**(values | given))
        if self.gathered is not None:
            self.gathered.append(asked)
            if len(self.gathered) >= 200:
                self.flush()
            return "gathered"
        (verdict,) = self.call("submit", *packed_runs([asked]))
        return verdict[0]

    def gather(self) -> None:
        """Submits travel in batches from here on, until the next flush."""
        self.gathered = []

    def flush(self) -> None:
        if self.gathered:
            self.call("submit", *packed_runs(self.gathered))
            self.gathered = []

    def open(self, session: str, worker: str = "", **given: Any) -> Any:
        declaration = given.pop("declaration", None) or Declaration(
            given.pop("capabilities", [("workflow:x", 1)]), max=given.pop("max", 1)
        )
        pool, pool_json = pool_of(declaration)
        held: list[str] = [part for pair in given.pop("held", []) for part in pair]
        arguments = [
            session, given.pop("connection", f"c-{session}"), worker or f"w-{session}",
            given.pop("instance", f"i-{session}"), given.pop("principal", "p"), pool, pool_json,
            self.lease_ms, given.pop("silent_ms", 6000), given.pop("models", ""), "sdk", 20_000,
        ]  # fmt: skip
        name = "resume_session" if given.pop("resume", False) else "open_session"
        hub = given.pop("hub", None)
        assert not given, given
        return self.call(name, *arguments, *held, hub=hub)

    def report(self, session: str, *reports: tuple[Any, ...], stream: str = "1") -> Any:
        flat = [part for r in reports for part in (*r, *("",) * (6 - len(r)))]
        return self.call("report", session, stream, *flat)

    def complete(self, session: str, run: str, fence: str, stream: str = "1") -> Any:
        (verdict,) = self.report(
            session, ("completed", run, fence, 0, '{"ok":true}'), stream=stream
        )
        return verdict

    def ask(self, session: str, run: str, request: str, timeout_ms: int = 0) -> Any:
        """The run's handler asks a question."""
        asked = {"request_id": request, "prompt": "Go on?", "metadata": None}
        if timeout_ms:
            asked["timeout_ms"] = timeout_ms
        (verdict,) = self.report(
            session, ("ask", run, self.fence(run), 0, request, json.dumps(asked))
        )
        return verdict

    def relay(self, session: str, run: str, first: int, *chunks: Any, fence: str = "") -> Any:
        """The run's handler streams these as one batch."""
        items = json.dumps([["chunk", chunk] for chunk in chunks])
        (verdict,) = self.call(
            "relay", session, run, fence or self.fence(run), first, len(chunks), len(chunks), items
        )
        return verdict

    def answer(self, run: str, request: str, answer: Any = True) -> Any:
        """Somebody answers."""
        (verdict,) = self.call("answer_input", run, request, json.dumps(answer))
        return verdict

    def run(self, run: str) -> dict[str, str]:
        found = self.client.hgetall(f"{self.root}run:{run}")
        return run_of([part for pair in found.items() for part in pair]) if found else {}

    def held(self, session: str) -> dict[str, str]:
        """What it has of runs: fence and state, an assignment that it has not heard of included."""
        held: dict[str, str] = _text(self.client.hgetall(f"{self.root}held:{session}"))
        return {run: value.replace(" assigned", " running") for run, value in held.items()}

    def stream(self, session: str) -> str:
        return _text(self.client.hget(f"{self.root}session:{session}", "stream"))

    def mail(self, session: str) -> dict[str, str]:
        """What it has not acknowledged."""
        held: dict[str, str] = _text(self.client.hgetall(f"{self.root}held:{session}"))
        unheard = {run: v.split()[0] + " run" for run, v in held.items() if v.endswith(" assigned")}
        return unheard | _text(self.client.hgetall(f"{self.root}mail:{session}"))

    def fence(self, run: str) -> str:
        return self.run(run)["fence"]

    def check(self) -> list[list[str]]:
        return self.raw("check")[0]

    def sound(self) -> None:
        """Every invariant holds."""
        assert self.check() == []

    def pass_time(self, ms: int) -> None:
        """Lets the namespace's clocks run on by `ms`, as if they had been watched: lease
        time too, without a gap."""
        meta = f"{self.root}meta"
        clock, at, lease = self.client.hmget(meta, "clock", "lease_at", "lease")
        self.client.hset(
            meta, mapping={
                "clock": int(clock) + ms, "lease_at": int(at) + ms, "lease": int(lease) + ms,
                "ticked": 0, "settle": 0,
            },
        )  # fmt: skip

    def tick(self) -> Any:
        self.client.hset(f"{self.root}meta", "ticked", 0)
        return self.call("tick", 500)


def constraints(**given: Any) -> Constraints:
    return Constraints("workflow:x", **given)


def _letters(packed: bytes) -> list[list[str]]:
    letters: list[list[Any]] = msgspec.msgpack.decode(packed) if packed else []
    return [[str(part) for part in letter] for letter in letters]


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, dict):
        return {_text(k): _text(v) for k, v in value.items()}
    return value
