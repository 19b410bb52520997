"""The servers of a test's fleet, put together: one Valkey and its hubs, in a folder.

Owns their start, their end and the folder. Every call waits; a fleet calls from threads.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from corral.testing.clock import StoreClock
from corral.testing.errors import FleetError
from corral.testing.processes import (
    START_SECONDS,
    HubProcess,
    ValkeyServer,
    WorkerProcess,
    private_folder,
)
from corral.testing.records import Records

ValueT = TypeVar("ValueT")

WELCOME_POLL_SECONDS = 0.02


class Servers:
    """Valkey and hubs; `hubs` has them by name, dead ones included."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.hubs: dict[str, HubProcess] = {}
        self._settings = settings
        self._folder: Path | None = None
        self._valkey: ValkeyServer | None = None

    @property
    def folder(self) -> Path:
        """Where sockets and logs are; raises `FleetError` while nothing runs."""
        if self._folder is None:
            raise FleetError("The fleet does not run; use it as a context manager.")
        return self._folder

    @property
    def living(self) -> dict[str, HubProcess]:
        """The hubs that are alive, by name."""
        return {name: hub for name, hub in self.hubs.items() if hub.alive}

    def start(self, hubs: int) -> None:
        """Starts all at once, as a hub waits for its store; returns when all serve."""
        if self._folder is not None:
            raise FleetError("This fleet runs already; make another one.")
        self._folder = private_folder()
        try:
            self._valkey = ValkeyServer(self._folder).start()
            started = [self._new_hub(f"hub-{number + 1}").start() for number in range(hubs)]
            self._valkey.wait_ready()
            for hub in started:
                hub.wait_ready()
        except ModuleNotFoundError as error:
            self.stop()
            raise FleetError(
                f"A fleet needs {error.name}, which is not installed. Install it with: "
                "pip install 'corral[testing]'"
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kills all, and removes the folder."""
        for hub in self.hubs.values():
            hub.kill()
        if self._valkey is not None:
            self._valkey.kill()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def start_hub(self, name: str | None) -> HubProcess:
        """Starts one more hub, or one that was killed; returns when it serves."""
        name = name or f"hub-{len(self.hubs) + 1}"
        hub = self.hubs.get(name) or self._new_hub(name)
        if hub.alive:
            raise FleetError(f"Hub {name} runs already; name another one, or kill it first.")
        hub.start().wait_ready()
        return hub

    def kill_hub(self, name: str | None) -> HubProcess:
        """Kills a hub, or the first that lives."""
        living = self.living
        hub = living.get(name or next(iter(living), ""))
        if hub is None:
            known = ", ".join(living) or "none"
            raise FleetError(f"There is no hub {name or ''} to be killed; alive are: {known}.")
        hub.kill()
        return hub

    def start_worker(self, worker: WorkerProcess) -> None:
        """Starts a worker as a process; returns when a hub has welcomed it."""
        worker.start()
        until = time.monotonic() + START_SECONDS
        while worker.worker_id not in self.ask(Records.worker_ids):
            if worker.wait_ended(WELCOME_POLL_SECONDS) or time.monotonic() > until:
                raise worker.failed("was not welcomed by a hub")

    def advance(self, ms: int) -> None:
        """Moves the time, and waits until a hub has done what is due by now."""
        with self._clock() as clock:
            clock.advance(ms)
            if self.living:
                clock.wait_ticked()

    def expire(self, worker_id: str) -> None:
        """Lets the lease of a dead worker run out, and waits until a hub has seen it."""
        with self._clock() as clock:
            clock.expire(worker_id, wait=bool(self.living))

    def ask(self, question: Callable[[Records], ValueT]) -> ValueT:
        """Asks a hub that lives; raises `FleetError` when none does."""
        living = self.living
        if not living:
            raise FleetError("No hub is alive to be asked; start one with start_hub().")
        with Records(next(iter(living.values())).address) as records:
            return question(records)

    def _clock(self) -> StoreClock:
        return StoreClock(self._there().socket)

    def _there(self) -> ValkeyServer:
        if self._valkey is None or self._folder is None:
            raise FleetError("The fleet does not run; use it as a context manager.")
        return self._valkey

    def _new_hub(self, name: str) -> HubProcess:
        hub = HubProcess(name, self.folder, self._there().url, self._settings)
        self.hubs[name] = hub
        return hub
