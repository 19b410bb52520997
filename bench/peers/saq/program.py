"""SAQ: single enqueues, 64 at once, as it has none in bulk; results kept, its default."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis
from saq import Worker
from saq.queue.redis import RedisQueue

from bench.alike import CALLERS, ROOM, TEXT
from bench.peers.race import Tally, arguments, at_once, race

MODULE = "bench.peers.saq.program"


async def work(url: str) -> None:
    """Works until it is ended."""
    tally = Tally()

    async def nothing(_: dict[str, Any], *, number: int, text: str) -> int:
        tally.seen(number)
        return number

    queue = RedisQueue(Redis.from_url(url))
    await Worker(queue, functions=[("nothing", nothing)], concurrency=ROOM["saq"]).start()


async def measure(url: str, runs: int, rate: int) -> None:
    """Measures whole runs, or how late they begin."""
    queue = RedisQueue(Redis.from_url(url), max_concurrent_ops=CALLERS)
    await queue.connect()

    async def enqueue(number: int) -> None:
        await queue.enqueue("nothing", number=number, text=TEXT)

    async def enqueue_all(number: int) -> None:
        await at_once(enqueue, number)

    await race(MODULE, url, runs, rate, enqueue_all, enqueue)


if __name__ == "__main__":
    working, address, runs, rate = arguments()
    asyncio.run(work(address) if working else measure(address, runs, rate))
