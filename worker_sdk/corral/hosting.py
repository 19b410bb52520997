"""What the session tells the worker's event loop: welcome, work, the end.

A bridge between two threads; decides nothing.
"""

from __future__ import annotations

import asyncio
import logging

from corral.dispatch import Dispatcher
from corral.session.messages import Answered, Told
from corral_proto.v1 import worker_pb2

logger = logging.getLogger("corral.worker")


class Hosting:
    """The host of one session, seen from its thread; `welcomed` and `over` belong to `loop`.

    `error` is why the session ended, None when it ended well; it is set before `over`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, welcomed: asyncio.Event) -> None:
        self.over = asyncio.Event()
        self.error: Exception | None = None
        self.dispatcher: Dispatcher | None = None
        self._loop = loop
        self._welcomed = welcomed

    def start(self, assignment: worker_pb2.Assignment) -> None:
        """Executes an assignment."""
        if self.dispatcher is not None:
            self.dispatcher.start(assignment)

    def consider(self, offer: worker_pb2.Offer) -> None:
        """Asks the hook about an offer."""
        if self.dispatcher is not None:
            self.dispatcher.consider(offer)

    def told(self, told: Told) -> None:
        """Tells a handler what became of a remark."""
        if self.dispatcher is not None:
            self.dispatcher.told(told)

    def answered(self, answered: Answered) -> None:
        """Tells a handler that its questions are answered."""
        if self.dispatcher is not None:
            self.dispatcher.answered(answered)

    def drain_began(self) -> None:
        """The worker takes no new work from now on."""
        if self.dispatcher is not None:
            self.dispatcher.drain_began()

    def stop(self, run_id: str, fence: str, reason: str) -> None:
        """Tells a handler to stop."""
        if self.dispatcher is not None:
            self.dispatcher.stop(run_id, fence, reason)

    def connected(self, hub: str) -> None:
        """A hub has welcomed the worker."""
        logger.info("Connected to hub %s.", hub)
        self._loop.call_soon_threadsafe(self._welcomed.set)

    def ended(self, error: Exception | None) -> None:
        """The session is over."""
        self.error = error
        self._loop.call_soon_threadsafe(self.over.set)
