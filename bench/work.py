"""The worker of the bench: handlers that do nothing, so that what is measured is all the rest.

Started by `corral worker bench.work:worker`. Clocks are the machine's monotonic one, which all
of its processes share.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import corral
from bench.alike import ROOM

worker = corral.Worker("bench", admission=corral.Fixed(ROOM["corral"]))
_late: list[float] = []


@worker.workflow("nothing")
async def nothing(text: str) -> int:
    """Gives the length of what it got."""
    return len(text)


@worker.workflow("talk")
async def talk(count: int, ctx: corral.Context) -> None:
    """Says so many things."""
    for number in range(count):
        await ctx.emit_event("word", number)


@worker.workflow("start")
async def start(wanted: dict[str, Any]) -> None:
    """Notes how long after the moment of its submit a run starts."""
    _late.append((time.monotonic_ns() - wanted["at_ns"]) / 1e6)


@worker.workflow("stream")
async def stream(wanted: dict[str, int]) -> AsyncIterator[list[int]]:
    """Streams numbers with the moment of each, as fast as it may or with pauses."""
    for number in range(wanted["chunks"]):
        yield [number, time.monotonic_ns()]
        if wanted["pause_ms"]:
            await asyncio.sleep(wanted["pause_ms"] / 1000)


@worker.workflow("latencies")
async def latencies() -> list[float]:
    """Gives what was noted since the last time, in milliseconds."""
    noted = list(_late)
    _late.clear()
    return noted


print("worker of the bench", flush=True)
