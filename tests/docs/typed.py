"""Types the Python examples of a page into one session, as `python -m asyncio` reads them."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from tests.docs.blocks import blocks

_PRINT = re.compile(r"^ *print\(.*\)  # (.*)$", re.M)


async def type_in(page: Path, capsys: pytest.CaptureFixture[str], typed: dict[str, Any]) -> None:
    """Every example prints what stands behind its prints; `typed` is what they have made."""
    for block in blocks(page, "python"):
        done = FunctionType(_compiled(block, page), typed)()
        if inspect.isawaitable(done):
            await done
        assert capsys.readouterr().out.splitlines() == _promised(block), block


def _compiled(block: str, page: Path) -> CodeType:
    return compile(block, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def _promised(block: str) -> list[str]:
    """What stands behind the prints of a block, line by line."""
    return [line for words in _PRINT.findall(block) for line in words.split(", then ")]
