from __future__ import annotations

import pytest
import redis

from tests.lua.world import World


@pytest.fixture
def world(valkey: str) -> World:
    return World(redis.Redis.from_url(valkey, protocol=2))
