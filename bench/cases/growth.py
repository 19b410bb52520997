"""Valkey's time for a whole run as fleets and backlogs grow, straight on the store.

Every world is a namespace of one Valkey, and all are measured in turns. Time is that of
Valkey's functions by `INFO commandstats`, so clients and disks have no part in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from redis.asyncio import Redis

from bench.figures import Figures
from bench.fleet import ENDS, INPUT, WORKFLOW, Fleet, Shape, plain
from bench.rig import Rig, function_microseconds
from corral_hub.requests import SubmitRequest

CLASSES = 200
# Runs that are told apart by their class ask for one of so many sessions, in turns.
ASKED = 10
BANDS = 8
# Bands in the order of a round of submits: as often as they are served, 8:7:...:1. With as many for
# each, the quick ones would be empty after a while and the rest one band.
TURNS = [band for turn in range(BANDS) for band in range(BANDS - turn)]


def _class(number: int) -> SubmitRequest:
    return SubmitRequest(WORKFLOW, INPUT, preferred={"class": str(number % CLASSES)})


def _nowhere(number: int) -> SubmitRequest:
    return SubmitRequest(WORKFLOW, INPUT, required={"class": str(number % (CLASSES - 1))})


def _flow(number: int) -> SubmitRequest:
    return SubmitRequest(WORKFLOW, INPUT, flow=f"flow-{number % 10_000}")


def _band(number: int) -> SubmitRequest:
    return SubmitRequest(WORKFLOW, INPUT, priority=32 * TURNS[number % len(TURNS)])


def _one_of(sessions: int) -> Shape:
    def shape(number: int) -> SubmitRequest:
        asked = number % ASKED * (sessions // ASKED)
        return SubmitRequest(WORKFLOW, INPUT, required={"n": str(asked)})

    return shape


@dataclass(frozen=True, slots=True)
class World:
    """What stands in a namespace before it is measured."""

    name: str
    waiting: int = 1000
    sessions: int = 1
    labels: bool = False
    shape: Shape = plain
    unplaceable: int = 0
    # That must all wait the whole time; 0: it is not about bands.
    bands: int = 0

    @property
    def many(self) -> bool:
        """Whether it is about sessions; then nothing waits and every run is placed at once."""
        return self.sessions > 1

    async def build(self, fleet: Fleet) -> None:
        """Opens the sessions, fills them and the lines."""
        await fleet.open(self.sessions, ENDS, self.labels)
        await fleet.fill(self.unplaceable, _nowhere)
        # Many sessions hold a few runs, one session all that it can.
        await fleet.fill(ENDS if self.many else ENDS + self.waiting)


def _worlds(quick: bool) -> list[World]:
    alike = [World("10 sessions", sessions=10), World("1k sessions", sessions=1000)]
    labels = [
        World("10 labels", sessions=10, labels=True),
        World("1k labels", sessions=1000, labels=True),
        World("10k labels", sessions=10_000, labels=True),
        World("one of 10", sessions=10, labels=True, shape=_one_of(10)),
        World("one of 10k", sessions=10_000, labels=True, shape=_one_of(10_000)),
    ]
    waiting = [World("1k waiting"), World("100k waiting", waiting=100_000)]
    if not quick:
        waiting.append(World("1M waiting", waiting=1_000_000))
    return [
        *waiting,
        World("200 classes", shape=_class),
        World("199 unplaceable", unplaceable=10 * (CLASSES - 1)),
        World("10k flows", waiting=10_000, shape=_flow),
        World("8 bands", shape=_band, bands=BANDS),
        *alike,
        World("10k sessions", sessions=10_000),
        *labels,
    ]


async def growth(
    rig: Rig, figures: Figures, wanted: Callable[[World], bool] = lambda _: True
) -> None:
    """Valkey's time per whole run, with more waiting runs, sessions, classes, flows and bands."""
    runs = ENDS * rig.size(8, 40)
    async with (
        rig.valkey(durable=False) as valkey,
        Redis.from_url(valkey.url) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        standing: list[tuple[World, Fleet]] = []
        for world in filter(wanted, _worlds(rig.quick)):
            name = world.name.replace(" ", "-")
            fleet = await stack.enter_async_context(Fleet(valkey.url, name, world.shape))
            before = await function_microseconds(client)
            await world.build(fleet)
            spent = (await function_microseconds(client) - before) / 1000
            figures.add(f"growth.{world.name}, built", spent, "ms")
            await fleet.turn(ENDS, apart=world.many)
            standing.append((world, fleet))
        for _ in range(rig.rounds):
            for world, fleet in standing:
                before = await function_microseconds(client)
                await fleet.turn(runs, apart=world.many)
                spent = await function_microseconds(client) - before
                figures.add(f"growth.{world.name}", spent / runs, "µs")
                if world.bands and (left := await fleet.bands()) != world.bands:
                    raise RuntimeError(f"of {world.bands} bands {left} still have what waits")
    if rig.quick:
        figures.note("1,000,000 waiting runs are measured without --quick only")
