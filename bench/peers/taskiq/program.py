"""taskiq with its Redis stream broker: single kicks, 64 at once; no results, its default."""

from __future__ import annotations

import asyncio

from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

from bench.alike import ROOM, TEXT
from bench.peers.race import Tally, arguments, at_once, race

MODULE = "bench.peers.taskiq.program"
NAME = "bench:nothing"


async def work(url: str) -> None:
    """Works until it is ended."""
    broker, tally = RedisStreamBroker(url), Tally()
    broker.is_worker_process = True

    @broker.task(task_name=NAME)
    async def nothing(number: int, text: str) -> int:
        tally.seen(number)
        return number

    await run_receiver_task(broker, max_async_tasks=ROOM["taskiq"], run_startup=True)


async def measure(url: str, runs: int, rate: int) -> None:
    """Measures whole runs, or how late they begin."""
    broker = RedisStreamBroker(url)

    @broker.task(task_name=NAME)
    async def nothing(number: int, text: str) -> int:
        return number

    await broker.startup()

    async def enqueue(number: int) -> None:
        await nothing.kiq(number, TEXT)

    async def enqueue_all(number: int) -> None:
        await at_once(enqueue, number)

    await race(MODULE, url, runs, rate, enqueue_all, enqueue)
    await broker.shutdown()


if __name__ == "__main__":
    working, address, runs, rate = arguments()
    asyncio.run(work(address) if working else measure(address, runs, rate))
