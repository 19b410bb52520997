"""How many events may be on their way: a bounded count that loops and threads wait for.

Takers get their turn in the order in which they came. Knows nothing about events.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable


class Credit:
    """A count of free places; `take` waits for one, `give` frees one. Safe in threads."""

    def __init__(self, places: int) -> None:
        self._lock = threading.Lock()
        self._free = places
        # Each hands the place over and tells whether its taker still wants it.
        self._waiting: deque[Callable[[], bool]] = deque()

    async def take(self) -> None:
        """Takes a place, waiting for one on the running loop."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        handed = False
        wanted = True

        def resolve() -> None:
            if not turn.done():
                turn.set_result(None)

        def hand_over() -> bool:
            nonlocal handed
            if not wanted:
                return False
            try:
                loop.call_soon_threadsafe(resolve)
            except RuntimeError:  # The taker's loop is closed: it is gone.
                return False
            handed = True
            return True

        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            self._waiting.append(hand_over)
        try:
            await turn
        except asyncio.CancelledError:
            with self._lock:
                wanted = False
                give_on = handed
            if give_on:
                self.give()
            raise

    def take_sync(self) -> None:
        """Takes a place, waiting for one in a thread."""
        turn = threading.Event()

        def hand_over() -> bool:
            turn.set()
            return True

        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            self._waiting.append(hand_over)
        turn.wait()

    def give(self) -> None:
        """Frees a place, or hands it to who waits longest."""
        with self._lock:
            while self._waiting:
                if self._waiting.popleft()():
                    return
            self._free += 1

    def open(self) -> None:
        """Lets everyone through from now on: what is said is of no consequence any more."""
        with self._lock:
            self._free = sys.maxsize
            waiting, self._waiting = self._waiting, deque()
        for hand_over in waiting:
            hand_over()
