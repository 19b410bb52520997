"""The pages about questions, steps and checkpoints: their examples run, and print what they say."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.typed import type_in
from tests.processes import HubProcess

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 60


@pytest.mark.parametrize(("page", "examples"), [("human-input", 7), ("steps", 2)])
async def test_every_example_of_a_page_prints_what_the_page_says(
    hub: HubProcess, capsys: pytest.CaptureFixture[str], page: str, examples: int
) -> None:
    path = ROOT / f"docs/{page}.md"
    assert len(blocks(path, "python")) == examples
    typed: dict[str, Any] = {}
    async with contextlib.AsyncExitStack() as left_over, asyncio.timeout(LIMIT_SECONDS):
        left_over.push_async_callback(lambda: typed["fleet"].aclose())
        await type_in(path, capsys, typed)
