"""The sessions whose streams this hub has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from corral_hub.session.driver import Driver


class Registry:
    """Finds a driver by namespace and session; a newer stream replaces an older one."""

    def __init__(self) -> None:
        self._drivers: dict[tuple[str, str], Driver] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, driver: Driver) -> None:
        """Enters a driver; one of the same session that was there ends as moved."""
        older = self._drivers.get(driver.key)
        self._drivers[driver.key] = driver
        self._empty.clear()
        if older is not None and older is not driver:
            older.refuse("moved")

    def remove(self, driver: Driver) -> None:
        """Removes a driver, unless a newer one has its place."""
        if self._drivers.get(driver.key) is driver:
            del self._drivers[driver.key]
            if not self._drivers:
                self._empty.set()

    async def wait_empty(self) -> None:
        """Returns when this hub has no stream left."""
        await self._empty.wait()

    def get(self, namespace: str, session: str) -> Driver | None:
        """The driver of a session."""
        return self._drivers.get((namespace, session))

    def of(self, namespace: str) -> list[Driver]:
        """The open drivers of a namespace."""
        return [d for d in self._drivers.values() if d.key[0] == namespace and d.core.open]

    def __iter__(self) -> Iterator[Driver]:
        return iter(list(self._drivers.values()))

    def __len__(self) -> int:
        return len(self._drivers)
