"""The fleet of a round: a Valkey, hubs of two releases, workers, all real processes.

Owns the processes and restarts those that end by themselves, which is odd unless it was the
store that was away. Decides nothing about when something is disturbed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from corral_hub.main import EXIT_UNAVAILABLE
from tests.chaos.hub_process import ChaosHub
from tests.chaos.records import HistoryLine, Lines, Odd
from tests.chaos.worker_process import Settings
from tests.servers import ValkeyServer

LEASE_SECONDS = 3.0
TIMES = {"lease_ms": 3000, "grace_ms": 2500, "ping_ms": 300, "stop_seconds": 4.0}
LOOK_SECONDS = 0.2


@dataclass
class WorkerProcess:
    """One worker over all its lives; `process` names the present one."""

    worker_id: str
    hubs: list[str]
    room: int
    ledger: Path
    log: Path
    life: int = 0
    running: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> str:
        return f"{self.worker_id}.{self.life}"

    def start(self) -> None:
        self.life += 1
        settings = Settings(self.worker_id, self.process, self.hubs, self.room, str(self.ledger))
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.worker_process", msgspec.json.encode(settings)],
                stdout=log, stderr=log,
            )  # fmt: skip

    def signal(self, number: int) -> None:
        assert self.running is not None
        os.kill(self.running.pid, number)

    def kill(self) -> None:
        assert self.running is not None
        self.running.kill()
        self.running.wait()


@dataclass
class Fleet:
    """`busy` holds the names of hubs and workers that a disturbance has in hand; `at_store` is
    held by the one disturbance that has the store in hand."""

    folder: Path
    history: Lines[HistoryLine]
    valkey: ValkeyServer
    hubs: list[ChaosHub] = field(default_factory=list[ChaosHub])
    workers: list[WorkerProcess] = field(default_factory=list[WorkerProcess])
    busy: set[str] = field(default_factory=set[str])
    at_store: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def addresses(self) -> list[str]:
        return [hub.address for hub in self.hubs]

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    async def start(self, hubs: int, workers: int, room: int, fault: str) -> None:
        """Starts everything; every second hub is of the other release."""
        self.ledger.touch()
        await asyncio.to_thread(self.valkey.start)
        for number in range(hubs):
            name = f"hub{number}"
            self.hubs.append(
                ChaosHub(
                    name, self.valkey.url, self.folder / f"{name}.log", dict(TIMES),
                    release="two" if number % 2 else "", fault=fault,
                )
            )  # fmt: skip
            self.hubs[-1].start(wait=False)
        for number in range(workers):
            name = f"worker{number}"
            log = self.folder / f"{name}.log"
            self.workers.append(WorkerProcess(name, self.addresses, room, self.ledger, log))
            self.workers[-1].start()
        for hub in self.hubs:
            await asyncio.to_thread(hub.wait_ready)

    async def look_after(self) -> None:
        """Restarts what ends by itself, forever; the owner cancels it."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for hub in self.hubs:
                if hub.name not in self.busy and not hub.alive:
                    assert hub.process is not None
                    # A hub that starts while its store is away says so and ends.
                    if hub.process.returncode != EXIT_UNAVAILABLE:
                        self._odd(f"{hub.name} ended by itself: {hub.process.returncode}")
                    hub.start(wait=False)
            for worker in self.workers:
                assert worker.running is not None
                if worker.worker_id not in self.busy and worker.running.poll() is not None:
                    self._odd(f"{worker.process} ended by itself: {worker.running.returncode}")
                    worker.start()

    def _odd(self, what: str) -> None:
        self.history.write(Odd(what, time.monotonic()))

    def stop(self) -> None:
        """Ends every process that was started here."""
        for worker in self.workers:
            if worker.running is not None and worker.running.poll() is None:
                worker.signal(signal.SIGCONT)
                worker.kill()
        for hub in self.hubs:
            hub.stop()
        self.valkey.stop()
