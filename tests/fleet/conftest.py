"""A fleet in two lines: hubs as processes, workers of the SDK that count executions."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

import corral
from corral_store import Store
from tests.processes import HubProcess
from tests.servers import ValkeyServer

SHORT = {"lease_ms": 3000, "grace_ms": 2500, "ping_ms": 300, "stop_seconds": 4.0}


class Fleet:
    """Hubs, workers and one client; `executions` counts starts by run, in the workers."""

    def __init__(self, valkey: str, folder: Path) -> None:
        self.valkey = valkey
        self.folder = folder
        self.hubs: list[HubProcess] = []
        self.executions: Counter[str] = Counter()
        self.running: set[str] = set()
        self.workers: list[corral.Worker] = []
        self._changed = asyncio.Condition()
        self._stack = AsyncExitStack()

    def hub(self, name: str, **settings: Any) -> HubProcess:
        hub = HubProcess(name, self.valkey, self.folder / f"{name}.log", {**SHORT, **settings})
        self.hubs.append(hub)
        return hub.start()

    @property
    def addresses(self) -> list[str]:
        return [hub.address for hub in self.hubs]

    async def worker(
        self, name: str, room: int = 4, *, started: bool = True, **given: Any
    ) -> corral.Worker:
        """A worker that sleeps as long as its input says, and counts; one that is not started
        can be given more handlers."""
        worker = corral.Worker(
            name,
            hubs=given.pop("hubs", self.addresses),
            admission=corral.Fixed(room),
            backoff=corral.Backoff(initial_ms=50, maximum_ms=300),
            **given,
        )

        @worker.workflow("nap")
        async def nap(ctx: corral.Context, input: dict[str, Any]) -> dict[str, Any]:
            self.executions[ctx.run_id] += 1
            self.running.add(ctx.run_id)
            await self._tell()
            try:
                await asyncio.sleep(input["seconds"])
            finally:
                self.running.discard(ctx.run_id)
                await self._tell()
            return {"slept": input["seconds"]}

        if started:
            await self.start(worker)
        return worker

    async def start(self, worker: corral.Worker) -> None:
        """Returns when a hub has welcomed the worker."""
        self.workers.append(worker)
        await self._stack.enter_async_context(worker)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, truth: Callable[[], bool], seconds: float = 60) -> None:
        """Returns when a start or an end of an execution has made it true."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(truth)

    async def eventually(self, truth: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
        """Asks a hub again and again until it is so."""
        async with asyncio.timeout(seconds):
            for pause in itertools.repeat(0.05):
                if await truth():
                    return
                await asyncio.sleep(pause)

    async def client(self, **given: Any) -> corral.Client:
        client = corral.Client(given.pop("hubs", self.addresses), **given)
        return await self._stack.enter_async_context(client)

    async def check(self) -> list[tuple[str, str]]:
        async with Store(self.valkey, "checker") as store:
            return await store.namespace("default").check()

    async def close(self) -> None:
        for worker in self.workers:
            worker.stop(immediate=True)
        await self._stack.aclose()


@pytest.fixture
async def fleet(own_valkey: ValkeyServer, tmp_path: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(own_valkey.url, tmp_path)
    try:
        yield fleet
    finally:
        await fleet.close()
        for hub in fleet.hubs:
            hub.stop()


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Chance with a seed that a failed test prints."""
    seed = random.randrange(2**32)
    print(f"seed {seed} of {request.node.name}")
    return random.Random(seed)
