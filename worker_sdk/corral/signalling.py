"""A flag that is raised once, and that loops and threads wait for.

Knows nothing of what it stands for. Safe in threads. Cheap to make, as every attempt has two
and few look at them: what is waited on is made by who waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

# One for all: it is held for a few instructions, and never while a waker runs.
_lock = threading.Lock()


class Flag:
    """Down until `raise_`, then up for good. `up` tells whether it was raised."""

    __slots__ = ("_wakers", "up")

    def __init__(self) -> None:
        self.up = False
        self._wakers: list[Callable[[], None]] | None = None

    def raise_(self) -> None:
        """Raises the flag and wakes who waits; again, it does nothing."""
        with _lock:
            self.up = True
            wakers, self._wakers = self._wakers or (), None
        for wake in wakers:
            wake()

    def call(self, waker: Callable[[], None]) -> None:
        """Calls once the flag is up, at once when it is; on whichever thread raises it."""
        if not self._add(waker):
            waker()

    def wait_sync(self, timeout: float | None = None) -> bool:
        """Waits in a thread, at most `timeout` seconds; tells whether the flag is up."""
        told = threading.Event()
        if not self._add(told.set):
            return True
        try:
            return told.wait(timeout)
        finally:
            self._remove(told.set)

    async def wait(self) -> None:
        """Waits on the running loop."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()

        def wake() -> None:
            # A loop that was closed meanwhile has nobody who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(told.set)

        if not self._add(wake):
            return
        try:
            await told.wait()
        finally:
            self._remove(wake)

    def _add(self, waker: Callable[[], None]) -> bool:
        """Remembers a waker; false when the flag is up, and nobody will call it."""
        with _lock:
            if self.up:
                return False
            if self._wakers is None:
                self._wakers = []
            self._wakers.append(waker)
            return True

    def _remove(self, waker: Callable[[], None]) -> None:
        with _lock:
            if self._wakers and waker in self._wakers:
                self._wakers.remove(waker)
