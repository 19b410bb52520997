"""One round: a fleet is started, worked and disturbed, calms down, and is accounted for.

The dice of a seed choose what is submitted and what is disturbed, and when; how processes
interleave is the machine's choice, so a seed makes a find likely again, not certain.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import corral
from corral.errors import HubError
from corral_store import Store
from tests.chaos.checker import TERMINAL, violations
from tests.chaos.disturbances import HUB_KINDS, STORE_KINDS, WORKER_KINDS, Disturbances
from tests.chaos.driver import CALL_SECONDS, PAUSE_SECONDS, Driver
from tests.chaos.figures import Figures, count
from tests.chaos.fleet import LEASE_SECONDS, Fleet
from tests.chaos.people import People
from tests.chaos.records import (
    Evidence,
    Final,
    HistoryLine,
    Lines,
    Tried,
    read_history,
    read_ledger,
    write_finals,
)
from tests.chaos.subscribers import EVERYTHING, FILTERED, LABEL, Subscriber
from tests.servers import ValkeyServer

CLIENTS = 3
DESCRIBES = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """What a round is like. `seconds`: of load; `calm_seconds`: that all runs have to end
    after it; `longest`: of a freeze, in leases; `lanes`: kinds of disturbance that go on at
    once."""

    seed: int
    seconds: float
    hubs: int = 3
    workers: int = 4
    room: int = 20
    rate: float = 30.0
    retries: float = 0.15
    longest: float = 3.0
    pause: tuple[float, float] = (1.0, 4.0)
    calm_seconds: float = 90.0
    fault: str = ""
    lanes: Sequence[Sequence[str]] = (HUB_KINDS, WORKER_KINDS, STORE_KINDS)


async def play(plan: Plan, folder: Path) -> Figures:
    """Plays a round and gives its figures, violations included; its files stay in `folder`,
    which is there."""
    history = Lines[HistoryLine](folder / "history")
    fleet = Fleet(folder, history, ValkeyServer())
    try:
        await fleet.start(plan.hubs, plan.workers, plan.room, plan.fault)
        async with _clients(fleet) as clients:
            finals = await _load(plan, fleet, clients, history)
        broken = await _check(fleet)
    finally:
        await asyncio.to_thread(fleet.stop)
        history.close()
    write_finals(folder / "finals", finals.values())
    evidence = Evidence(
        read_ledger(fleet.ledger),
        read_history(history.path),
        finals,
        LEASE_SECONDS,
        (plan.workers - 2) * plan.room,
        broken,
    )
    return count(evidence, violations(evidence))


@asynccontextmanager
async def _clients(fleet: Fleet) -> AsyncGenerator[list[corral.Client]]:
    """Clients that begin at different hubs."""
    async with AsyncExitStack() as stack:
        clients: list[corral.Client] = []
        for number in range(CLIENTS):
            at = number % len(fleet.addresses)
            order = fleet.addresses[at:] + fleet.addresses[:at]
            client = corral.Client(order, timeout=CALL_SECONDS)
            clients.append(await stack.enter_async_context(client))
        yield clients


async def _load(
    plan: Plan, fleet: Fleet, clients: list[corral.Client], history: Lines[HistoryLine]
) -> dict[str, Final]:
    driver = Driver(
        clients, random.Random(f"{plan.seed} driver"), history, rate=plan.rate,
        retries=plan.retries,
    )  # fmt: skip
    made = [
        (
            Disturbances(
                fleet, random.Random(f"{plan.seed} {lane}"), longest=plan.longest, pause=plan.pause
            ),
            lane,
        )
        for lane in plan.lanes
    ]
    people = People(clients, random.Random(f"{plan.seed} people"), history)
    subscribers = [
        Subscriber(name, client, history)
        for name, client in zip((EVERYTHING, FILTERED), clients, strict=False)
    ]
    beside = [
        asyncio.create_task(fleet.look_after(), name="looking after the fleet"),
        asyncio.create_task(people.run(), name="people"),
        *(asyncio.create_task(one.run(), name=one.name) for one in subscribers),
    ]
    try:
        async with asyncio.TaskGroup() as tasks:
            disturbing = [tasks.create_task(one.lane(lane)) for one, lane in made]
            driving = tasks.create_task(driver.run())
            await asyncio.sleep(plan.seconds)
            for disturbances, _ in made:
                disturbances.stop()
            await asyncio.gather(*disturbing)
            driver.stop()
            # A follower of a run that is lost would wait for ever; the ends below tell of it.
            await asyncio.wait({driving}, timeout=plan.calm_seconds)
            driving.cancel()
        finals = await _ends(clients, driver.runs, plan.calm_seconds)
        await _told(subscribers, finals, plan.calm_seconds)
        return finals
    finally:
        died = [task for task in beside if task.done()]
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        for task in died:
            # Only an error ends one of these before it is cancelled.
            task.result()


async def _told(subscribers: list[Subscriber], finals: dict[str, Final], seconds: float) -> None:
    """Gives subscribers time to hear of every end; the checker says what they missed."""
    ended = {run for run, final in finals.items() if final.status in TERMINAL}
    labelled = {run for run in ended if finals[run].labelled}
    waits = [
        asyncio.create_task(one.heard(ended if one.name == EVERYTHING else labelled))
        for one in subscribers
    ]
    await asyncio.wait(waits, timeout=seconds)
    for wait in waits:
        wait.cancel()


async def _ends(clients: list[corral.Client], runs: list[str], seconds: float) -> dict[str, Final]:
    """How every run ended, or how it stands after `seconds`."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    finals: dict[str, Final] = {}
    slots = asyncio.Semaphore(DESCRIBES)

    async def describe(run: str, client: corral.Client) -> None:
        async with slots:
            try:
                finals[run] = _final(await client.describe_workflow(run))
            except corral.RunNotFound:
                finals.pop(run, None)
            except HubError as error:
                # Asked again below; what never gets an answer is reported as lost.
                print(f"describe {run}: {error!r}")

    waiting = list(runs)
    while waiting and loop.time() < until:
        async with asyncio.TaskGroup() as tasks:
            for number, run in enumerate(waiting):
                tasks.create_task(describe(run, clients[number % len(clients)]))
        waiting = [run for run in runs if run not in finals or finals[run].status not in TERMINAL]
        await asyncio.sleep(PAUSE_SECONDS if waiting else 0)
    return finals


def _final(run: corral.RunSnapshot) -> Final:
    output = run.output if isinstance(run.output, dict) else {}
    return Final(
        run=run.run_id,
        status=run.status.value,
        fence=int(run.fence or 0),
        last_event=run.last_event,
        output_fence=output.get("fence", 0),
        answer=output.get("answer", ""),
        steps=output.get("steps", []),
        chunks=output.get("chunks", 0),
        labelled=LABEL.items() <= run.labels.items(),
        code=run.error.code if run.error else "",
        attempts=[
            Tried(int(a.fence or 0), a.outcome, a.error.code if a.error else "")
            for a in run.attempts
        ],
    )


async def _check(fleet: Fleet) -> list[tuple[str, str]]:
    async with Store(fleet.valkey.url, "checker") as store:
        return await store.namespace("default").check()
