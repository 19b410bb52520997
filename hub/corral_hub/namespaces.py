"""The namespaces that this hub serves: those that somebody has named to it.

Each costs a hub ticks, renewals and two channels, so they are bounded. One in which nothing has
ever happened is let go again when nobody uses it: a name in a read is no reason to keep out others.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from corral_hub.errors import ResourceExhausted
from corral_store.errors import StoreError
from corral_store.hints import Hints
from corral_store.store import Store
from corral_store.transitions import Transitions

# Longer than any call takes, Hello included: what has a namespace in its hands has it still.
IDLE_SECONDS = 60.0
LOOK_SECONDS = 10.0

log = structlog.get_logger("corral.namespaces")


class Namespaces:
    """Owns which namespaces there are here; `most` of them at once."""

    def __init__(self, store: Store, hints: Hints, most: int) -> None:
        self._store = store
        self._hints = hints
        self._most = most
        self._known: dict[str, Transitions] = {}
        self._used: dict[str, float] = {}
        # In which something has happened: these stay.
        self._lived: set[str] = set()

    def get(self, name: str) -> Transitions:
        """The transitions of a namespace; raises ResourceExhausted for one too many."""
        self._used[name] = time.monotonic()
        known = self._known.get(name)
        if known is not None:
            return known
        if len(self._known) >= self._most:
            del self._used[name]
            raise ResourceExhausted(
                f"this hub serves {len(self._known)} namespaces, as many as it may: use another "
                "hub, or start it with a larger --max-namespaces",
                field="corral-namespace",
                limit=str(self._most),
            )
        self._hints.listen(name)
        found = self._known[name] = self._store.serve(name)
        return found

    async def run(self) -> None:
        """Lets go of what nobody uses, forever; the owner cancels it."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for name in [name for name in self._known if self._idle(name)]:
                try:
                    empty = await self._empty(name)
                except StoreError:
                    continue
                if not empty:
                    self._lived.add(name)
                elif self._idle(name):
                    # Nobody came while the store was asked.
                    self._let_go(name)

    def _idle(self, name: str) -> bool:
        return (
            name != "default"
            and name not in self._lived
            and time.monotonic() - self._used[name] >= IDLE_SECONDS
            and not self._hints.is_followed(name)
        )

    async def _empty(self, name: str) -> bool:
        """True when no run was ever submitted here and no session opened."""
        stats = await self._known[name].stats()
        return not stats.totals

    def _let_go(self, name: str) -> None:
        del self._known[name], self._used[name]
        self._hints.leave(name)
        self._store.leave(name)
        log.debug("nobody uses the namespace", namespace=name)
