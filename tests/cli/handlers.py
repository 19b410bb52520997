"""A worker for the tests of the command line, as a user would write it."""

from __future__ import annotations

from collections.abc import AsyncIterator
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


@worker.workflow("approval")
async def approval(ctx: corral.Context, amount: int) -> str:
    approved = await ctx.request_input(
        f"Pay {amount}?", key="approval", schema=bool, metadata={"amount": amount}
    )
    comment = await ctx.request_input("Any comment? \x1b[31m", key="comment", schema=str, park=True)
    return f"{'paid' if approved else 'declined'}: {comment}"


@worker.workflow("story")
async def story(ctx: corral.Context, words: list[str]) -> AsyncIterator[str | corral.Result[int]]:
    for number, word in enumerate(words, start=1):
        yield word
        ctx.log.info("said %s", word)
        ctx.progress(number / len(words), "\x1b[31mred")
        await anyio.sleep(0.05)
    yield corral.Result(len(words))
