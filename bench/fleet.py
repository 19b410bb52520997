"""A fleet without hubs and workers: runs and sessions put straight on the store, in batches.

One namespace each, so that many stand side by side in one Valkey and are measured in turns.
Knows what its sessions hold from the mail that comes with the store's replies.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from corral_hub.requests import SubmitRequest, to_run
from corral_store import Settings, Store
from corral_store.digests import pool_of
from corral_store.records import Declaration, Letter, NewRun, NewSession, Report

BATCH = 200
# Acknowledgement and result of a run are two reports, and a call takes 256.
ENDS = 128
AT_ONCE = 64
LEASE_MS = 600_000
INPUT = b'{"text":"' + b"x" * 89 + b'"}'
WORKFLOW = "nothing"
KIND = f"workflow:{WORKFLOW}"

Shape = Callable[[int], SubmitRequest]


def plain(_: int) -> SubmitRequest:
    """A run like any other, with 100 bytes of input."""
    return SubmitRequest(WORKFLOW, INPUT)


class Fleet:
    """Runs and sessions of one namespace; `shape` gives the request of the n-th run."""

    def __init__(self, url: str, name: str, shape: Shape = plain) -> None:
        self.name = name
        self._shape = shape
        self._number = 0
        self._held: deque[Letter] = deque()
        self._sessions: list[str] = []
        settings = Settings(lease_ms=LEASE_MS, max_waiting=2_000_000)
        self._store = Store(url, f"bench-{name}", settings=settings, on_letters=self._arrived)
        self._calls = self._store.namespace(name)

    async def __aenter__(self) -> Self:
        await self._store.__aenter__()
        return self

    async def __aexit__(self, *caught: object) -> None:
        await self._store.__aexit__(*caught)

    def _arrived(self, _: str, letters: list[Letter]) -> None:
        self._held.extend(letter for letter in letters if letter.word == "run")

    @property
    def held(self) -> int:
        """Runs that the sessions hold."""
        return len(self._held)

    async def bands(self) -> int:
        """Bands in which runs wait."""
        (queue,) = (await self._calls.stats()).queues
        return len(queue.deficits)

    async def open(self, count: int, room: int, labels: bool = False) -> None:
        """Opens sessions with room for so many runs each; `labels`: each with its own."""
        for start in range(0, count, AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                for number in range(start, min(start + AT_ONCE, count)):
                    tasks.create_task(self._open(number, room, labels))

    async def _open(self, number: int, room: int, labels: bool) -> None:
        own = {"n": str(number)} if labels else {}
        pool, pool_json = pool_of(Declaration([(KIND, 1)], labels=own, max=room))
        session = f"session-{number:06}"
        self._sessions.append(session)
        new = NewSession(
            session, uuid.uuid4().hex, f"worker-{number}", uuid.uuid4().hex, "", pool, pool_json,
            LEASE_MS, 10_000, "", "bench", 20_000,
        )  # fmt: skip
        opened = await self._calls.open_session(new, (), resume=False)
        if opened.verdict != "ok":
            raise RuntimeError(f"session {session} of {self.name} was not opened: {opened.verdict}")

    async def fill(self, count: int, shape: Shape | None = None) -> None:
        """Submits runs in batches."""
        for start in range(0, count, BATCH):
            await self._submit(self._runs(min(BATCH, count - start), shape or self._shape))

    def _runs(self, count: int, shape: Shape) -> list[NewRun]:
        numbers = range(self._number, self._number + count)
        self._number += count
        return [to_run(shape(number), 1_048_576, 604_800_000) for number in numbers]

    async def _submit(self, runs: Sequence[NewRun]) -> None:
        verdicts = await self._calls.submit(runs)
        if bad := [one.verdict for one in verdicts if one.verdict != "accepted"]:
            raise RuntimeError(f"{len(bad)} runs of {self.name} were not accepted: {bad[0]}")

    async def turn(self, runs: int, *, apart: bool = False) -> None:
        """Submits runs, and ends as many that are held; `apart`: each by a call of its own.

        With one session ends go in batches; with many, sessions differ and so do the calls.
        """
        for start in range(0, runs, ENDS):
            count = min(ENDS, runs - start)
            await self.fill(count)
            ended = [self._held.popleft() for _ in range(count)]
            size = 1 if apart else count
            async with asyncio.TaskGroup() as tasks:
                for at in range(0, count, size):
                    tasks.create_task(self._end(ended[at : at + size]))

    async def _end(self, letters: Sequence[Letter]) -> None:
        reports: list[Report] = []
        for one in letters:
            reports.append(Report("ack", one.run, one.fence, 0, "run"))
            reports.append(Report("completed", one.run, one.fence, 0, b"null"))
        first = letters[0]
        verdicts = await self._calls.report(first.session, first.stream, reports)
        if bad := [verdict for verdict in verdicts if verdict != "ok"]:
            raise RuntimeError(f"{len(bad)} reports of {self.name} were refused: {bad[0]}")
