"""Renews the leases of this hub's sessions, and the hub's own.

One call for all sessions that showed life since the last one, on a connection that
never waits behind a barrier. Also lets each session core see the time.
"""

from __future__ import annotations

import asyncio
import math

import structlog

from corral_hub.session.registry import Registry
from corral_store.errors import StoreError
from corral_store.store import Store

RENEWALS_PER_CALL = 256

log = structlog.get_logger("corral.leases")


class Leases:
    """Owns renewing. `live` is the hubs that were alive at the last renewal, by namespace."""

    def __init__(self, registry: Registry, lease_ms: int, ping_ms: int, hub_ttl_ms: int) -> None:
        self._registry = registry
        self._interval = min(2.5, lease_ms / 6000)
        # As often at least, and so that each ping comes when it is due and not at the next look.
        self._tick = ping_ms / 1000 / math.ceil(ping_ms / 1000 / self._interval)
        self._ttl_ms = hub_ttl_ms
        self.live: dict[str, list[str]] = {}
        self._share: dict[str, int] = {}

    async def run(self, store: Store) -> None:
        """Renews forever; the owner cancels it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass_time(store), name="leases-time")
            tasks.create_task(self._renew_all(store), name="leases-renewals")

    async def _pass_time(self, store: Store) -> None:
        """Apart from renewing: while the store is away, workers must still hear of this hub,
        or all of them would leave it for another that has the same store."""
        while True:
            await asyncio.sleep(self._tick)
            crowded = {name: self._crowded(name) for name in store.names()}
            for driver in self._registry:
                driver.tick(others=crowded.get(driver.key[0], False))

    async def _renew_all(self, store: Store) -> None:
        while True:
            await asyncio.sleep(self._interval)
            for namespace in store.names():
                try:
                    async with asyncio.timeout(self._interval * 4):
                        await self._renew(store, namespace)
                except (StoreError, TimeoutError) as error:
                    log.warning("leases are not renewed", namespace=namespace, error=repr(error))
            for gone in self.live.keys() - set(store.names()):
                del self.live[gone], self._share[gone]

    def _crowded(self, namespace: str) -> bool:
        """True when this hub has more than its share of the namespace's sessions."""
        others = len(self.live.get(namespace, ())) > 1
        return others and len(self._registry.of(namespace)) > self._share.get(namespace, 0)

    async def _renew(self, store: Store, namespace: str) -> None:
        transitions = store.namespace(namespace)
        alive = [d for d in self._registry.of(namespace) if d.core.take_life()]
        for at in range(0, max(1, len(alive)), RENEWALS_PER_CALL):
            part = alive[at : at + RENEWALS_PER_CALL]
            verdicts, count, hubs = await transitions.renew(
                self._ttl_ms, [(d.core.session, d.core.stream) for d in part]
            )
            self.live[namespace] = hubs
            self._share[namespace] = -(-count // max(1, len(hubs)))
            for driver, verdict in zip(part, verdicts, strict=True):
                if verdict == "ok":
                    driver.core.renewed()
                elif driver.core.open:
                    driver.refuse(verdict)
