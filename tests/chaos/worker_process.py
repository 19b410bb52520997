"""A worker as a process of its own, to be killed: does chores and keeps the ledger.

`python -m tests.chaos.worker_process '<JSON of Settings>'`
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec

import corral
from tests.chaos.records import Ended, LedgerLine, Lines, Started


class Settings(msgspec.Struct, frozen=True):
    """`process` names this life of the worker in the ledger."""

    worker_id: str
    process: str
    hubs: list[str]
    room: int
    ledger: str


class Chore(msgspec.Struct, frozen=True):
    """How long it takes, how many attempts fail first, how many events it emits."""

    seconds: float
    fails: int = 0
    emits: int = 0


def worker(settings: Settings) -> corral.Worker:
    """The worker; every execution stands in the ledger before it does anything else."""
    ledger = Lines[LedgerLine](Path(settings.ledger))
    made = corral.Worker(
        settings.worker_id,
        hubs=settings.hubs,
        admission=corral.Fixed(settings.room),
        backoff=corral.Backoff(initial_ms=50, maximum_ms=500),
        in_use_seconds=300,
    )

    @made.workflow("chore")
    async def chore(ctx: corral.Context, input: Chore) -> dict[str, int]:
        fence, how = int(ctx.fence), "stopped"
        ledger.write(Started(ctx.run_id, fence, ctx.attempt, settings.process, time.monotonic()))
        try:
            for number in range(input.emits):
                await ctx.emit_event("progress", number)
            await asyncio.sleep(input.seconds)
            if ctx.attempt <= input.fails:
                how = "failed"
                raise corral.Retry("asked to fail")
            how = "completed"
            return {"fence": fence}
        finally:
            ledger.write(Ended(ctx.run_id, fence, settings.process, how, time.monotonic()))

    return made


if __name__ == "__main__":
    worker(msgspec.json.decode(sys.argv[1], type=Settings)).run_forever()
