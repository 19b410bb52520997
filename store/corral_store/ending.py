"""How tasks are ended for certain.

The client library may lose a cancellation that arrives together with a reply; a task that
was cancelled once would then wait forever, and its owner with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.2


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels the tasks, again while they go on, until each has ended."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)


async def give_up(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Ends tasks whose outcomes nobody wants any more, failures included."""
    given = list(tasks)
    await cancel_all(given)
    for task in given:
        # Looked at, or asyncio says that nobody did.
        if not task.cancelled():
            task.exception()
