"""dramatiq: sends from threads, as its author advises for many, and works in eight, its default
(64 are no faster, 256 slower); no results, its default.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.alike import TEXT
from bench.peers.race import Tally, arguments, race

MODULE = "bench.peers.dramatiq.program"
THREADS = 8
SENDERS = 8


def work(url: str) -> None:
    """Works until it is ended."""
    tally, broker = Tally(), RedisBroker(url=url)
    dramatiq.set_broker(broker)

    @dramatiq.actor(actor_name="nothing")
    def nothing(number: int, text: str) -> int:
        tally.seen(number)
        return number

    dramatiq.Worker(broker, worker_threads=THREADS).start()
    threading.Event().wait()


async def measure(url: str, runs: int, rate: int) -> None:
    """Measures whole runs, or how late they begin."""
    dramatiq.set_broker(RedisBroker(url=url))

    @dramatiq.actor(actor_name="nothing")
    def nothing(number: int, text: str) -> int:
        return number

    def send(numbers: range) -> None:
        for number in numbers:
            nothing.send(number, TEXT)

    async def enqueue(number: int) -> None:
        await loop.run_in_executor(senders, nothing.send, number, TEXT)

    async def enqueue_all(count: int) -> None:
        parts = [range(first, count, SENDERS) for first in range(SENDERS)]
        await asyncio.gather(*(loop.run_in_executor(senders, send, part) for part in parts))

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(SENDERS) as senders:
        await race(MODULE, url, runs, rate, enqueue_all, enqueue)


if __name__ == "__main__":
    working, address, runs, rate = arguments()
    if working:
        work(address)
    else:
        asyncio.run(measure(address, runs, rate))
