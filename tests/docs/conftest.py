"""A hub that pages talk to as their readers do: by the address in the environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import HubProcess


@pytest.fixture
def hub(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubProcess]:
    hub = HubProcess("docs", valkey, tmp_path / "hub.log").start()
    monkeypatch.setenv("CORRAL_HUB", hub.address)
    yield hub
    hub.stop()
