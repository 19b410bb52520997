"""dramatiq: sends in a row from one thread, eight worker threads; no results, its default."""

from __future__ import annotations

import asyncio
import threading

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.peers.race import TEXT, Tally, arguments, race

MODULE = "bench.peers.dramatiq.program"
THREADS = 8


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

    def send(number: int) -> None:
        for one in range(number):
            nothing.send(one, TEXT)

    async def enqueue(number: int) -> None:
        await asyncio.to_thread(nothing.send, number, TEXT)

    async def enqueue_all(number: int) -> None:
        await asyncio.to_thread(send, number)

    await race(MODULE, url, runs, rate, enqueue_all, enqueue)


if __name__ == "__main__":
    working, address, runs, rate = arguments()
    if working:
        work(address)
    else:
        asyncio.run(measure(address, runs, rate))
