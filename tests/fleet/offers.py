"""A namespace of its own for each test over two hubs that a whole file shares.

Its workers offer what a test says, do what the input of a run says, and remember what they
did. When the test is over, the invariants of the store are checked.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import corral
from corral_store import Store
from tests.fleet.conftest import SHORT
from tests.processes import HubProcess
from tests.servers import ValkeyServer

LIMIT_SECONDS = 30.0
_NAMES = (f"offers-{n}" for n in itertools.count(1))


@dataclass(frozen=True)
class Start:
    """One execution as its worker saw it."""

    run_id: str
    worker: str
    capability: str
    attempt: int
    device: int | None


class Offers:
    """Workers, clients and gates of one namespace. Clients ask the hub that is named first.

    A run's input may hold `ms` (how long it works), `gate` (it goes on when `open(gate)` was
    called), `errors` (what its attempts raise, by number) and `stubborn` (a gate that it waits
    for after a stop).
    """

    def __init__(self, hubs: Sequence[HubProcess], valkey: str, namespace: str) -> None:
        self.addresses = [hub.address for hub in hubs]
        self.valkey = valkey
        self.namespace = namespace
        self.starts: list[Start] = []
        self.live: dict[str, set[str]] = {}
        self.most: dict[str, int] = {}
        self.stops: dict[str, str] = {}
        self.workers: dict[str, corral.Worker] = {}
        self._gates: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Condition()
        self._stack = AsyncExitStack()

    async def worker(self, name: str, *capabilities: str, room: int = 1, **terms: Any) -> Any:
        """A welcomed worker; it offers `workflow:job@1` unless something else is said."""
        admission = terms.pop("admission", corral.Fixed(room))
        hook = terms.pop("hook", None)
        worker = corral.Worker(
            name,
            hubs=self.addresses,
            namespace=self.namespace,
            admission=admission,
            **terms,
        )
        for capability in capabilities or ("workflow:job",):
            worker.capability(capability)(self._handler(name))
        if hook is not None:
            worker.on_offer(hook)
        self.live[name], self.most[name] = set(), 0
        self.workers[name] = worker
        return await self._stack.enter_async_context(worker)

    def _handler(self, name: str) -> Any:
        async def act(ctx: corral.Context, input: dict[str, Any] | None) -> dict[str, Any]:
            asked = input or {}
            self.starts.append(Start(ctx.run_id, name, ctx.capability, ctx.attempt, ctx.device))
            self.live[name].add(ctx.run_id)
            self.most[name] = max(self.most[name], len(self.live[name]))
            await self._tell()
            try:
                if "ms" in asked:
                    await asyncio.sleep(asked["ms"] / 1000)
                if "gate" in asked:
                    await self.gate(asked["gate"]).wait()
                for error in asked.get("errors", [])[ctx.attempt - 1 : ctx.attempt]:
                    raise ERRORS[error]
            except asyncio.CancelledError:
                self.stops[ctx.run_id] = ctx.cancel_reason
                if "stubborn" in asked:
                    await self.gate(asked["stubborn"]).wait()
                raise
            finally:
                self.live[name].discard(ctx.run_id)
                await self._tell()
            return {"worker": name, "attempt": ctx.attempt, "deadline": ctx.deadline_at_ms}

        return act

    async def client(self, first: int = 0) -> corral.Client:
        """A client of one of the hubs; the others are its second choice."""
        hubs = self.addresses[first:] + self.addresses[:first]
        client = corral.Client(hubs, namespace=self.namespace)
        return await self._stack.enter_async_context(client)

    def gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())

    def open(self, name: str) -> None:
        self.gate(name).set()

    def where(self, run: corral.Run[Any]) -> str:
        """The worker that started the run last."""
        return next(s.worker for s in reversed(self.starts) if s.run_id == run.run_id)

    def started(self, *runs: corral.Run[Any]) -> bool:
        return {run.run_id for run in runs} <= {start.run_id for start in self.starts}

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, truth: Callable[[], bool]) -> None:
        """Returns when a start or an end of an execution has made it true."""
        async with asyncio.timeout(LIMIT_SECONDS), self._changed:
            await self._changed.wait_for(truth)

    async def eventually(self, truth: Callable[[], Awaitable[bool]]) -> None:
        """Asks a hub again and again until it is so."""
        async with asyncio.timeout(LIMIT_SECONDS):
            for pause in itertools.repeat(0.03):
                if await truth():
                    return
                await asyncio.sleep(pause)

    async def check(self) -> list[tuple[str, str]]:
        async with Store(self.valkey, "checker") as store:
            return await store.namespace(self.namespace).check()

    async def close(self) -> None:
        for gate in self._gates.values():
            gate.set()
        for worker in self.workers.values():
            worker.stop(immediate=True)
        await self._stack.aclose()


ERRORS: dict[str, Exception] = {
    "value": ValueError("no such value"),
    "key": KeyError("no such key"),
    "fail": corral.Fail("no use"),
    "later": corral.Retry("the other side asked for a pause", after_ms=900),
}


async def statuses(run: corral.Run[Any]) -> list[str]:
    """The types of all events of an ended run, in order."""
    return [event.type async for event in run.events() if isinstance(event, corral.Event)]


async def accepted(
    client: corral.Client, submits: Sequence[corral.Submit[Any]]
) -> list[corral.Run[Any]]:
    """The runs of a batch of which nothing may be refused."""
    runs = await client.submit_workflows(submits)
    assert [run for run in runs if not isinstance(run, corral.Run)] == []
    return [run for run in runs if isinstance(run, corral.Run)]


@pytest.fixture(scope="module")
def two_hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, ValkeyServer]]:
    """Two hub processes on one store, for all tests of a file."""
    folder: Path = tmp_path_factory.mktemp("hubs")
    server = ValkeyServer().start()
    settings = {**SHORT, "tick_ms": 100}
    hubs = [HubProcess(n, server.url, folder / f"{n}.log", settings) for n in ("a", "b")]
    try:
        for hub in hubs:
            hub.start(wait=False)
        for hub in hubs:
            hub.wait_ready()
        yield hubs, server
    finally:
        for hub in hubs:
            hub.stop()
        server.stop()


@pytest.fixture
async def offers(two_hubs: tuple[list[HubProcess], ValkeyServer]) -> AsyncIterator[Offers]:
    hubs, server = two_hubs
    offers = Offers(hubs, server.url, next(_NAMES))
    try:
        yield offers
        assert await offers.check() == []
    finally:
        await offers.close()
