"""A worker for the tests of the command line, as a user would write it."""

from __future__ import annotations

from typing import Any

import anyio

import corral

worker = corral.Worker("cli-worker", admission=corral.Fixed(16), tags={"region": "us-west"})
not_a_worker = "just a text"


@worker.workflow("hello")
async def hello(ctx: corral.Context, name: str) -> dict[str, str]:
    await ctx.emit_event("progress", {"step": 1})
    return {"hello": name}


@worker.workflow("summarize")
async def summarize(document: Any) -> Any:
    return {"summary": document}


@worker.workflow("boom")
async def boom() -> None:
    raise ValueError("no luck \x1b[31mred")


@worker.workflow("forever")
async def forever() -> None:
    await anyio.sleep_forever()
