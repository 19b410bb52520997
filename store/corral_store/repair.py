"""Builds the indexes of a namespace again, in the bounded steps of repair.lua.

The runs and the sessions say what is true; their keys are found by SCAN, as the indexes may
be what is broken. Owns the order of the steps and the sums that take many of them. While it
goes on, hubs can change nothing in the namespace, and workers keep what they hold.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from corral_store.connection import Call, Connection, explain, root_of
from corral_store.digests import plain_class
from corral_store.errors import StoreError, StoreRepairing
from corral_store.records import Settings
from corral_store.transitions import text

ITEMS = 256
SESSIONS_PER_STEP = 32
CLASSES_PER_STEP = 16
KINDS_PER_STEP = 4
SCAN_COUNT = 1000
HUB = "corral-doctor"

INDEXES = (
    "runs", "runs:failed", "questions", "sessions", "due:retention", "due:deadlines",
    "due:offers", "due:rings", "due:delays", "due:questions", "due:leases", "due:tombstones",
    "due:classes",
)  # fmt: skip

T = TypeVar("T")
Item = tuple[str | int, ...]


@dataclass(slots=True)
class Repaired:
    """What a repair found: runs, live ones among them, sessions, classes, kinds."""

    runs: int = 0
    live: int = 0
    sessions: int = 0
    classes: int = 0
    kinds: int = 0


@dataclass(slots=True)
class _Class:
    kind: str
    live: int = 0
    sample: str = ""


@dataclass(slots=True)
class _Found:
    classes: dict[str, _Class] = field(default_factory=dict[str, _Class])
    counts: Counter[str] = field(default_factory=Counter[str])
    waits: dict[tuple[str, str], Counter[str]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], Counter[str]](Counter)
    )


async def repair(connection: Connection, namespace: str) -> Repaired:
    """Repairs a namespace, creating its `meta` when that is what was lost.

    Raises StoreRepairing when another repair goes on, or when this one was held up so long
    that hubs changed things meanwhile: both pass when it is started again. Raises the other
    errors of the store; nothing is worse then than it was.
    """
    return await _Repair(connection, namespace).run()


class _Repair:
    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._root = root_of(namespace)
        self._token = secrets.token_hex(8)
        self._found = _Found()

    async def run(self) -> Repaired:
        await self._enter()
        await self._step("begin")
        runs = await self._runs()
        sessions = await self._sessions()
        await self._pools()
        await self._flows()
        await self._classes()
        await self._waits()
        # Behind the waits, as a line that ends looks at nothing else of its band.
        lines = [(name, one.kind) for name, one in self._found.classes.items() if one.live]
        for part in _parts(lines, CLASSES_PER_STEP):
            await self._step("lines", part)
        kinds = await self._kinds()
        await self._paged("prune", [(name,) for name in INDEXES])
        counts = self._found.counts
        await self._step("totals", list(counts.items()))
        await self._step("finish")
        return Repaired(runs, counts["live"], sessions, len(lines), kinds)

    async def _enter(self) -> None:
        """Makes the namespace when its `meta` is lost; a hub that lives will say its settings."""
        if not await self._connection.command("EXISTS", f"{self._root}meta"):
            await self._make()
        await self._connection.command("SADD", "corral:namespaces", self._namespace)

    async def _make(self) -> None:
        async for _ in self._scan("run:"):
            break
        else:
            raise StoreError(
                f"there is no namespace {self._namespace!r} in this store, and no run of it"
            )
        settings = Settings()
        arguments = (HUB, 0, settings.lease_ms, settings.max_waiting, settings.soft_bytes, 0, 0)
        (reply,) = await self._connection.run([Call("enter", self._root, arguments)])
        if isinstance(reply, Exception):
            raise explain(reply)

    async def _runs(self) -> int:
        total = 0
        async for part in _batches(self._scan("run:"), ITEMS):
            (counts, classes) = await self._step("runs", [(name,) for name in part])
            total += len(part)
            for name, count in zip(
                ("completed", "failed", "cancelled", "live"), counts, strict=True
            ):
                self._found.counts[name] += int(count)
            for name, kind, live, sample in classes:
                one = self._found.classes.setdefault(text(name), _Class(text(kind)))
                one.live += int(live)
                one.sample = text(sample)
        return total

    async def _pools(self) -> None:
        pools: set[str] = set()
        for start in ("pool:", "members:", "free:"):
            pools |= {name async for name in self._scan(start)}
        items: list[Item] = [(name, "") for name in sorted(pools)]
        async for name in self._scan("warm:"):
            pool, _, model = name.partition(":")
            items.append((pool, model))
        for part in _parts(items, SESSIONS_PER_STEP):
            await self._step("pools", part)

    async def _flows(self) -> None:
        """Which flows wait, and in how many classes of a band."""
        async for part in _batches(self._scan("flow:"), ITEMS):
            items: list[Item] = [tuple(name.split(":", 2)) for name in part]
            states = await self._paged("flows", items)
            for (name, band, flow), state in zip(items, states, strict=True):
                known = self._found.classes.get(text(name))
                if state == "kept" and known is not None:
                    self._found.waits[known.kind, text(band)][text(flow)] += 1

    async def _classes(self) -> None:
        live = self._found.classes
        there = {name async for name in self._scan("class:")}
        fitted = {name async for name in self._scan("fits:")}
        counted = {
            text(name) for name in await self._connection.command("HKEYS", f"{self._root}refs")
        }
        lined = {name.partition(":")[0] async for name in self._scan("flows:")}
        for name in (there | fitted | counted | lined) - set(live):
            live[name] = _Class("")
        for part in _parts(list(live.items()), CLASSES_PER_STEP):
            items: list[Item] = []
            for name, one in part:
                known = name in there or not one.live
                items.append(
                    (name, one.kind, "" if known else await self._shape(name, one), one.live)
                )
            await self._step("classes", items)

    async def _shape(self, name: str, one: _Class) -> str:
        """What the digest of a class stands for, from the job of a run that has it."""
        raw = await self._connection.command("GET", f"{self._root}job:{one.sample}")
        job: dict[str, Any] = json.loads(raw) if raw else {}
        shape = job.get("class_json") or plain_class(one.kind, job.get("version", 0))[1]
        if hashlib.sha256(shape.encode()).hexdigest()[:16] != name:
            raise StoreError(
                f"class {name} is lost, and the job of run {one.sample} does not say it: delete "
                "that run's record, or restore the store from a copy"
            )
        return shape

    async def _waits(self) -> None:
        bands = {tuple(name.partition(":")[::2]) async for name in self._scan("waits:")}
        bands |= {(band, kind) for kind, band in self._found.waits}
        items: list[Item] = [(kind, band, "", 0) for band, kind in sorted(bands)]
        for (kind, band), flows in self._found.waits.items():
            items += [(kind, band, flow, classes) for flow, classes in flows.items()]
        for part in _parts(items, ITEMS):
            await self._step("waits", part)

    async def _kinds(self) -> int:
        kinds = {one.kind for one in self._found.classes.values() if one.kind}
        kinds |= {
            text(name)
            for name in await self._connection.command("ZRANGE", f"{self._root}kinds", 0, -1)
        }
        for start in ("queue:", "wfq:", "clocks:", "classes:", "pools:", "open:"):
            kinds |= {name async for name in self._scan(start)}
        for start in ("line:", "vt:"):
            kinds |= {name.partition(":")[2] async for name in self._scan(start)}
        for part in _parts([(name,) for name in sorted(kinds)], KINDS_PER_STEP):
            await self._step("kinds", part)
        return len(kinds)

    async def _sessions(self) -> int:
        total = 0
        async for part in _batches(self._scan("session:"), SESSIONS_PER_STEP):
            total += len(part)
            await self._step("sessions", [(name,) for name in part])
        return total

    async def _paged(self, step: str, names: Sequence[Item]) -> list[str]:
        """Takes a step with each name from rank 0 on until it is through; gives what each
        said last."""
        said = [""] * len(names)
        left = [(at, "0") for at in range(len(names))]
        while left:
            (states, _) = await self._step(step, [(*names[at], rank) for at, rank in left])
            went: list[tuple[int, str]] = []
            for (at, _), state in zip(left, states, strict=True):
                said[at] = text(state)
                if said[at].isdigit():
                    went.append((at, said[at]))
            left = went
        return said

    async def _step(self, step: str, items: Sequence[Item] = ()) -> tuple[Any, Any]:
        flat = [part for item in items for part in (*item, *("",) * (4 - len(item)))]
        call = Call("repair", self._root, (HUB, self._token, step, *flat))
        (reply,) = await self._connection.run([call])
        if isinstance(reply, Exception):
            raise explain(reply)
        (verdict,), _, found = reply
        match text(verdict):
            case "ok":
                return found[0], found[1]
            case "busy":
                raise StoreRepairing(
                    f"another repair of {self._namespace!r} goes on; wait until it has ended, or "
                    "10 s after it was killed"
                )
            case _:
                raise StoreRepairing(
                    f"the repair of {self._namespace!r} was held up for more than 10 s at step "
                    f"{step!r}, and hubs have gone on; start it again"
                )

    async def _scan(self, start: str) -> AsyncIterator[str]:
        """What stands behind `start` in the namespace's keys, each once."""
        prefix, cursor = self._root + start, "0"
        # SCAN may give a key twice, which would then be counted twice.
        seen: set[bytes] = set()
        while True:
            reply = await self._connection.command(
                "SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", SCAN_COUNT
            )
            cursor = text(reply[0])
            for key in reply[1]:
                if key not in seen:
                    seen.add(key)
                    yield text(key).removeprefix(prefix)
            if cursor == "0":
                return


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


async def _batches(names: AsyncIterator[str], size: int) -> AsyncIterator[list[str]]:
    part: list[str] = []
    async for name in names:
        part.append(name)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
