"""Fixtures of the hub's tests: a place with a hub on an empty Valkey."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.hub.peers import Peer, Place, place_of, settings


@pytest.fixture
async def place(valkey: str) -> AsyncIterator[Place]:
    async with place_of(settings(valkey)) as place:
        yield place


@pytest.fixture
def peer(place: Place) -> Peer:
    return place.peer
