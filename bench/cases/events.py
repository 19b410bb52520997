"""Events of many runs at once to subscribers of all: how many arrive in a second, and that each
subscriber sees each event once and in its run's order.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import corral
from bench.figures import Figures
from bench.rig import Rig
from bench.warm import warm

RUNS = 100
SUBSCRIBERS = 10
WORKFLOW = "talk"
# A run may have a thousand events, and those of its beginning and its end count.
QUICK_EACH = 100
FULL_EACH = 990
READY_SECONDS = 10.0
ALL_SECONDS = 600.0


async def events(rig: Rig, figures: Figures) -> None:
    """Events per second from 100 runs, until each of 10 subscribers has all of them."""
    each = rig.size(QUICK_EACH, FULL_EACH)
    async with warm(rig) as fleet:
        wrong = 0
        for _ in range(rig.rounds):
            spent, more = await _round(fleet.client, fleet.address, each)
            wrong += more
            figures.add("events.delivered", SUBSCRIBERS * RUNS * each / spent, "/s")
        # Of all rounds together: in a median one wrong event of five rounds would not show.
        figures.add("events.wrong", wrong, "events")


async def _round(client: corral.Client, address: str, each: int) -> tuple[float, int]:
    """Seconds until every subscriber had all, and how often one of them saw another event
    than the next one of the run."""
    async with contextlib.AsyncExitStack() as stack:
        listeners = [
            _Listener(await stack.enter_async_context(corral.Client(address)), each)
            for _ in range(SUBSCRIBERS)
        ]
        async with asyncio.timeout(ALL_SECONDS), asyncio.TaskGroup() as tasks:
            for listener in listeners:
                tasks.create_task(listener.listen())
            await _all_listen(listeners)
            began = time.perf_counter()
            wanted = [corral.Submit(WORKFLOW, each) for _ in range(RUNS)]
            refused = [
                one
                for one in await client.submit_workflows(wanted)
                if isinstance(one, corral.HubError)
            ]
            if refused:
                raise refused[0]
        return time.perf_counter() - began, sum(listener.wrong for listener in listeners)


async def _all_listen(listeners: list[_Listener]) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            # A cursor comes with the first sign of life.
            if all(listener.events.cursor for listener in listeners):
                return
            await asyncio.sleep(0.02)


class _Listener:
    """Follows all runs of the workflow until each has ended."""

    def __init__(self, client: corral.Client, each: int) -> None:
        self.events = client.subscribe_all(workflow=WORKFLOW)
        self.wrong = 0
        self._each = each
        self._numbers: dict[str, int] = {}

    async def listen(self) -> None:
        """Returns after the last event of the last run."""
        ended = 0
        async for event in self.events:
            if isinstance(event, corral.GapInEvents):
                raise RuntimeError(f"a subscriber that reads all the time has a gap: {event}")
            if event.number != self._numbers.get(event.run_id, 0) + 1:
                self.wrong += 1
            self._numbers[event.run_id] = event.number
            ended += event.type == "status.completed"
            if ended == RUNS:
                break
        # Pending, running and completed are events too.
        self.wrong += sum(number != self._each + 3 for number in self._numbers.values())
