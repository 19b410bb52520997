"""Workers of a test's fleet that run in the test's own process.

The same worker as in production, with short delays; what differs is that it can be killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from corral.handlers import Handler
from corral.terms import Backoff, Fixed
from corral.testing.errors import WorkerKilled
from corral.testing.watched import handler_of
from corral.worker import Worker

Source = Worker | Callable[..., Any]

ROOM = 16


class FleetWorker(Worker):
    """A worker of handlers, of plain functions, or of what another `Worker` has.

    A `Worker` lends its handlers, hook, lifespan, admission, tags, labels, taints and devices;
    `options` are those of `Worker` and win. Room without either: 16 runs at once.
    """

    def __init__(
        self,
        worker_id: str,
        hubs: Sequence[str],
        sources: Sequence[Source],
        options: dict[str, Any],
    ) -> None:
        given: dict[str, Any] = {
            "admission": Fixed(ROOM),
            "backoff": Backoff(initial_ms=20, maximum_ms=200),
        }
        lenders = [source for source in sources if isinstance(source, Worker)]
        for lender in lenders:
            given |= {
                "admission": lender.admission,
                "tags": lender.tags,
                "labels": lender.labels,
                "taints": lender.taints,
                "devices": lender.devices,
                "lifespan": lender.lifespan,
            }
        given |= {"hubs": hubs, **options}
        super().__init__(worker_id, **given)
        for lender in lenders:
            self._offer_hook = lender._offer_hook
            for handler in lender.handlers.values():
                self._add(handler)
        for source in sources:
            if not isinstance(source, Worker):
                self._add(handler_of(source))

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self._background is None or self._background.done()

    def has(self, handler: Handler[..., Any, Any]) -> bool:
        """Whether it executes the handler's runs."""
        return not self.ended and handler.capability in self._handlers

    async def die(self) -> None:
        """Ends as a crash looks to the hubs: its stream is cut, and nothing is said.

        Its coroutines are cancelled; threads can only be told, and are waited for.
        """
        background, self._background = self._background, None
        if background is None:
            return
        if self._session is not None:
            self._session.abort(WorkerKilled(f"Worker {self.worker_id!r} was killed by its test."))
        else:
            background.cancel()
        # Whatever it ends with: a dead worker reports to nobody.
        await asyncio.wait({background})
        if not background.cancelled():
            background.exception()

    async def leave(self) -> None:
        """Gives back what runs, and ends."""
        if not self.ended:
            self.stop(immediate=True)
            await self.__aexit__(None, None, None)
