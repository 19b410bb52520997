"""What is done to a fleet: one method per kind of disturbance, each heals what it did.

Three lanes go on at once, one for hubs, one for workers, one for the store; within a lane one
disturbance follows another. Every one is written into the history.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext

from tests.chaos.fleet import LEASE_SECONDS, Fleet
from tests.chaos.records import Disturbed

HUB_KINDS = ("kill_hub", "kill_hub", "stop_hub", "freeze_hub", "kill_unanswered")
WORKER_KINDS = ("kill_worker", "kill_worker", "freeze_worker")
STORE_KINDS = (
    "kill_valkey",
    "freeze_valkey",
    "cut_connections",
    "flush_functions",
    "cut_pubsub",
    "fill_valkey",
)


class Disturbances:
    """Disturbs a fleet until it is told to stop. `longest`: of a freeze, in leases.

    `pause`: seconds between two disturbances of a lane, least and most.
    """

    def __init__(
        self, fleet: Fleet, dice: random.Random, *, longest: float, pause: tuple[float, float]
    ) -> None:
        self._fleet = fleet
        self._dice = dice
        self._longest = longest
        self._pause = pause
        self._over = asyncio.Event()

    def stop(self) -> None:
        """No further disturbance begins; those under way heal first."""
        self._over.set()

    async def lane(self, kinds: Sequence[str]) -> None:
        """One disturbance after the other, each kind once before any comes again."""
        methods: dict[str, Callable[[], Awaitable[str]]] = {
            kind: getattr(self, kind) for kind in kinds
        }
        deck: list[str] = []
        while True:
            try:
                async with asyncio.timeout(self._dice.uniform(*self._pause)):
                    await self._over.wait()
                return
            except TimeoutError:
                deck = deck or self._dice.sample(kinds, len(kinds))
                await self._one(deck.pop(), methods)

    async def _one(self, kind: str, methods: dict[str, Callable[[], Awaitable[str]]]) -> None:
        store = kind in STORE_KINDS or kind == "kill_unanswered"
        async with self._fleet.at_store if store else nullcontext():
            at = time.monotonic()
            target = await methods[kind]()
            self._fleet.history.write(Disturbed(kind, target, at, time.monotonic()))

    async def kill_hub(self) -> str:
        """SIGKILL, and back after a moment."""
        hub = self._dice.choice(self._fleet.hubs)
        self._fleet.busy.add(hub.name)
        await asyncio.to_thread(hub.kill)
        await asyncio.sleep(self._dice.uniform(0, 1))
        hub.start(wait=False)
        self._fleet.busy.discard(hub.name)
        return hub.name

    async def kill_unanswered(self) -> str:
        """The store executes what the hubs have sent, and all of them die before it answers."""
        self._fleet.busy.update(hub.name for hub in self._fleet.hubs)
        self._fleet.valkey.pause()
        await asyncio.sleep(self._dice.uniform(0.1, 0.4))
        for hub in self._fleet.hubs:
            hub.kill()
        self._fleet.valkey.resume()
        for hub in self._fleet.hubs:
            hub.start(wait=False)
        self._fleet.busy.difference_update(hub.name for hub in self._fleet.hubs)
        return ""

    async def stop_hub(self) -> str:
        """SIGTERM: it moves its workers first."""
        hub = self._dice.choice(self._fleet.hubs)
        self._fleet.busy.add(hub.name)
        if hub.alive:
            await asyncio.to_thread(hub.terminate)
        hub.start(wait=False)
        self._fleet.busy.discard(hub.name)
        return hub.name

    async def freeze_hub(self) -> str:
        """SIGSTOP for a lease or more: it wakes up and still believes in its sessions."""
        hub = self._dice.choice(self._fleet.hubs)
        if hub.alive:
            hub.pause()
            await self._wait(1, self._longest)
            hub.resume()
        return hub.name

    async def kill_worker(self) -> str:
        """SIGKILL; another process takes its worker id over."""
        worker = self._dice.choice(self._fleet.workers)
        target = worker.process
        self._fleet.busy.add(worker.worker_id)
        await asyncio.to_thread(worker.kill)
        await asyncio.sleep(self._dice.uniform(0, 2))
        worker.start()
        self._fleet.busy.discard(worker.worker_id)
        return target

    async def freeze_worker(self) -> str:
        """SIGSTOP, for much less than a lease or for more."""
        worker = self._dice.choice(self._fleet.workers)
        worker.signal(signal.SIGSTOP)
        if self._dice.random() < 0.5:
            await self._wait(0.1, 0.3)
        else:
            await self._wait(1, self._longest)
        worker.signal(signal.SIGCONT)
        return worker.process

    async def kill_valkey(self) -> str:
        """SIGKILL, away for up to two leases, and back on the same append-only file."""
        self._fleet.valkey.kill()
        await self._wait(0, min(2, self._longest))
        await asyncio.to_thread(self._fleet.valkey.restart)
        return ""

    async def freeze_valkey(self) -> str:
        """SIGSTOP: connections stay and nobody answers."""
        self._fleet.valkey.pause()
        await self._wait(0.5, self._longest)
        self._fleet.valkey.resume()
        return ""

    async def cut_connections(self) -> str:
        """All connections to the store end, several times."""
        for _ in range(self._dice.randint(5, 40)):
            await self._command("CLIENT", "KILL", "TYPE", "normal")
            await asyncio.sleep(self._dice.uniform(0.01, 0.1))
        return ""

    async def flush_functions(self) -> str:
        """The server forgets the libraries of both releases."""
        await self._command("FUNCTION", "FLUSH")
        return ""

    async def cut_pubsub(self) -> str:
        """Subscribers are cut off again and again: hints do not arrive."""
        for _ in range(self._dice.randint(20, 60)):
            await self._command("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(0.05)
        return ""

    async def fill_valkey(self) -> str:
        """The server is beyond its memory limit for a while."""
        await self._command("CONFIG", "SET", "maxmemory", "1mb")
        await self._wait(0.3, 1)
        await self._command("CONFIG", "SET", "maxmemory", "0")
        return ""

    async def _command(self, *words: str) -> None:
        await asyncio.to_thread(self._fleet.valkey.client().execute_command, *words)

    async def _wait(self, low: float, high: float) -> None:
        await asyncio.sleep(self._dice.uniform(low, max(low, high)) * LEASE_SECONDS)
