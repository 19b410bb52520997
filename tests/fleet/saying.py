"""Two hubs, workers that say what a test wants when it wants it, and readers of their events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

import corral
from tests.fleet.conftest import Fleet

SECONDS = 40.0


class Saying:
    """Workers whose handler says what a test wants, when it wants it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.words: asyncio.Queue[str] = asyncio.Queue()
        self.stack = AsyncExitStack()

    async def worker(self, name: str = "w", **terms: Any) -> corral.Worker:
        worker = corral.Worker(name, hubs=self.fleet.addresses, **terms)

        @worker.workflow("say")
        async def say(ctx: corral.Context) -> str:
            while (word := await self.words.get()) != "end":
                await ctx.emit_event(word)
            return "said"

        self.fleet.workers.append(worker)
        return await self.stack.enter_async_context(worker)

    def say(self, *words: str) -> None:
        for word in words:
            self.words.put_nowait(word)


class Reader:
    """Follows a subscription in the background; `seen` is what came."""

    def __init__(self, events: Any) -> None:
        self.seen: list[corral.Event | corral.GapInEvents] = []
        self._events = events
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self._events:
            self.seen.append(event)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.seen]

    async def until(self, fleet: Fleet, truth: Callable[[], bool]) -> None:
        async def so() -> bool:
            if self._task.done():
                await self._task
            return truth()

        await fleet.eventually(so, SECONDS)

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


@pytest.fixture
async def saying(fleet: Fleet) -> AsyncIterator[Saying]:
    fleet.hub("a")
    fleet.hub("b")
    saying = Saying(fleet)
    async with saying.stack:
        yield saying
        for worker in fleet.workers:
            worker.stop(immediate=True)
