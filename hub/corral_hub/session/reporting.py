"""What a worker says about its runs on its way to the store: few large calls, two at once.

While the store works on one call, the hub reads the verdicts of the one before and gathers
the next. What is said about one run reaches the store in order, whatever has to be sent again:
a second call leaves only when it is about other runs than the first, and large. Fewer reports
cost less when more join them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from corral_store.ending import give_up
from corral_store.records import Report

REPORTS_PER_CALL = 256
CALLS = 2
# Reports that are worth a call beside another one.
LARGE = 64
# Bytes that may wait behind a call; beyond, the worker is not read from.
WAITING_BYTES = 1_048_576


class Reporting:
    """The reports of one stream. `store` makes a call and treats its verdicts; `failed` is told
    of the first error of it, after which nothing more is sent: what was not acknowledged, the
    worker says again on its next stream."""

    __slots__ = ("_calls", "_failed", "_stopped", "_store", "_waiting")

    def __init__(
        self,
        store: Callable[[Sequence[Report]], Awaitable[None]],
        failed: Callable[[Exception], None],
    ) -> None:
        self._store = store
        self._failed = failed
        self._waiting: list[Report] = []
        # Each with the runs that it is about.
        self._calls: dict[asyncio.Task[None], frozenset[str]] = {}
        self._stopped = False

    async def take(self, reports: Sequence[Report]) -> None:
        """Sends reports behind all others; returns when no more than a few of them wait."""
        self._waiting.extend(reports)
        self._leave()
        while self._calls and self._many_wait():
            await self._one_ends()

    async def settled(self) -> None:
        """Waits until all that was taken is in the store, or never will be by this stream."""
        while self._calls:
            await self._one_ends()

    async def stop(self) -> None:
        """Sends no more, and waits for no verdict."""
        self._no_more()
        await give_up(self._calls)

    def _no_more(self) -> None:
        self._stopped = True
        self._waiting.clear()

    def _many_wait(self) -> bool:
        waiting = self._waiting
        return len(waiting) >= LARGE or sum(len(r.a) + len(r.b) for r in waiting) > WAITING_BYTES

    async def _one_ends(self) -> None:
        await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)

    def _leave(self) -> None:
        while self._waiting and not self._stopped:
            if self._calls and (len(self._calls) == CALLS or len(self._waiting) < LARGE):
                return
            part = self._waiting[:REPORTS_PER_CALL]
            runs = frozenset(report.run for report in part)
            if not all(runs.isdisjoint(others) for others in self._calls.values()):
                return
            del self._waiting[: len(part)]
            self._calls[asyncio.create_task(self._call(part), name="reports")] = runs

    async def _call(self, part: list[Report]) -> None:
        try:
            await self._store(part)
        except Exception as error:
            if not self._stopped:
                self._no_more()
                self._failed(error)
        finally:
            call = asyncio.current_task()
            assert call is not None
            del self._calls[call]
            self._leave()
