"""The worker: what users write handlers on, and what runs them.

Owns the lifespan, the handlers' tasks and threads, and the session's thread. What the session
says is decided in `session/`; which handler takes a run in `dispatch.py`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from random import random
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread

from corral import identity
from corral.addresses import parse_addresses
from corral.channel import call_metadata
from corral.dispatch import Dispatcher
from corral.enrolment import EnrolmentKey, default_key
from corral.errors import BadHandler, CorralError, NoHub, WrongLoop
from corral.executors.considering import Considering
from corral.executors.inline import InlineExecutor
from corral.executors.process import ProcessExecutor
from corral.executors.thread import ThreadExecutor
from corral.hosting import Hosting
from corral.loops import running_loop
from corral.registry import Registry
from corral.session.core import SessionCore
from corral.session.messages import Declaration
from corral.session.route import Route
from corral.session.stream import Dial, HubStream
from corral.session.thread import SessionThread
from corral.shapes import check_arguments
from corral.terms import Admission, Backoff, Fixed, Reactive, Taint
from corral.tls import Tls
from corral.version import SDK_NAME

logger = logging.getLogger("corral.worker")

Lifespan = Callable[["Worker"], AbstractAsyncContextManager[Any]]

MAX_CAPABILITIES = 64
# Plain functions at once, in threads and in processes; more wait for their turn.
MAX_SLOTS = 512
CONNECT_SECONDS = 30.0
# How long a cancelled `run` looks for a hub that takes back what it held.
CANCEL_SECONDS = 5.0


class Worker(Registry):
    """Executes runs.

    `worker_id`: stable over restarts, one living process each; default `CORRAL_WORKER_ID`,
    then the name of the host. `hubs`, `token`, `namespace` as in `Client`. `admission`: how
    much it takes at once, default one run. `tags`: what submitters ask for by `required_tags`;
    `labels`, `taints`: what selectors and tolerations look at. `devices`: names, for people.
    `backoff`: delays between attempts to reach a hub. `lifespan`: an async context manager
    that is entered before the first connection and left at the end; what it yields is
    `ctx.state`. `in_use_seconds`: how long another owner of the worker id is waited for.
    """

    def __init__(
        self,
        worker_id: str | None = None,
        *,
        hubs: str | Sequence[str] | None = None,
        token: str | None = None,
        namespace: str | None = None,
        tls: Tls | None = None,
        enrolment_key: EnrolmentKey | None = None,
        admission: Admission | None = None,
        tags: Mapping[str, str] | Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        taints: Sequence[Taint] = (),
        devices: Sequence[str] = (),
        backoff: Backoff | None = None,
        lifespan: Lifespan | None = None,
        in_use_seconds: float = 60.0,
    ) -> None:
        check_arguments(Worker.__init__, locals())
        if inspect.isasyncgenfunction(lifespan) or inspect.iscoroutinefunction(lifespan):
            raise BadHandler(
                f"lifespan is {lifespan.__qualname__}(), which is no context manager; decorate it "
                "with @contextlib.asynccontextmanager."
            )
        super().__init__()
        self.worker_id = worker_id or identity.default_worker_id()
        self.hubs = hubs
        self.token = token
        self.namespace = namespace
        self.tls = tls
        self.enrolment_key = enrolment_key or default_key()
        self.admission: Admission = admission or Fixed(1)
        self.tags = identity.tag_list(tags)
        self.labels = dict(labels or {})
        self.taints = tuple(taints)
        self.devices = tuple(devices)
        self.backoff = backoff or Backoff()
        self.lifespan = lifespan
        self.in_use_seconds = in_use_seconds
        self._resident: dict[str, int] = {}
        self._session: SessionThread | None = None
        self._dial: Dial = HubStream
        self._welcomed = asyncio.Event()
        self._stop_wanted: bool | None = None
        self._running = False
        # Ctrl-C comes as an exception, wherever the main thread is, unless signals are ours.
        self._ctrl_c = True
        self._background: asyncio.Task[None] | None = None

    def resident(self, model: str, *, vram_mb: int = 0) -> None:
        """Tells the hubs at once that a model is loaded; `vram_mb` is what it holds, 0: unknown.

        Runs that ask for the model then come here first. Up to 64 models. Raises
        `InvalidRequest` for a name that no hub accepts. Safe in threads.
        """
        identity.check_model(model, vram_mb, {*self._resident, model})
        self._resident[model] = vram_mb
        self._tell_resident()

    def evicted(self, model: str) -> None:
        """Tells the hubs at once that a model is no longer loaded. Safe in threads."""
        self._resident.pop(model, None)
        self._tell_resident()

    def stop(self, *, immediate: bool = False) -> None:
        """Asks the worker to take no new work, finish, and end; returns at once.

        `immediate` gives back what runs instead of finishing it. Safe in threads.
        """
        self._stop_wanted = immediate or bool(self._stop_wanted)
        if self._session is not None:
            self._session.drain(immediate=immediate)

    async def run(self) -> None:
        """Executes runs until the worker is drained or stopped.

        Raises what is final: `SessionSuperseded`, `WorkerIdInUse`, `WorkerRejected`,
        `Unauthenticated`, `PermissionDenied`. Cancelled, it gives back what it holds.
        """
        if getattr(sys.modules["__main__"], "IS_EXECUTOR_CHILD", False):
            # A child imports the script that runs the worker, for its handlers alone.
            raise SystemExit("This is a child process of a worker; it runs no worker itself.")
        if self._running:
            raise CorralError(f"Worker {self.worker_id!r} runs already; make another Worker.")
        self._check()
        self._running = True
        try:
            async with self.lifespan(self) if self.lifespan else nullcontext() as state:
                error = await self._serve(state)
        finally:
            self._running = self._declared = False
            self._stop_wanted = None
        if error is not None:
            raise error

    def run_forever(self) -> None:
        """Executes runs in this thread until SIGTERM or SIGINT, then finishes and returns.

        A second signal gives back what still runs. Raises what `run` raises, and `WrongLoop` where
        an event loop runs already.
        """
        if running_loop() is not None:
            raise WrongLoop(
                "run_forever() makes an event loop, and one runs here already; await worker.run(), "
                "or use async with worker."
            )
        if not logging.getLogger().handlers:
            logging.basicConfig(
                level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
            )
        asyncio.run(self._run_with_signals())

    async def __aenter__(self) -> Self:
        """Runs the worker in the background; returns when a hub has welcomed it."""
        self._welcomed = asyncio.Event()
        self._background = asyncio.create_task(self.run(), name=f"corral {self.worker_id}")
        welcomed = asyncio.create_task(self._welcomed.wait(), name="corral welcome")
        try:
            await asyncio.wait(
                {self._background, welcomed},
                timeout=CONNECT_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if self._background.done():
                await self._background
            if not welcomed.done():
                raise NoHub(
                    f"No hub welcomed worker {self.worker_id!r} within {CONNECT_SECONDS:g} s. "
                    "Check the addresses and that a hub runs there."
                )
        except BaseException:
            self._background.cancel()
            await asyncio.wait({self._background})
            raise
        finally:
            welcomed.cancel()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finishes what runs, or gives it back when the block raised, and ends."""
        background, self._background = self._background, None
        if background is not None:
            self.stop(immediate=error is not None)
            await background

    def _check(self) -> None:
        identity.check_worker_id(self.worker_id)
        if not self._handlers:
            raise BadHandler(
                f"Worker {self.worker_id!r} has no handlers; decorate a function with "
                "@worker.workflow or @worker.capability."
            )
        if isinstance(self.admission, Reactive) != (self._offer_hook is not None):
            raise BadHandler(
                f"Worker {self.worker_id!r} has admission {self.admission!r} and "
                f"{'a' if self._offer_hook else 'no'} hook for offers: Reactive() and "
                "@worker.on_offer go together."
            )
        if len(self._handlers) > MAX_CAPABILITIES:
            raise BadHandler(
                f"Worker {self.worker_id!r} has {len(self._handlers)} handlers, the limit is "
                f"{MAX_CAPABILITIES}. Spread them over several workers."
            )

    def _tell_resident(self) -> None:
        if self._session is not None:
            self._session.resident_changed(dict(self._resident))

    async def _serve(self, state: Any) -> Exception | None:
        addresses = parse_addresses(self.hubs, self.tls)
        metadata = call_metadata(addresses, self.token, self.namespace)
        # Workers spread over the hubs by their name, and come back to the same one.
        first = zlib.crc32(self.worker_id.encode()) % len(addresses)
        self._declared = True
        core = SessionCore(
            self._declaration(),
            [str(address) for address in addresses],
            Route(len(addresses), first, self.backoff, random),
            lambda: secrets.token_hex(16),
            in_use_ms=int(self.in_use_seconds * 1000),
        )
        loop = asyncio.get_running_loop()
        hosting = Hosting(loop, self._welcomed)
        session = SessionThread(core, addresses, metadata, hosting, self._dial)
        threads = ThreadExecutor(self._slots())
        processes = ProcessExecutor(session, self._slots())
        inline = InlineExecutor(loop, ctrl_c=self._ctrl_c)
        try:
            async with asyncio.TaskGroup() as tasks:
                hosting.dispatcher = Dispatcher(
                    self._handlers,
                    inline,
                    threads,
                    processes,
                    Considering(loop, tasks, self._offer_hook, session.offer_answered),
                    session,
                    session.handler_ended,
                    state,
                )
                await self._attend(session, hosting, hosting.dispatcher)
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await inline.close()
                finally:
                    await anyio.to_thread.run_sync(threads.close)
                    await anyio.to_thread.run_sync(processes.close)
        return hosting.error

    async def _attend(
        self, session: SessionThread, hosting: Hosting, dispatcher: Dispatcher
    ) -> None:
        self._session = session
        try:
            session.resident_changed(dict(self._resident))
            session.start()
            if self._stop_wanted is not None:
                session.drain(immediate=self._stop_wanted)
            await hosting.over.wait()
        except asyncio.CancelledError:
            session.drain(immediate=True)
            with anyio.move_on_after(CANCEL_SECONDS, shield=True):
                await hosting.over.wait()
            raise
        finally:
            self._session = None
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(session.close)
            dispatcher.stop_all("the worker ended")

    def _slots(self) -> int:
        wanted = self.admission.max_in_flight if isinstance(self.admission, Fixed) else MAX_SLOTS
        return min(wanted, MAX_SLOTS)

    def _declaration(self) -> Declaration:
        return Declaration(
            worker_id=self.worker_id,
            instance=secrets.token_hex(16),
            sdk=SDK_NAME,
            capabilities=[capability.to_wire() for capability in self._handlers],
            tags=self.tags,
            labels=self.labels,
            taints=[taint.to_wire() for taint in self.taints],
            admission=self.admission.to_wire(),
            devices=self.devices,
            enrolment_key=self.enrolment_key,
        )

    async def _run_with_signals(self) -> None:
        self._ctrl_c = False
        try:
            with identity.signals(self._signalled):
                await self.run()
        finally:
            self._ctrl_c = True

    def _signalled(self) -> None:
        again = self._stop_wanted is not None
        if again:
            logger.warning("Signalled again: giving back what runs.")
        else:
            logger.info("Signalled: finishing what runs. Signal again to give it back.")
        self.stop(immediate=again)
