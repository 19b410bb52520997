"""The page about scheduling: its examples run one after the other, and print what it says."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.processes import HubProcess

pytestmark = pytest.mark.anyio

PAGE = ROOT / "docs/scheduling.md"
LIMIT_SECONDS = 60
_PRINT = re.compile(r"^ *print\(.*\)  # (.*)$", re.M)


@pytest.fixture
def hub(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubProcess]:
    hub = HubProcess("docs", valkey, tmp_path / "hub.log").start()
    monkeypatch.setenv("CORRAL_HUB", hub.address)
    yield hub
    hub.stop()


def compiled(block: str) -> CodeType:
    """As `python -m asyncio` reads what is typed."""
    return compile(block, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def promised(block: str) -> list[str]:
    """What stands behind the prints of a block, line by line."""
    return [line for words in _PRINT.findall(block) for line in words.split(", then ")]


async def test_every_example_of_the_page_prints_what_the_page_says(
    hub: HubProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = blocks(PAGE, "python")
    assert len(examples) >= 10
    typed: dict[str, Any] = {}
    async with AsyncExitStack() as left_over, asyncio.timeout(LIMIT_SECONDS):
        for block in examples:
            done = FunctionType(compiled(block), typed)()
            if inspect.isawaitable(done):
                await done
            if "fleet" in typed and block is examples[0]:
                left_over.push_async_exit(typed["fleet"])
            assert capsys.readouterr().out.splitlines() == promised(block), block
