"""A fleet for tests that are no coroutines: the same calls, each of which waits.

Workers that are started here run on an event loop in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar, overload

from corral.blocking import SyncClient, SyncRun
from corral.handlers import Handler
from corral.loops import LoopThread
from corral.testing.processes import HubProcess, WorkerProcess
from corral.testing.workers import FleetWorker, Source

if TYPE_CHECKING:
    from corral.run import Run
    from corral.testing.fleet import Fleet

OutT = TypeVar("OutT")

RUN_SECONDS = 10.0


class SyncFleet:
    """What `Fleet.sync` gives; it ends with the fleet. Calls as of `Fleet`."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._stack = ExitStack()
        self._loop = LoopThread()
        self._stack.callback(self._loop.close)

    def client(self, **options: Any) -> SyncClient:
        """A client of all hubs, closed with the fleet; options as of `SyncClient`."""
        given: dict[str, Any] = {"hubs": self._fleet.addresses, **options}
        client = SyncClient(**given)
        return self._stack.enter_context(client)

    def worker(self, *sources: Source, worker_id: str | None = None, **options: Any) -> FleetWorker:
        """Starts a worker in this process; see `Fleet.worker`."""
        return self._loop.call(lambda: self._fleet.worker(*sources, worker_id=worker_id, **options))

    def worker_process(self, target: str, *, worker_id: str | None = None) -> WorkerProcess:
        """Starts a worker as a process; see `Fleet.worker_process`."""
        return self._loop.call(lambda: self._fleet.worker_process(target, worker_id=worker_id))

    @overload
    def run_and_wait(
        self,
        target: Handler[..., Any, OutT],
        input: Any = None,
        *,
        timeout: float = RUN_SECONDS,
        **options: Any,
    ) -> OutT: ...
    @overload
    def run_and_wait(
        self,
        target: Callable[..., Any] | str,
        input: Any = None,
        *,
        timeout: float = RUN_SECONDS,
        **options: Any,
    ) -> Any: ...
    def run_and_wait(
        self,
        target: Callable[..., Any] | str,
        input: Any = None,
        *,
        timeout: float = RUN_SECONDS,
        **options: Any,
    ) -> Any:
        """Submits a run and gives its result; see `Fleet.run_and_wait`."""
        return self._loop.call(
            lambda: self._fleet.run_and_wait(target, input, timeout=timeout, **options)
        )

    def submit(
        self, target: Callable[..., Any] | str, input: Any = None, **options: Any
    ) -> SyncRun[Any]:
        """Submits a run and gives its handle; see `Fleet.submit`."""
        run = self._loop.call(lambda: self._fleet.submit(target, input, **options))
        return SyncRun(self._loop, run)

    def start_hub(self, name: str | None = None) -> HubProcess:
        """Starts a hub; see `Fleet.start_hub`."""
        return self._loop.call(lambda: self._fleet.start_hub(name))

    def kill_hub(self, name: str | None = None) -> HubProcess:
        """Kills a hub; see `Fleet.kill_hub`."""
        return self._loop.call(lambda: self._fleet.kill_hub(name))

    def kill_worker(
        self, worker: FleetWorker | WorkerProcess | str | None = None
    ) -> FleetWorker | WorkerProcess:
        """Kills a worker; see `Fleet.kill_worker`."""
        return self._loop.call(lambda: self._fleet.kill_worker(worker))

    def advance(self, seconds: float) -> None:
        """Moves the fleet's time ahead; see `Fleet.advance`."""
        self._loop.call(lambda: self._fleet.advance(seconds))

    def assert_ran(
        self,
        target: Run[Any] | SyncRun[Any] | Callable[..., Any] | str,
        *,
        times: int = 1,
        repeated: int = 0,
    ) -> None:
        """Asserts how often something was executed; see `Fleet.assert_ran`."""
        self._fleet.assert_ran(target, times=times, repeated=repeated)

    def close(self) -> None:
        """Closes clients and workers that were opened here. Called by the fleet."""
        with self._stack:
            self._loop.call(self._fleet.close_here)
