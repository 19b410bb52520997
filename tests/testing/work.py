"""A worker whose process tests kill."""

from __future__ import annotations

import asyncio

import anyio

import corral

worker = corral.Worker(admission=corral.Fixed(4))


@worker.workflow("hold")
async def hold(ctx: corral.Context, folder: str) -> int:
    """Says that it began; without a file there, it does not end."""
    await ctx.emit_event("began")
    if not await anyio.Path(folder, "go").exists():
        await asyncio.sleep(3600)
    return ctx.attempt
