"""What events say: the table in docs/events.md against the events of real runs."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import pytest

import corral
from tests.docs.blocks import ROOT
from tests.fleet.conftest import Fleet
from tests.fleet.saying import SECONDS, Saying, saying

__all__ = ["saying"]
pytestmark = pytest.mark.anyio

PAGE = ROOT / "docs/events.md"


def documented() -> dict[str, list[tuple[frozenset[str], frozenset[str]]]]:
    """The table of the page: type -> fields that are there, and that may be."""
    found: dict[str, list[tuple[frozenset[str], frozenset[str]]]] = defaultdict(list)
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and re.match(r"`(status|input)\.", cells[0]):
            always, sometimes = (frozenset(re.findall(r"`(\w+)`", cell)) for cell in cells[2:])
            found[cells[0].strip("`")].append((always, sometimes))
    return found


def documented_reasons() -> set[str]:
    table = PAGE.read_text().partition("| reason | the run is back")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)`", table, re.M))


async def open_question(client: corral.Client, fleet: Fleet, run: corral.Run[Any]) -> str:
    found: list[str] = []

    async def parked() -> bool:
        status = (await run.refresh()).status
        found[:] = [one.request_id for one in (await client.list_inputs(run.run_id)).inputs]
        return status is corral.RunStatus.PARKED and bool(found)

    await fleet.eventually(parked, SECONDS)
    return found[0]


async def is_running(run: corral.Run[Any]) -> bool:
    return (await run.refresh()).status is corral.RunStatus.RUNNING


async def is_back(run: corral.Run[Any]) -> bool:
    return (await run.refresh()).status in (corral.RunStatus.PENDING, corral.RunStatus.PARKED)


async def test_every_event_says_what_the_page_says(saying: Saying) -> None:
    """Every row of the table happens, and nothing happens that is not in it."""
    fleet = saying.fleet
    client = await fleet.client()
    worker = corral.Worker("all", hubs=fleet.addresses, admission=corral.Fixed(8))
    chooser = corral.Worker("chooser", hubs=fleet.addresses, admission=corral.Reactive())
    offers: list[str] = []

    @worker.workflow("fails")
    async def fails(ctx: corral.Context) -> None:
        raise corral.Retry("once more", after_ms=20) if ctx.attempt == 1 else corral.Fail("no")

    @worker.workflow("asks")
    async def asks(ctx: corral.Context, timeout: float | None) -> int:
        return await ctx.request_input("How many?", schema=int, timeout=timeout, park=True)

    @chooser.workflow("chosen")
    async def chosen() -> None:
        return None

    @chooser.on_offer
    async def choose(offer: corral.Offer) -> corral.Decline | bool:
        offers.append(offer.run_id)
        return corral.Decline("no_capacity") if len(offers) == 1 else True

    async with worker, chooser:
        retry = corral.RetryPolicy(max_attempts=2)
        failing = await client.submit_workflow("fails", retry=retry, start_delay_ms=50)
        offered = await client.submit_workflow("chosen")
        answered = await client.submit_workflow("asks")
        lapsing = await client.submit_workflow("asks", 0.2)
        cancelled = await client.submit_workflow("nobody")
        await cancelled.cancel("not needed")
        with pytest.raises(corral.RunFailed):
            await failing.result(SECONDS)
        assert await failing.retry()
        await client.respond(answered.run_id, await open_question(client, fleet, answered), 3)
        await answered.result(SECONDS)
        await offered.result(SECONDS)
        with pytest.raises(corral.RunFailed):
            await failing.result(SECONDS)
        with pytest.raises(corral.RunFailed):
            await lapsing.result(SECONDS)
    returned = await client.submit_workflow("say")
    for n in range(4):
        await saying.worker(f"leaving-{n}")
        await fleet.eventually(lambda: is_running(returned))
        await client.drain_worker(f"leaving-{n}", immediate=True)
        await fleet.eventually(lambda: is_back(returned))
    await returned.cancel()
    observed = client.subscribe_all(cursor="0-0", follow=False)
    rows = documented()
    missing = {(kind, always) for kind, found in rows.items() for always, _ in found}
    reasons: set[str] = set()
    async for event in observed:
        assert isinstance(event, corral.Event)
        if not event.type.startswith(("status.", "input.")):
            continue
        said = frozenset(event.payload or ())
        fitting = [one for one in rows[event.type] if one[0] <= said <= one[0] | one[1]]
        assert fitting, event
        missing -= {(event.type, always) for always, _ in fitting}
        assert bool(event.fence) == (event.type == "input.request"), event
        if event.type == "status.pending" and said:
            reasons.add(event.payload["reason"])
    assert missing == set()
    assert {kind for kind in rows if kind.startswith("status.")} == {
        f"status.{status}" for status in corral.RunStatus if status != "unknown"
    }
    assert reasons >= {"due", "given_back", "answered", "retry"}
    assert reasons <= documented_reasons()
