"""Peers in turns with Corral: those that can be installed, each round the same of each.

A peer that fails in a round is out of the later ones, so the n-th sample of everyone is of the
n-th round, and only rounds that all have are compared (`targets.py`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from bench.figures import Figures
from bench.peers import PEERS, Peer, install
from bench.rig import Rig

# All that a peer measures in one round.
PEER_SECONDS = 180.0


async def installed(figures: Figures) -> list[Peer]:
    """The peers that can be measured; notes why another cannot."""
    ready: list[Peer] = []
    for peer in PEERS:
        failure = await asyncio.to_thread(install, peer)
        if failure:
            figures.note(f"{peer.name} was not measured: {failure}")
        else:
            ready.append(peer)
    return ready


async def turn(
    rig: Rig, figures: Figures, peers: list[Peer], runs: int, rate: int = 0
) -> AsyncGenerator[tuple[str, Any]]:
    """One round: each peer on a Valkey of its own, gives its name and what its program printed.

    `rate` of enqueues in a second, 0: as fast as it goes. Takes a peer that fails out of `peers`,
    and notes it.
    """
    for peer in list(peers):
        try:
            found = await _one(rig, peer, runs, rate)
        except (RuntimeError, TimeoutError) as error:
            figures.note(f"{peer.name} was not measured to the end: {error!r}")
            peers.remove(peer)
        else:
            yield peer.name, found


async def _one(rig: Rig, peer: Peer, runs: int, rate: int) -> Any:
    async with rig.valkey() as valkey:
        words = (*peer.command, valkey.url.removeprefix("unix://"), str(runs), str(rate))
        async with rig.process(*words, ready=r"^RESULT (.*)$", seconds=PEER_SECONDS) as (_, text):
            return json.loads(text)
