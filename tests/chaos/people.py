"""People: answer whatever question is open, over a random hub, and sometimes against each other.

An answer without a definite reply is sent again as it was. What was acknowledged is recorded;
a refusal that a person may get, as another was first or the run has ended, is not.
"""

from __future__ import annotations

import asyncio
import random
import time

import corral
from corral.errors import HubError
from tests.chaos.records import Answered, HistoryLine, Lines, Odd

PAUSE_SECONDS = 0.2
# Of the open questions that a person sees, how many are answered then.
ANSWERED_AT_ONCE = 0.4
AGAINST_EACH_OTHER = 0.3
REFUSALS = (corral.AlreadyAnswered, corral.RunAlreadyEnded)


class People:
    """Answers until its task is cancelled: runs that ask must end."""

    def __init__(
        self, clients: list[corral.Client], dice: random.Random, history: Lines[HistoryLine]
    ) -> None:
        self._clients = clients
        self._dice = dice
        self._history = history

    async def run(self) -> None:
        """Goes through the open questions again and again."""
        while True:
            for question in await self._open():
                if self._dice.random() < ANSWERED_AT_ONCE:
                    await self._answer(question)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _open(self) -> list[corral.InputRecord]:
        """The oldest open questions, or none while no hub answers."""
        try:
            return (await self._dice.choice(self._clients).list_inputs()).inputs
        except HubError as error:
            self._note(error, "list of questions")
            return []

    async def _answer(self, question: corral.InputRecord) -> None:
        people = 2 if self._dice.random() < AGAINST_EACH_OTHER else 1
        async with asyncio.TaskGroup() as tasks:
            for person in range(people):
                dice = random.Random(self._dice.getrandbits(64))
                tasks.create_task(self._say(question, f"{dice.getrandbits(32)}-{person}", dice))

    async def _say(self, question: corral.InputRecord, answer: str, dice: random.Random) -> None:
        run = question.run_id
        while True:
            try:
                await dice.choice(self._clients).respond(run, question.request_id, answer)
            except REFUSALS:
                return
            except HubError as error:
                if not self._note(error, f"answer to {run}"):
                    return
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self._history.write(Answered(run, answer, time.monotonic()))
                return

    def _note(self, error: HubError, what: str) -> bool:
        """Tells whether the call may be sent again; anything else is odd."""
        again = isinstance(error, corral.Unavailable) or error.retryable
        if not again:
            self._history.write(Odd(f"{what}: {error!r}", time.monotonic()))
        return again
