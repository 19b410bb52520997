"""A place where runs ask people: two hubs, worker processes that can be killed, a client."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import corral
from tests.docs.blocks import ROOT
from tests.fleet.conftest import Fleet

MODULE = "tests.fleet.asking_worker"
SECONDS = 30.0


class Asking:
    """Two hubs and what asks over them."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.hubs = [fleet.hub("a"), fleet.hub("b")]
        self.notes_file = fleet.folder / "notes"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.client: corral.Client

    async def worker(self, name: str = "w", *, room: int = 1) -> subprocess.Popen[bytes]:
        """Starts a worker process and waits until a hub knows it."""
        process = self._start(name, room)
        self.processes.append(process)

        async def known() -> bool:
            return name in {row.worker_id for row in await self.client.list_workers()}

        await self.fleet.eventually(known)
        return process

    def _start(self, name: str, room: int) -> subprocess.Popen[bytes]:
        words = (",".join(self.fleet.addresses), name, str(room), str(self.notes_file))
        with (self.fleet.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", MODULE, *words],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )

    def other(self, index: int) -> Any:
        """A client that knows one hub only."""
        return self.fleet.client(hubs=[self.hubs[index].address])

    def notes(self, run: corral.Run[Any]) -> list[str]:
        """What the handlers of a run have noted."""
        return [what for run_id, what in self.all_notes() if run_id == run.run_id]

    def all_notes(self) -> list[tuple[str, str]]:
        """What all handlers have noted, in order, with the run."""
        if not self.notes_file.exists():
            return []
        lines = [line.partition(" ") for line in self.notes_file.read_text().splitlines()]
        return [(run_id, what) for run_id, _, what in lines]

    async def noted(self, run: corral.Run[Any], what: str, times: int = 1) -> None:
        async def so() -> bool:
            return self.notes(run).count(what) >= times

        await self.fleet.eventually(so, SECONDS)

    async def asked(self, run: corral.Run[Any]) -> corral.InputRecord:
        """Waits until a run has one open question."""
        found: list[corral.InputRecord] = []

        async def so() -> bool:
            found[:] = await run.inputs()
            return len(found) == 1

        await self.fleet.eventually(so, SECONDS)
        return found[0]

    async def status(self, run: corral.Run[Any], status: str) -> None:
        async def so() -> bool:
            return (await run.describe()).status == status

        await self.fleet.eventually(so, SECONDS)

    async def total(self, name: str) -> int:
        return (await self.client.stats()).totals.get(name, 0)

    async def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            await asyncio.to_thread(process.wait)
