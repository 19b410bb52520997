"""Notices that nothing comes: one timer for many waits.

A timer of its own for each message would be much of what a subscriber does for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Silence:
    """Calls `cut` once a wait has lasted as long as it may; `broken` tells that it has.

    All methods belong to one event loop.
    """

    def __init__(self, cut: Callable[[], object]) -> None:
        self.broken = False
        self._cut = cut
        self._loop = asyncio.get_running_loop()
        self._until: float | None = None
        self._timer: asyncio.Handle | None = None
        self._rings_at = 0.0

    def begin(self, seconds: float) -> None:
        """A wait begins that may last so long."""
        self._until = self._loop.time() + seconds
        if self._rings_at > self._until:
            self.close()
        if self._timer is None:
            self._set(self._until)

    def end(self) -> None:
        """What was waited for is there; the time until the next wait counts for nobody."""
        self._until = None

    def close(self) -> None:
        """Lets go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._until is None:
            return
        if self._loop.time() < self._until:
            self._set(self._until)
        else:
            self.broken = True
            self._cut()

    def _set(self, at: float) -> None:
        self._rings_at = at
        self._timer = self._loop.call_at(at, self._look)
