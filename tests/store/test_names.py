"""An operator sees in CLIENT LIST whose connections those are."""

from __future__ import annotations

import asyncio
import itertools

import pytest
import redis

from corral_hub.config import HubConfig
from corral_hub.hub import Hub

pytestmark = pytest.mark.anyio


async def test_every_connection_of_a_hub_says_whose_it_is_and_what_for(valkey: str) -> None:
    store = redis.Redis.from_url(valkey, protocol=2)
    lanes = {f"corral-hub:a:{lane}" for lane in ("work", "leases", "hints")}
    async with Hub(HubConfig(name="a", listen="127.0.0.1:0", valkey=valkey)):
        async with asyncio.timeout(20):
            # That of the leases is there with the first renewal.
            for pause in itertools.repeat(0.05):
                if lanes <= {client["name"] for client in store.client_list()}:
                    break
                await asyncio.sleep(pause)
    store.close()
