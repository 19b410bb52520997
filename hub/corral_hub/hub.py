"""One hub: puts the rooms together, starts and stops them.

Owns the store, the tasks and the server. Owns no truth: when it dies, another hub goes
on with everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import structlog

from corral_hub.access.access import Access
from corral_hub.config import HubConfig
from corral_hub.delivery import Delivery
from corral_hub.errors import HubFailed, Misconfigured, Unavailable
from corral_hub.following import Following
from corral_hub.leases import Leases
from corral_hub.limits import Limits, LimitsOf
from corral_hub.namespaces import Namespaces
from corral_hub.orchestrator import Orchestrator
from corral_hub.relays import Relays
from corral_hub.session.messages import Reconnect
from corral_hub.session.registry import Registry
from corral_hub.steward import Steward
from corral_hub.subscriptions import Subscriptions
from corral_hub.wires.grpc_v1.orchestrator import OrchestratorService
from corral_hub.wires.grpc_v1.server import Wire
from corral_hub.wires.grpc_v1.worker import WorkerService
from corral_store.ending import cancel_all
from corral_store.errors import StoreError, StoreFull, StoreUnavailable
from corral_store.hints import Hints
from corral_store.records import Entered, Letter, Settings
from corral_store.store import Store

START_SECONDS = 10.0
HUB_TTL_MS = 10_000

log = structlog.get_logger("corral.hub")


class Hub:
    """A hub as a library: `async with Hub(HubConfig(...)) as hub: ... hub.address`.

    Raises Misconfigured for settings that cannot be, and Unavailable when the store does
    not answer within 10 s of the start.
    """

    def __init__(self, config: HubConfig) -> None:
        config.check()
        self.config = config
        self.registry = Registry()
        self._access = Access(
            config.tokens,
            token_file=config.token_file,
            access_file=config.access_file,
            enrolment_file=config.enrolment_file,
            look_again=lambda: sum(driver.look_again() for driver in self.registry),
        )
        self._died = asyncio.Event()
        self._failure: HubFailed | None = None
        self._delivery = Delivery(self.registry)
        self._subscriptions = Subscriptions(
            config.keepalive_ms, lambda namespace: self._hints.following(namespace)
        )
        self._limits = LimitsOf(
            Limits(config.max_waiting, config.max_payload_bytes),
            Path(config.limits_file) if config.limits_file else None,
        )
        self._limits.load()
        try:
            self._store = Store(
                config.valkey,
                config.name,
                settings_of=self._settings,
                barrier=config.barrier(),
                on_letters=self._letters,
                on_entered=self._entered,
                on_part_ended=self._part_ended,
                on_doubt=self._delivery.wake_all,
                on_lost=self._store_lost,
                on_back=self._store_back,
            )
        except ValueError as error:
            raise Misconfigured(f"valkey: {error}", field="valkey") from error
        self._relays = Relays()
        self._hints = Hints(
            self._store.hints,
            config.name,
            self._delivery.wake,
            self._subscriptions.hint,
            self._relays.take,
        )
        self._namespaces = Namespaces(self._store, self._hints, config.max_namespaces)
        self._leases = Leases(self.registry, config.lease_ms, config.ping_ms, HUB_TTL_MS)
        tick_ms = min(config.tick_ms, max(50, config.lease_ms // 10))
        self._steward = Steward(config.name, self._leases, tick_ms)
        orchestrator = OrchestratorService(
            config,
            Orchestrator(config, self._limits),
            self._subscriptions,
            Following(self._subscriptions, self._relays),
        )
        self._wire = Wire(
            config,
            orchestrator,
            WorkerService(config, self.registry),
            self._namespaces.get,
            self._access,
        )
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """Where it listens, with the port that it got."""
        return self._wire.address

    async def __aenter__(self) -> Hub:
        await self._store.__aenter__()
        try:
            await self._reach_store()
            self._namespaces.get("default")
            await self._wire.start()
        except BaseException:
            await self._store.__aexit__()
            raise
        store = self._store
        jobs = {
            "hints": self._hints.run(),
            "delivery": self._delivery.run(store),
            "leases": self._leases.run(store),
            "steward": self._steward.run(store),
            "access": self._access.run(),
            "relays": self._relays.run(store),
            "limits": self._limits.watch(self._limits_changed),
            "namespaces": self._namespaces.run(),
        }
        for name, job in jobs.items():
            task = asyncio.create_task(job, name=f"hub-{name}")
            task.add_done_callback(self._part_ended)
            self._tasks.append(task)
        log.info("hub serves", hub=self.config.name, address=self.address)
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.stop()

    async def wait_failed(self) -> HubFailed:
        """Returns why this hub can no longer do its work, when a part of it has died. The
        owner ends the process then: another hub goes on with everything."""
        await self._died.wait()
        assert self._failure is not None
        return self._failure

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        self._failure = HubFailed(
            f"{task.get_name()} has died of {task.exception()!r}: this hub must end, and be "
            "started again; report the traceback in its log"
        )
        log.error("a part of the hub has died", part=task.get_name(), exc_info=task.exception())
        self._died.set()

    async def stop(self) -> None:
        """Moves the workers to other hubs, then ends. Takes at most `stop_seconds`."""
        if not self._tasks:
            return
        await self._wire.refuse_new()
        self._subscriptions.close()
        for driver in self.registry:
            driver.push(Reconnect("stopping"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.stop_seconds / 2):
                await self.registry.wait_empty()
        await self._wire.stop(self.config.stop_seconds / 2)
        # The streams that were still open are cut now, and the store is to know.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self.registry.wait_empty()
        tasks, self._tasks = self._tasks, []
        await cancel_all(tasks)
        await self._store.__aexit__()
        log.info("hub has stopped", hub=self.config.name)

    def _settings(self, namespace: str) -> Settings:
        config, limits = self.config, self._limits.of(namespace)
        return Settings(
            HUB_TTL_MS, config.lease_ms, limits.max_waiting, config.soft_bytes,
            limits.submits_per_second, limits.burst,
        )  # fmt: skip

    async def _limits_changed(self) -> None:
        for namespace in self._store.names():
            await self._store.enter(namespace)

    def _letters(self, namespace: str, letters: list[Letter]) -> None:
        self._delivery.take(namespace, letters)

    def _entered(self, namespace: str, entered: Entered) -> None:
        # The connection is new: replies with mail may have been lost on the old one.
        self._delivery.wake_all(namespace)
        log.info("entered", namespace=namespace, epoch=entered.epoch, hold_ms=entered.hold_ms)

    def _store_lost(self, error: StoreUnavailable) -> None:
        log.warning("the store is away", store=self.config.store_address, error=str(error))

    def _store_back(self, seconds: float) -> None:
        log.info("the store is back", store=self.config.store_address, away_s=round(seconds, 1))

    async def _reach_store(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                facts = await self._store.probe()
                break
            except StoreUnavailable as error:
                if time.monotonic() > until:
                    raise Unavailable(
                        f"no store answers at {self.config.store_address}: {error}; start "
                        "Valkey, or correct --valkey"
                    ) from error
                await asyncio.sleep(0.1)
            except StoreError as error:
                raise Misconfigured(
                    f"the store at {self.config.store_address}: {error}", field="valkey"
                ) from error
        self._say_durability(facts)
        try:
            await self._store.enter("default")
        except (StoreUnavailable, StoreFull) as error:
            raise Unavailable(str(error)) from error
        except StoreError as error:
            raise Misconfigured(str(error), field="valkey") from error

    def _say_durability(self, facts: dict[str, str]) -> None:
        """Checks what the chosen level needs of the server, and says what it will cost."""
        level, fsync = self.config.durability, facts.get("appendfsync", "")
        if not facts["version"]:
            log.warning("the store does not show its settings", durability=level)
            return
        if level == "fsync" and (facts["appendonly"] != "yes" or fsync != "always"):
            raise Misconfigured(
                f"durability fsync needs appendonly yes and appendfsync always; the store has "
                f"appendonly {facts['appendonly']}, appendfsync {fsync}: change it (CONFIG SET "
                "appendonly yes, CONFIG SET appendfsync always), or start with --durability memory",
                field="durability",
            )
        cost = {
            "fsync": "each answer comes after the fsync of the append-only file",
            "memory": "a crash of the store loses what it has not written to disk",
        }.get(level, "each answer waits for that many replicas")
        log.info("durability", level=level, means=cost, store=facts["version"])
        if facts.get("maxmemory-policy", "noeviction") != "noeviction":
            raise Misconfigured(
                f"maxmemory-policy is {facts['maxmemory-policy']}: the store would evict runs; "
                "set it to noeviction",
                field="valkey",
            )
