"""An event that is also over when nothing has come for a while: one timer for many waits.

A timer of its own for each wait would be much of what a hub does for a subscriber's message.
"""

from __future__ import annotations

import asyncio


class Woken:
    """What one task waits for, again and again; `set` may be called from anywhere in the loop.

    `seconds`: how long a wait lasts when nobody calls.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._called = False

    def set(self) -> None:
        """There is something to do."""
        self._called = True
        self._event.set()

    async def wait(self) -> bool:
        """Waits until it is set, or was since the last wait; false when nobody called in time."""
        self._until = self._loop.time() + self._seconds
        if not self._called:
            # The timer may have rung since the last wait.
            self._event.clear()
        if self._timer is None:
            self._timer = self._loop.call_at(self._until, self._look)
        await self._event.wait()
        self._event.clear()
        called, self._called = self._called, False
        return called

    def close(self) -> None:
        """Lets go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._loop.time() < self._until:
            self._timer = self._loop.call_at(self._until, self._look)
        else:
            self._timer = None
            self._event.set()
