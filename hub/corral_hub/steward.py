"""Ticks the namespaces: what happens by time alone.

Per namespace one steward among the live hubs, by rendezvous hashing (Thaler and
Ravishankar, 1996); the others tick more slowly, in case it has died, and are told that
nothing is due while it lives.
"""

from __future__ import annotations

import asyncio
import hashlib
import time

import structlog

from corral_hub.leases import Leases
from corral_store.errors import StoreError
from corral_store.store import Store

OTHERS_TICK_SLOWER = 3

log = structlog.get_logger("corral.steward")


def steward_of(namespace: str, hubs: list[str]) -> str:
    """The hub of the highest hash; every hub that sees the same list agrees."""
    return max(
        hubs, key=lambda hub: hashlib.sha256(f"{namespace}/{hub}".encode()).digest(), default=""
    )


class Steward:
    """Owns ticking for one hub. `interval_ms`: between two ticks of a steward."""

    def __init__(self, hub: str, leases: Leases, interval_ms: int) -> None:
        self._hub = hub
        self._leases = leases
        self._interval_ms = interval_ms
        self._ticked: dict[str, float] = {}

    async def run(self, store: Store) -> None:
        """Ticks forever; the owner cancels it."""
        while True:
            await asyncio.sleep(self._interval_ms / 1000)
            names = store.names()
            self._ticked = {name: at for name, at in self._ticked.items() if name in names}
            for namespace in names:
                mine = steward_of(namespace, self._leases.live.get(namespace, [])) == self._hub
                pause = self._interval_ms * (1 if mine else OTHERS_TICK_SLOWER)
                now = time.monotonic() * 1000
                if now - self._ticked.get(namespace, 0) < pause * 0.9:
                    continue
                self._ticked[namespace] = now
                try:
                    async with asyncio.timeout(10):
                        await self._tick(store, namespace, pause)
                except (StoreError, TimeoutError) as error:
                    log.warning("cannot tick", namespace=namespace, error=repr(error))

    async def _tick(self, store: Store, namespace: str, pause: int) -> None:
        transitions = store.namespace(namespace)
        while True:
            ticked = await transitions.tick(pause)
            if ticked.lost:
                log.warning("leases were lost", namespace=namespace, sessions=ticked.lost)
            if ticked.verdict != "more":
                return
