"""The page about scheduling: its examples run one after the other, and print what it says."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.docs.blocks import ROOT
from tests.docs.typed import type_in
from tests.processes import HubProcess

pytestmark = pytest.mark.anyio

PAGE = ROOT / "docs/scheduling.md"
LIMIT_SECONDS = 60


async def test_every_example_of_the_page_prints_what_the_page_says(
    hub: HubProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    typed: dict[str, Any] = {}
    async with AsyncExitStack() as left_over, asyncio.timeout(LIMIT_SECONDS):
        left_over.push_async_callback(lambda: typed["fleet"].aclose())
        await type_in(PAGE, capsys, typed)
