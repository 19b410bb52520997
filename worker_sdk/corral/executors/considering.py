"""Asking the user's hook about offers: tasks on the user's event loop, one per offer.

A hook that raises or answers nonsense declines; how long it may take is decided by the session.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from corral.offers import Decline, Offer
from corral_proto.v1 import worker_pb2

logger = logging.getLogger("corral.handlers")

# Run, fence, and why not; None takes the offer.
Answer = Callable[[str, str, Decline | None], None]


class Considering:
    """Asks one hook. `start` and `stop` may be called from any thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        tasks: asyncio.TaskGroup,
        # Whatever it says in its types, it may answer anything.
        hook: Callable[[Offer], Awaitable[Any]] | None,
        answer: Answer,
    ) -> None:
        self._loop = loop
        self._group = tasks
        self._hook = hook
        self._answer = answer
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    def start(self, offer: worker_pb2.Offer) -> None:
        """Asks the hook; the answer comes whatever happens, but for `stop`."""
        self._loop.call_soon_threadsafe(self._begin, Offer(offer))

    def stop(self, run_id: str, fence: str) -> None:
        """The answer is of no interest any more."""
        self._loop.call_soon_threadsafe(self._cancel, (run_id, fence))

    def _begin(self, offer: Offer) -> None:
        key = (offer.run_id, offer.fence)
        task = self._group.create_task(self._ask(offer), name=f"corral offer {offer.run_id}")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    def _cancel(self, key: tuple[str, str]) -> None:
        task = self._tasks.get(key)
        if task is not None:
            task.cancel()

    async def _ask(self, offer: Offer) -> None:
        self._answer(offer.run_id, offer.fence, await self._verdict(offer))

    async def _verdict(self, offer: Offer) -> Decline | None:
        if self._hook is None:
            return Decline(detail="the worker has no hook for offers")
        try:
            said = await self._hook(offer)
        except Exception as error:
            # The edge of user code: the run must go to someone else.
            logger.warning("The hook raised at the offer of run %s.", offer.run_id, exc_info=error)
            return Decline(detail=f"the hook raised {type(error).__name__}: {error}")
        if isinstance(said, Decline):
            return said
        if isinstance(said, bool):
            return None if said else Decline("no_capacity")
        logger.warning("The hook answered %r; answer a bool or a corral.Decline.", said)
        return Decline(detail=f"the hook answered a {type(said).__name__}")
