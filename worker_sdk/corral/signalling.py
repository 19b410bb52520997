"""A flag that is raised once, and that loops and threads wait for.

Knows nothing of what it stands for. Safe in threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


class Flag:
    """Down until `raise_`, then up for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._up = threading.Event()
        self._wakers: list[Callable[[], None]] = []

    @property
    def up(self) -> bool:
        """Whether it was raised."""
        return self._up.is_set()

    def raise_(self) -> None:
        """Raises the flag and wakes who waits; again, it does nothing."""
        with self._lock:
            self._up.set()
            wakers, self._wakers = self._wakers, []
        for wake in wakers:
            wake()

    def call(self, waker: Callable[[], None]) -> None:
        """Calls once the flag is up, at once when it is; on whichever thread raises it."""
        with self._lock:
            if not self._up.is_set():
                self._wakers.append(waker)
                return
        waker()

    def wait_sync(self, timeout: float | None = None) -> bool:
        """Waits in a thread, at most `timeout` seconds; tells whether the flag is up."""
        return self._up.wait(timeout)

    async def wait(self) -> None:
        """Waits on the running loop."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(told.set)

        with self._lock:
            if self._up.is_set():
                return
            self._wakers.append(wake)
        try:
            await told.wait()
        finally:
            with self._lock:
                if wake in self._wakers:
                    self._wakers.remove(wake)
