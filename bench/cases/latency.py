"""From the moment of a submit to the first line of its handler, at a fixed rate of submits.

Submits are made at moments fixed in advance, whatever became of those before, so that a hub
that stalls is charged for all that came meanwhile. Peers do the same at the lowest rate, and so
does a bare gRPC call, there and back: on the way to its handler a run goes over gRPC twice.
"""

from __future__ import annotations

import time

import grpc.aio

import corral
from bench.alike import TEXT
from bench.cases.limits import ECHO, OPTIONS, PAYLOAD, READY
from bench.echo import SERVICE
from bench.figures import Figures
from bench.pace import at_rate
from bench.rig import Rig
from bench.turns import installed, turn
from bench.warm import warm

RATES = (100, 1000)


async def latency(rig: Rig, figures: Figures) -> None:
    """Submit to start in milliseconds, at 100 and at 1,000 runs per second, and of peers at 100;
    a bare gRPC call at 100."""
    seconds = rig.size(4, 20)
    peers = await installed(figures)
    for _ in range(rig.rounds):
        async with warm(rig) as fleet:
            for rate in RATES:
                figures.add_late(f"latency.{rate}", await _at(fleet.client, rate, rate * seconds))
        rate = RATES[0]
        figures.add_late("latency.bare_call", await _bare(rig, rate, rate * seconds))
        async for name, found in turn(rig, figures, peers, rate * seconds, rate):
            figures.add_late(f"latency.{name}", found["late_ms"])


async def _at(client: corral.Client, rate: int, count: int) -> list[float]:
    async def submit(due: int) -> None:
        await client.submit_workflow("start", {"at_ns": due, "text": TEXT})

    await at_rate(rate, count, submit)
    found: list[float] = []
    while len(found) < count:
        run = await client.submit_workflow("latencies")
        found += await run.result(timeout=60)
    return found


async def _bare(rig: Rig, rate: int, count: int) -> list[float]:
    found: list[float] = []
    async with (
        rig.process(*ECHO, ready=READY) as (_, address),
        grpc.aio.insecure_channel(address, OPTIONS) as channel,
    ):
        call = channel.unary_unary(f"/{SERVICE}/Unary")
        await call(PAYLOAD)

        async def there_and_back(due: int) -> None:
            await call(PAYLOAD)
            found.append((time.monotonic_ns() - due) / 1e6)

        await at_rate(rate, count, there_and_back)
    return found
