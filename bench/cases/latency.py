"""From the moment of a submit to the first line of its handler, at a fixed rate of submits.

Submits are made at moments fixed in advance, whatever became of those before, so that a hub
that stalls is charged for all that came meanwhile. Peers do the same at the lowest rate.
"""

from __future__ import annotations

import asyncio
import json

import corral
from bench.figures import Figures, percentile
from bench.load import BATCH, TEXT, whole_runs
from bench.pace import at_rate
from bench.peers import PEERS, Peer, install
from bench.rig import PEER_SECONDS, Rig

RATES = (100, 1000)
PARTS = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


async def latency(rig: Rig, figures: Figures) -> None:
    """Submit to start in milliseconds, at 100 and at 1,000 runs per second, and of peers at 100."""
    seconds = rig.size(4, 20)
    ready: list[Peer] = []
    for peer in PEERS:
        failure = await asyncio.to_thread(install, peer)
        if failure:
            figures.note(f"{peer.name} was not measured: {failure}")
        else:
            ready.append(peer)
    for number in range(rig.rounds):
        await _ours(rig, figures, seconds)
        for peer in list(ready) if number == 0 or not rig.quick else []:
            try:
                found = await _theirs(rig, peer, RATES[0], seconds)
            except (RuntimeError, TimeoutError) as error:
                figures.note(f"{peer.name} was not measured to the end: {error!r}")
                ready.remove(peer)
            else:
                _keep(figures, peer.name, found)


def _keep(figures: Figures, of: str, found: list[float]) -> None:
    for name, part in PARTS.items():
        figures.add(f"latency.{of}.{name}", percentile(found, part), "ms")


async def _ours(rig: Rig, figures: Figures, seconds: int) -> None:
    async with (
        rig.valkey() as valkey,
        rig.hub(valkey.url) as (_, address),
        rig.worker(address),
        corral.Client(address) as client,
    ):
        await whole_runs([client], BATCH)
        for rate in RATES:
            _keep(figures, str(rate), await _at(client, rate, rate * seconds))


async def _at(client: corral.Client, rate: int, count: int) -> list[float]:
    async def submit(due: int) -> None:
        await client.submit_workflow("start", {"at_ns": due, "text": TEXT})

    await at_rate(rate, count, submit)
    found: list[float] = []
    while len(found) < count:
        run = await client.submit_workflow("latencies")
        found += await run.result(timeout=60)
    return found


async def _theirs(rig: Rig, peer: Peer, rate: int, seconds: int) -> list[float]:
    async with rig.valkey() as valkey:
        path = valkey.url.removeprefix("unix://")
        words = (*peer.command, path, str(rate * seconds), str(rate))
        async with rig.process(*words, ready=r"^RESULT (.*)$", seconds=PEER_SECONDS) as (_, text):
            return json.loads(text)["late_ms"]
