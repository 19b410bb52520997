"""The sessions whose streams this hub has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from corral_hub.session.driver import Driver


class Registry:
    """Finds a driver by namespace and session; a newer stream replaces an older one.

    A stream whose Hello the store has yet to answer stands beside the one that there is: it
    gets the mail that comes with the answer, and takes the place when it is welcome.
    """

    def __init__(self) -> None:
        self._drivers: dict[tuple[str, str], Driver] = {}
        self._opening: dict[tuple[str, str], list[Driver]] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def expect(self, driver: Driver) -> None:
        """Enters a driver that says Hello."""
        self._opening.setdefault(driver.key, []).append(driver)

    def add(self, driver: Driver) -> None:
        """Enters a driver that is welcome; one of the same session that was there ends as
        moved."""
        self._expected(driver)
        older = self._drivers.get(driver.key)
        self._drivers[driver.key] = driver
        self._empty.clear()
        if older is not None and older is not driver:
            older.refuse("moved")

    def remove(self, driver: Driver) -> None:
        """Removes a driver, unless a newer one has its place."""
        self._expected(driver)
        if self._drivers.get(driver.key) is driver:
            del self._drivers[driver.key]
            if not self._drivers:
                self._empty.set()

    async def wait_empty(self) -> None:
        """Returns when this hub has no stream left."""
        await self._empty.wait()

    def _expected(self, driver: Driver) -> None:
        opening = self._opening.get(driver.key, [])
        if driver in opening:
            opening.remove(driver)
            if not opening:
                del self._opening[driver.key]

    def all_of(self, namespace: str, session: str) -> list[Driver]:
        """Every driver that mail of a session may be for."""
        key = namespace, session
        known = self._drivers.get(key)
        return [*([known] if known is not None else []), *self._opening.get(key, [])]

    def get(self, namespace: str, session: str) -> Driver | None:
        """The driver of a session."""
        return self._drivers.get((namespace, session))

    def of(self, namespace: str) -> list[Driver]:
        """The open drivers of a namespace."""
        return [d for d in self._drivers.values() if d.key[0] == namespace and d.core.open]

    def __iter__(self) -> Iterator[Driver]:
        opening = (driver for drivers in self._opening.values() for driver in drivers)
        return iter([*self._drivers.values(), *opening])

    def __len__(self) -> int:
        return len(self._drivers)
