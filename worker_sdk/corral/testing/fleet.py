"""A private fleet for tests: a Valkey, hubs as processes, workers, and time that moves.

Owns all of it from `start` to `stop`. Workers and clients belong to the event loop on which
they were asked for; the servers belong to none, so a fleet serves tests of any kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar, overload

import anyio
import anyio.to_thread

from corral.blocking import SyncRun
from corral.client import Client
from corral.errors import ResultTimeout
from corral.handlers import Handler
from corral.records import RunStatus
from corral.run import Run
from corral.testing.belongings import Belongings
from corral.testing.blocking import SyncFleet
from corral.testing.errors import FleetError
from corral.testing.processes import HubProcess, WorkerProcess
from corral.testing.records import judge
from corral.testing.servers import Servers
from corral.testing.watched import handler_of
from corral.testing.workers import FleetWorker, Source

OutT = TypeVar("OutT")

RUN_SECONDS = 10.0


class Fleet:
    """A fleet of a test's own, as a context manager, `async with` or `with`.

    `hubs`: how many processes, default 1. `settings` are those of a hub, e.g. `lease_ms`; the
    store keeps nothing on disk, so runs are durable in memory only. Raises `FleetError` when
    something does not start, naming what is missing.
    """

    def __init__(self, *, hubs: int = 1, **settings: Any) -> None:
        if hubs < 1:
            raise FleetError(f"hubs is {hubs}; a fleet needs at least one hub.")
        self._wanted = hubs
        self._servers = Servers(settings)
        self._workers: dict[str, FleetWorker | WorkerProcess] = {}
        self._counted = 0
        self._belongings = Belongings()
        self._sync: SyncFleet | None = None

    @property
    def hubs(self) -> Mapping[str, HubProcess]:
        """The hubs by name, dead ones included."""
        return dict(self._servers.hubs)

    @property
    def workers(self) -> Mapping[str, FleetWorker | WorkerProcess]:
        """The workers by id, dead ones included."""
        return dict(self._workers)

    @property
    def addresses(self) -> list[str]:
        """Addresses of all hubs, for clients and workers of another making."""
        return [hub.address for hub in self._servers.hubs.values()]

    @property
    def sync(self) -> SyncFleet:
        """The same fleet for tests that are no coroutines: calls that wait."""
        if self._sync is None:
            self._sync = SyncFleet(self)
        return self._sync

    def start(self) -> Self:
        """Starts Valkey and hubs, and waits for them; about 0.3 s."""
        self._servers.start(self._wanted)
        return self

    def stop(self) -> None:
        """Ends everything, also what the test has left behind; may be called again."""
        try:
            if self._sync is not None:
                self._sync.close()
            self._belongings.close()
        finally:
            for worker in self._workers.values():
                if isinstance(worker, WorkerProcess):
                    worker.kill()
            self._servers.stop()

    async def close_here(self) -> None:
        """Closes clients and workers that were opened on the running event loop."""
        await self._belongings.close_here()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await anyio.to_thread.run_sync(self.start)

    async def __aexit__(self, *_: object) -> None:
        with anyio.CancelScope(shield=True):
            await self.close_here()
            await anyio.to_thread.run_sync(self.stop)

    def client(self, **options: Any) -> Client:
        """A client of all hubs, closed with the fleet; options as of `Client`.

        For coroutines; elsewhere `fleet.sync.client()`. Raises `FleetError` without a loop.
        """
        given: dict[str, Any] = {"hubs": self.addresses, **options}
        client = Client(**given)
        self._belongings.keep(client.close)
        return client

    async def worker(
        self, *sources: Source, worker_id: str | None = None, **options: Any
    ) -> FleetWorker:
        """Starts a worker in this process; returns when a hub has welcomed it.

        `sources`: handlers, plain functions, or a `Worker` whose handlers, hook, lifespan,
        admission, tags, labels, taints and devices it takes over. `options` as of `Worker`.
        """
        name = self._worker_name(worker_id)
        worker = FleetWorker(name, self.addresses, sources, options)
        self._belongings.keep(worker.leave)
        await worker.__aenter__()
        self._workers[name] = worker
        return worker

    async def worker_process(self, target: str, *, worker_id: str | None = None) -> WorkerProcess:
        """Starts the worker `module:object` as a process; returns when a hub has welcomed it.

        Raises `FleetError`, with the end of its log, when it ends instead.
        """
        name = self._worker_name(worker_id)
        worker = WorkerProcess(name, self._servers.folder, target, self.addresses)
        self._workers[name] = worker
        await anyio.to_thread.run_sync(self._servers.start_worker, worker)
        return worker

    @overload
    async def run_and_wait(
        self,
        target: Handler[..., Any, OutT],
        input: Any = None,
        *,
        timeout: float = RUN_SECONDS,
        **options: Any,
    ) -> OutT: ...
    @overload
    async def run_and_wait(
        self,
        target: Callable[..., Any] | str,
        input: Any = None,
        *,
        timeout: float = RUN_SECONDS,
        **options: Any,
    ) -> Any: ...
    async def run_and_wait(
        self,
        target: Callable[..., Any] | str,
        input: Any = None,
        *,
        timeout: float = RUN_SECONDS,
        **options: Any,
    ) -> Any:
        """Submits a run and gives its result; errors as of `Run.result`.

        `target`: a handler or function, for which a worker is started when none has it, or the
        name of a workflow. `options` as of a submit. A `ResultTimeout` says why the run waits.
        """
        run = await self.submit(target, input, **options)
        try:
            return await run.result(timeout)
        except ResultTimeout as error:
            raise ResultTimeout(f"{error} {await self._why(run)}") from error

    async def submit(
        self, target: Callable[..., Any] | str, input: Any = None, **options: Any
    ) -> Run[Any]:
        """Submits a run as `run_and_wait` does, and gives its handle."""
        client = self._belongings.client(self.client)
        if isinstance(target, str):
            return await client.submit_workflow(target, input, **options)
        handler = handler_of(target)
        workers = [w for w in self._workers.values() if isinstance(w, FleetWorker)]
        if not any(worker.has(handler) for worker in workers):
            offering = await client.list_workers(kind=handler.capability.kind)
            if not offering:
                await self.worker(handler)
        return await client.submit_workflow(handler, input, **options)

    async def start_hub(self, name: str | None = None) -> HubProcess:
        """Starts a hub: one more, or one that was killed, at its old address.

        Workers that were there before know the addresses of their own time only.
        """
        return await anyio.to_thread.run_sync(self._servers.start_hub, name)

    async def kill_hub(self, name: str | None = None) -> HubProcess:
        """Kills a hub with SIGKILL, by default the first that lives; gives it."""
        return await anyio.to_thread.run_sync(self._servers.kill_hub, name)

    async def kill_worker(
        self, worker: FleetWorker | WorkerProcess | str | None = None
    ) -> FleetWorker | WorkerProcess:
        """Kills a worker, by default the only one that lives, and lets its lease run out.

        A process gets SIGKILL. One in this process is cut off from the hubs, and its coroutines
        are cancelled. When this returns, its runs are lost to it and go to other workers.
        """
        victim = self._victim(worker)
        if isinstance(victim, WorkerProcess):
            await anyio.to_thread.run_sync(victim.kill)
        else:
            await victim.die()
        await anyio.to_thread.run_sync(self._servers.expire, victim.worker_id)
        return victim

    async def advance(self, seconds: float) -> None:
        """Moves the fleet's time ahead; what comes due by that is done when it returns.

        Delays, retries, deadlines, time-outs of questions, retention. Leases of live workers go
        on as if nothing had happened. Raises `FleetError` for seconds that are not positive.
        """
        if seconds <= 0:
            raise FleetError(f"seconds is {seconds}; time moves ahead only.")
        await anyio.to_thread.run_sync(self._servers.advance, round(seconds * 1000))

    def assert_ran(
        self,
        target: Run[Any] | SyncRun[Any] | Callable[..., Any] | str,
        *,
        times: int = 1,
        repeated: int = 0,
    ) -> None:
        """Asserts how often something was executed; no coroutine, so it cannot be forgotten.

        `target`: a run, or a handler, function or name of a workflow for all its runs. `times`:
        how many runs were executed; `repeated`: how many executions came on top, after an
        attempt that failed, was lost or was given back. Raises `AssertionError` with what
        happened, and `RunNotFound`.
        """
        if isinstance(target, (Run, SyncRun)):
            run_id = target.run_id
            name, runs = f"run {run_id}", [self._servers.ask(lambda hub: hub.describe(run_id))]
        else:
            workflow = target if isinstance(target, str) else handler_of(target).workflow
            name = f"workflow {workflow}"
            runs = self._servers.ask(lambda hub: hub.of_workflow(workflow))
        judge(name, runs, times, repeated)

    def _worker_name(self, worker_id: str | None) -> str:
        if worker_id is None:
            self._counted += 1
            return f"worker-{self._counted}"
        return worker_id

    def _victim(
        self, wanted: FleetWorker | WorkerProcess | str | None
    ) -> FleetWorker | WorkerProcess:
        if isinstance(wanted, (FleetWorker, WorkerProcess)):
            return wanted
        living = {
            name: worker
            for name, worker in self._workers.items()
            if (worker.alive if isinstance(worker, WorkerProcess) else not worker.ended)
        }
        if wanted is None and len(living) == 1:
            return next(iter(living.values()))
        if wanted is None or wanted not in living:
            raise FleetError(
                f"Which worker is to be killed? Alive are {', '.join(living) or 'none'}."
            )
        return living[wanted]

    async def _why(self, run: Run[Any]) -> str:
        snapshot = await run.describe()
        if snapshot.status in (RunStatus.PENDING, RunStatus.DELAYED):
            return f"It is {snapshot.status.value}: {(await run.explain()).summary}"
        return f"It is {snapshot.status.value}, attempt {snapshot.attempt}."
