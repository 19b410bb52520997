"""The driver: submits, repeats, cancels and follows runs, and writes down what was answered.

What a run is and what happens to it comes from the dice alone. A call without a definite
answer is sent again as it was, until there is one: only acknowledged things are recorded.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import corral
from corral import SubmitOptions
from corral.errors import HubError
from tests.chaos.records import (
    Cancelled,
    Followed,
    HistoryLine,
    Lines,
    Odd,
    Part,
    Read,
    Repeated,
    Submitted,
)
from tests.chaos.subscribers import LABEL
from tests.chaos.worker_process import Chore, Tale

AnswerT = TypeVar("AnswerT")

CALL_SECONDS = 5.0
PAUSE_SECONDS = 0.1
FOLLOWERS = 40
# Parts of the runs that stream, have steps, ask a question, and have the label.
TALES = 0.15
STEPS = 0.3
QUESTIONS = 0.2
LABELLED = 0.5
# Generous: no run of a round ends by its deadline.
DEADLINE_MS = 3_600_000


class Driver:
    """Submits about `rate` runs a second over the clients in turns, until `stop`."""

    def __init__(
        self,
        clients: list[corral.Client],
        dice: random.Random,
        history: Lines[HistoryLine],
        *,
        rate: float,
        retries: float = 0.15,
    ) -> None:
        self.runs: list[str] = []
        self._clients = clients
        self._dice = dice
        self._history = history
        self._rate = rate
        self._retries = retries
        self._over = asyncio.Event()
        self._followers = asyncio.Semaphore(FOLLOWERS)

    def stop(self) -> None:
        """No further run is submitted."""
        self._over.set()

    async def run(self) -> None:
        """Submits until it is told to stop; returns when every call has its answer."""
        number = 0
        async with asyncio.TaskGroup() as tasks:
            while not self._over.is_set():
                number += 1
                tasks.create_task(self._life(number, random.Random(self._dice.getrandbits(64))))
                await asyncio.sleep(self._dice.expovariate(self._rate))

    async def _life(self, number: int, dice: random.Random) -> None:
        run_id = f"run{number}"
        work, options = self._chosen(run_id, dice)
        if await self._submit(work, options, dice) is None:
            return
        self.runs.append(run_id)
        self._history.write(Submitted(run_id, time.monotonic()))
        fate = dice.random()
        if fate < 0.1:
            await self._repeat(run_id, work, options, dice)
        elif fate < 0.2:
            await asyncio.sleep(dice.uniform(0, 1.5))
            await self._cancel(run_id, dice)
        elif self._followers.locked():
            return
        elif isinstance(work, Tale):
            async with self._followers:
                await self._read(run_id, dice)
        elif fate < 0.3:
            async with self._followers:
                await self._follow(run_id, dice)

    def _chosen(self, run_id: str, dice: random.Random) -> tuple[Chore | Tale, SubmitOptions]:
        long = dice.random() < 0.1
        seconds = dice.uniform(2, 6) if long else dice.uniform(0, 1)
        fails = dice.randint(1, 2) if dice.random() < self._retries else 0
        work: Chore | Tale
        if dice.random() < TALES:
            chunks = dice.randint(5, 100)
            work = Tale(chunks, pause=seconds / chunks, fails=fails)
        else:
            work = Chore(
                seconds=seconds,
                fails=fails,
                emits=dice.randint(0, 3),
                steps=dice.randint(1, 3) if dice.random() < STEPS else 0,
                asks=dice.random() < QUESTIONS,
                parks=dice.random() < 0.5,
            )
        options: SubmitOptions = {
            "run_id": run_id,
            "priority": dice.choice((0, 64, 128, 128, 128, 255)),
            "fairness_key": dice.choice(("", "", "ants", "bees", "cats")),
            "deadline_ms": DEADLINE_MS,
            "max_lost": 100,
            # A lost attempt counts in the number that the chore sees, so there may be more.
            "retry": corral.RetryPolicy(max_attempts=10, initial_backoff_ms=20, jitter=0.5),
        }
        if dice.random() < 0.3:
            options["idempotency_key"] = f"key-{run_id}"
        if dice.random() < LABELLED:
            options["labels"] = LABEL
        return work, options

    async def _submit(
        self, work: Chore | Tale, options: SubmitOptions, dice: random.Random
    ) -> corral.Run[object] | None:
        def submit(client: corral.Client) -> Awaitable[corral.Run[object]]:
            workflow = "chore" if isinstance(work, Chore) else "tale"
            return client.submit_workflow(workflow, work, timeout=CALL_SECONDS, **options)

        return await self._answer(dice, submit, f"submit {options}")

    async def _repeat(
        self, run_id: str, work: Chore | Tale, options: SubmitOptions, dice: random.Random
    ) -> None:
        if "idempotency_key" in options:
            # The key alone says that it is the same.
            options["run_id"] = f"{run_id}-again"
        run = await self._submit(work, options, dice)
        if run is not None:
            self._history.write(Repeated(run_id, run.run_id, run.deduplicated, time.monotonic()))

    async def _cancel(self, run_id: str, dice: random.Random) -> None:
        answer = await self._answer(dice, lambda c: c.cancel_run(run_id), f"cancel of {run_id}")
        if answer is not None and answer[1]:
            self._history.write(Cancelled(run_id, int(answer[0].fence or 0), time.monotonic()))

    async def _follow(self, run_id: str, dice: random.Random) -> None:
        numbers: list[int] = []
        cursor = ""
        while True:
            events = dice.choice(self._clients).subscribe_run_events(run_id, cursor=cursor)
            try:
                async for event in events:
                    cursor = event.cursor
                    if isinstance(event, corral.Event):
                        numbers.append(event.number)
            except HubError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if events.ended is not None:
                self._history.write(Followed(run_id, numbers, events.ended.status.value))
                return

    async def _read(self, run_id: str, dice: random.Random) -> None:
        parts: list[Part] = []
        news = dice.choice(self._clients).follow_run(run_id)
        while news.ended is None:
            try:
                async for item in news:
                    match item:
                        case corral.EphemeralEvent(payload=[fence, number]):
                            parts.append(Part("chunk", fence, number, number))
                        case corral.ChunkGap(first=first, last=last):
                            parts.append(Part("gap", 0, first, last))
                        case corral.StreamRestarted():
                            parts.append(Part("restart"))
                        case _:
                            pass
            except HubError:
                await asyncio.sleep(PAUSE_SECONDS)
        self._history.write(Read(run_id, parts))

    async def _answer(
        self,
        dice: random.Random,
        call: Callable[[corral.Client], Awaitable[AnswerT]],
        what: str,
    ) -> AnswerT | None:
        while True:
            try:
                return await call(dice.choice(self._clients))
            except HubError as error:
                if not isinstance(error, corral.Unavailable) and not error.retryable:
                    self._history.write(Odd(f"{what}: {error!r}", time.monotonic()))
                    return None
                await asyncio.sleep(PAUSE_SECONDS)
