"""Frames of one worker, gathered while earlier ones are being treated.

Under load they reach the store as few large reports and not as many small ones; a lone frame
is handed on at once. Bounded in bytes: beyond it the worker is not read from. Drops nothing
and keeps the order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from corral_hub.wires.grpc_v1.parsing import Malformed

# As much as one frame may hold, so that a fast worker takes no more memory than a large one.
GATHERED_BYTES = 3_000_000


class Gathering:
    """One task fills it, another one takes from it."""

    def __init__(self) -> None:
        self._frames: list[Any] = []
        self._size = 0
        self._ended = False
        self._came = asyncio.Event()
        # Made when it is needed: an event takes 760 bytes, and most workers never get so far.
        self._taken: asyncio.Event | None = None

    async def fill(self, frames: AsyncIterator[Any]) -> None:
        """Reads to the end of the stream; raises what reading raises."""
        try:
            async for frame in frames:
                self._frames.append(frame)
                self._size += 0 if isinstance(frame, Malformed) else frame.ByteSize()
                self._came.set()
                while self._size >= GATHERED_BYTES:
                    self._taken = asyncio.Event()
                    await self._taken.wait()
        finally:
            self._ended = True
            self._came.set()

    async def take(self) -> list[Any]:
        """Gives all that has come, at least one frame; nothing at the end of the stream."""
        while not self._frames and not self._ended:
            self._came.clear()
            await self._came.wait()
        taken, self._frames, self._size = self._frames, [], 0
        if self._taken is not None:
            self._taken.set()
            self._taken = None
        return taken
