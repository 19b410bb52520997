"""Fixtures of the SDK's tests: scripted hubs, which end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.sdk.hubs import ScriptedHub
from tests.sdk.session_world import World

HubFactory = Callable[..., ScriptedHub]


@pytest.fixture
def make_hub() -> Iterator[HubFactory]:
    """Makes hubs that do what the test says."""
    hubs: list[ScriptedHub] = []

    def make(name: str = "h1", **options: int) -> ScriptedHub:
        hubs.append(ScriptedHub(name, **options))
        return hubs[-1]

    yield make
    for hub in hubs:
        hub.kill()


@pytest.fixture
def hub(make_hub: HubFactory) -> ScriptedHub:
    return make_hub()


@pytest.fixture
def world() -> World:
    """A core that a hub has welcomed."""
    world = World()
    world.welcome()
    return world
