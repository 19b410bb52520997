"""A worker as a process of its own, to be killed: does chores and keeps the ledger.

`python -m tests.chaos.worker_process '<JSON of Settings>'`
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

import corral
from tests.chaos.records import Did, Ended, Kept, LedgerLine, Lines, Started


class Settings(msgspec.Struct, frozen=True):
    """`process` names this life of the worker in the ledger."""

    worker_id: str
    process: str
    hubs: list[str]
    room: int
    ledger: str


class Chore(msgspec.Struct, frozen=True):
    """How long it takes, how many attempts fail first, how many events it emits and steps it
    takes; whether it asks a question, and gives its room back while nobody answers."""

    seconds: float
    fails: int = 0
    emits: int = 0
    steps: int = 0
    asks: bool = False
    parks: bool = False


class Tale(msgspec.Struct, frozen=True):
    """How many chunks it streams, the pause before each, how many attempts fail half-way."""

    chunks: int
    pause: float
    fails: int = 0


class Telling:
    """Writes what one execution does into the ledger; `how` is how it ends, as far as known."""

    def __init__(self, ledger: Lines[LedgerLine], process: str, ctx: corral.Context) -> None:
        self.fence = int(ctx.fence)
        self.how = "stopped"
        self._ledger = ledger
        self._process = process
        self._ctx = ctx

    @contextmanager
    def execution(self) -> Generator[None]:
        """Its start stands in the ledger before it does anything else."""
        run, process = self._ctx.run_id, self._process
        self._ledger.write(Started(run, self.fence, self._ctx.attempt, process, time.monotonic()))
        try:
            yield
        except corral.StateRefused:
            # A full store: another attempt finds what was kept, and does the rest.
            self.how = "failed"
            raise corral.Retry("the store takes no more") from None
        finally:
            self._ledger.write(Ended(run, self.fence, process, self.how, time.monotonic()))

    async def step(self, key: str) -> int:
        """Takes a step whose effect and result stand in the ledger."""
        run = self._ctx.run_id
        value = await self._ctx.step(key, self._do, key)
        self._ledger.write(Kept(run, self.fence, key, value, time.monotonic()))
        return value

    async def _do(self, key: str) -> int:
        run, process = self._ctx.run_id, self._process
        self._ledger.write(Did(run, self.fence, process, key, time.monotonic()))
        return self.fence

    async def ask(self, park: bool) -> str:
        """Asks, and is unwound there while nobody answers when it parks."""
        self.how = "parked" if park else "stopped"
        answer = await self._ctx.request_input("Which one?", schema=str, key="which", park=park)
        self.how = "stopped"
        return answer

    def fail(self) -> None:
        """Asks for another attempt."""
        self.how = "failed"
        raise corral.Retry("asked to fail")


def worker(settings: Settings) -> corral.Worker:
    """The worker; all that it executes stands in the ledger."""
    ledger = Lines[LedgerLine](Path(settings.ledger))
    made = corral.Worker(
        settings.worker_id,
        hubs=settings.hubs,
        admission=corral.Fixed(settings.room),
        backoff=corral.Backoff(initial_ms=50, maximum_ms=500),
        in_use_seconds=300,
    )

    @made.workflow("chore")
    async def chore(ctx: corral.Context, input: Chore) -> dict[str, Any]:
        telling = Telling(ledger, settings.process, ctx)
        with telling.execution():
            for number in range(input.emits):
                await ctx.emit_event("progress", number)
            steps = [await telling.step(f"step{number}") for number in range(input.steps)]
            answer = await telling.ask(input.parks) if input.asks else ""
            await asyncio.sleep(input.seconds)
            if ctx.attempt <= input.fails:
                telling.fail()
            telling.how = "completed"
            return {"fence": telling.fence, "steps": steps, "answer": answer}

    @made.workflow("tale")
    async def tale(
        ctx: corral.Context, input: Tale
    ) -> AsyncIterator[list[int] | corral.Result[dict[str, int]]]:
        telling = Telling(ledger, settings.process, ctx)
        with telling.execution():
            for number in range(1, input.chunks + 1):
                await asyncio.sleep(input.pause)
                yield [telling.fence, number]
                if ctx.attempt <= input.fails and number > input.chunks / 2:
                    telling.fail()
            telling.how = "completed"
            yield corral.Result({"fence": telling.fence, "chunks": input.chunks})

    return made


if __name__ == "__main__":
    worker(msgspec.json.decode(sys.argv[1], type=Settings)).run_forever()
