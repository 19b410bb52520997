"""Whole runs in batches, from the first submit to the last result, and the same with peers.

One worker process, one Valkey with the settings of `corral up` for each; peers with their
defaults and no results kept where that is the default. A peer that cannot be installed is
named in the notes.
"""

from __future__ import annotations

import asyncio
import json

import corral
from bench.figures import Figures
from bench.load import BATCH, whole_runs
from bench.peers import PEERS, Peer, install
from bench.rig import PEER_SECONDS, Rig

QUICK_RUNS = 5000
FULL_RUNS = 20_000


async def batches(rig: Rig, figures: Figures) -> None:
    """Whole runs per second by submit_workflows, in turns with SAQ, dramatiq, taskiq and BullMQ."""
    count = rig.size(QUICK_RUNS, FULL_RUNS)
    ready: list[Peer] = []
    for peer in PEERS:
        failure = await asyncio.to_thread(install, peer)
        if failure:
            figures.note(f"{peer.name} was not measured: {failure}")
        else:
            ready.append(peer)
    for _ in range(rig.rounds):
        figures.add("batches.corral", await _ours(rig, count), "/s")
        for peer in list(ready):
            try:
                figures.add(f"batches.{peer.name}", await _theirs(rig, peer, count), "/s")
            except (RuntimeError, TimeoutError) as error:
                figures.note(f"{peer.name} was not measured to the end: {error!r}")
                ready.remove(peer)


async def _ours(rig: Rig, count: int) -> float:
    async with (
        rig.valkey() as valkey,
        rig.hub(valkey.url) as (_, address),
        rig.worker(address),
        corral.Client(address) as client,
    ):
        await whole_runs([client], BATCH)
        return await whole_runs([client], count)


async def _theirs(rig: Rig, peer: Peer, count: int) -> float:
    async with rig.valkey() as valkey:
        path = valkey.url.removeprefix("unix://")
        words = (*peer.command, path, str(count))
        async with rig.process(*words, ready=r"^RESULT (.*)$", seconds=PEER_SECONDS) as (_, text):
            return float(json.loads(text)["runs_per_s"])
