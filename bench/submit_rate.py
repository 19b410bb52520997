"""Submits and whole runs per second through one hub; `python -m bench.submit_rate`.

Starts a Valkey and a hub of its own, in a temporary folder, and a worker with an empty handler.
Takes the kinds of submit in turns, round by round, so that their ratio holds on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

import corral
from corral_hub.config import HubConfig
from corral_hub.embedded import EmbeddedValkey
from corral_hub.hub import Hub

BATCH = 200
# Calls at once: enough that the hub can put them together.
CALLERS = 64

worker = corral.Worker("bench", admission=corral.Fixed(256))


@worker.workflow("nothing")
async def nothing(number: int) -> int:
    """Does nothing, so that what is measured is everything else."""
    return number


async def one_by_one(client: corral.Client, count: int, workflow: str) -> None:
    """Submits runs in single calls, some at once."""
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            await client.submit_workflow(workflow, number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CALLERS):
            tasks.create_task(caller())


async def in_batches(client: corral.Client, count: int, workflow: str) -> None:
    """Submits runs in calls of many."""
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        outcomes = await client.submit_workflows(
            [corral.Submit(workflow, number) for number in range(size)]
        )
        refused = [one for one in outcomes if isinstance(one, corral.HubError)]
        if refused:
            raise refused[0]


async def whole_runs(client: corral.Client, count: int, _: str) -> None:
    """Submits in batches, and waits until a worker has completed everything."""
    before = (await client.stats()).totals.get("completed", 0)
    await in_batches(client, count, "nothing")
    while True:
        if (await client.stats()).totals.get("completed", 0) >= before + count:
            return
        await asyncio.sleep(0.01)


async def rate(
    kind: Callable[[corral.Client, int, str], Awaitable[None]], client: corral.Client, count: int
) -> float:
    """Runs per second of one kind; a workflow that nobody offers waits."""
    start = time.perf_counter()
    await kind(client, count, "nobody-offers-this")
    return count / (time.perf_counter() - start)


async def measure(count: int, rounds: int, folder: Path) -> None:
    """Prints the rates, and the ratios within rounds."""
    kinds = {"one by one": one_by_one, "in batches": in_batches, "whole runs": whole_runs}
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    async with (
        EmbeddedValkey(folder) as valkey,
        Hub(HubConfig(name="bench", listen="127.0.0.1:0", valkey=valkey.url)) as hub,
        corral.Client(hub.address) as client,
    ):
        worker.hubs = hub.address
        async with worker:
            await whole_runs(client, BATCH, "")
            for _ in range(rounds):
                for name, kind in kinds.items():
                    rates[name].append(await rate(kind, client, count))
    print(f"{rounds} rounds of {count} runs; client, hub, worker and Valkey on one machine")
    for name, found in rates.items():
        ratios = [one / base for one, base in zip(found, rates["one by one"], strict=True)]
        print(
            f"{name:<11} {statistics.median(found):8.0f} /s   "
            f"{statistics.median(ratios):5.2f} times one by one "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


def main() -> None:
    """Reads the options and measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="runs for each kind and round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        asyncio.run(measure(options.runs, options.rounds, Path(folder)))


if __name__ == "__main__":
    main()
