"""Corral as most cases measure it: Valkey, hubs, a worker and a client that have worked before."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import corral
from bench.alike import WARM
from bench.load import whole_runs
from bench.rig import Rig
from corral_hub.embedded import EmbeddedValkey


@dataclass(frozen=True, slots=True)
class Warm:
    """The parts: `hub` and `worker` are pids, `address` is that of the hub of the client."""

    valkey: EmbeddedValkey
    hub: int
    address: str
    worker: int
    client: corral.Client


@contextlib.asynccontextmanager
async def warm(rig: Rig, *, durability: str = "fsync", apart: bool = False) -> AsyncGenerator[Warm]:
    """All of it on a new store; `apart`: the worker is at a second hub."""
    async with contextlib.AsyncExitStack() as stack:
        valkey = await stack.enter_async_context(rig.valkey(durable=durability == "fsync"))
        hub, address = await stack.enter_async_context(rig.hub(valkey.url, "a", durability))
        of_worker = address
        if apart:
            _, of_worker = await stack.enter_async_context(rig.hub(valkey.url, "b", durability))
        worker = await stack.enter_async_context(rig.worker(of_worker))
        client = await stack.enter_async_context(corral.Client(address))
        await whole_runs(client, WARM)
        yield Warm(valkey, hub, address, worker, client)
