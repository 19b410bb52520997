"""The page about streamed answers: its examples run one after the other, and print what it says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.typed import type_in
from tests.processes import HubProcess

pytestmark = pytest.mark.anyio

PAGE = ROOT / "docs/streaming.md"
LIMIT_SECONDS = 60


@pytest.fixture
def hub(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubProcess]:
    hub = HubProcess("docs", valkey, tmp_path / "hub.log").start()
    monkeypatch.setenv("CORRAL_HUB", hub.address)
    yield hub
    hub.stop()


async def test_every_example_of_the_page_prints_what_the_page_says(
    hub: HubProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(blocks(PAGE, "python")) == 5
    typed: dict[str, Any] = {}
    async with contextlib.AsyncExitStack() as left_over, asyncio.timeout(LIMIT_SECONDS):
        left_over.push_async_callback(lambda: typed["fleet"].aclose())
        await type_in(PAGE, capsys, typed)
