"""What a test has opened on its event loops, to be closed with the fleet.

A loop may be running, idle between two parts of a test, or closed when the end comes; what
was on a closed one has ended with its loop. Knows nothing of what it closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from corral.client import Client
from corral.loops import running_loop
from corral.testing.errors import FleetError

CLOSE_SECONDS = 30.0


class Belongings:
    """Exits by event loop, and one client for each."""

    def __init__(self) -> None:
        self._stacks: dict[asyncio.AbstractEventLoop, AsyncExitStack] = {}
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}

    def keep(self, leave: Callable[[], Awaitable[Any]]) -> None:
        """Calls `leave` at the end, on the loop that runs now; the last one first.

        Raises `FleetError` where no loop runs.
        """
        loop = running_loop()
        if loop is None:
            raise FleetError(
                "No event loop runs here; use fleet.sync, whose calls wait, or make the test a "
                "coroutine."
            )
        self._stacks.setdefault(loop, AsyncExitStack()).push_async_callback(leave)

    def client(self, make: Callable[[], Client]) -> Client:
        """The client of the running loop, made at the first call."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = make()
        return self._clients[loop]

    async def close_here(self) -> None:
        """Closes what is on the running loop."""
        loop = asyncio.get_running_loop()
        self._clients.pop(loop, None)
        stack = self._stacks.pop(loop, None)
        if stack is not None:
            await stack.aclose()

    def close(self) -> None:
        """Closes what is on all loops; raises `FleetError` on one that would have to wait."""
        self._clients.clear()
        if running_loop() in self._stacks:
            raise FleetError(
                "A fleet is left on the event loop that its workers and clients need to end; use "
                "async with, or await close_here() first."
            )
        while self._stacks:
            loop, stack = self._stacks.popitem()
            if loop.is_closed():
                continue
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(CLOSE_SECONDS)
            else:
                loop.run_until_complete(stack.aclose())
