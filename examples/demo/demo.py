"""The demo from beginning to end: start, submit, kill, wait, count.

Summarizes every text file of a folder on a fleet of two hubs and three workers, and kills the
busier hub with SIGKILL in the middle. Ends well only if every run was executed exactly once.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import corral
from corral_hub.embedded import EmbeddedValkey
from examples.demo.documents import Document, collect
from examples.demo.fleet import HUBS, WORKERS, Fleet
from examples.demo.killing import Killed, kill_busiest
from examples.demo.progress import Progress
from examples.demo.screen import Screen
from examples.demo.verdict import executions, judge, outcomes

# So long a worker takes for a section, to have runs in flight when the hub dies.
PACE_MS = 400
# The hub dies when so many of the runs have ended.
KILL_AFTER = 1 / 3
# No event of any run for so long: what has not ended by then is lost.
SILENCE_SECONDS = 60.0
SUBSCRIBE_SECONDS = 10.0


class NothingToKill(Exception):
    """All runs ended before the hub could be killed with one in flight."""


async def demo(folder: Path | None, logs: Path, screen: Screen) -> int:
    """Runs the demo; gives the exit code: 0 only for a perfect outcome."""
    documents, left_out = collect(folder)
    for reason in left_out:
        screen.say(f"left out {reason}", "dim")
    ledger = logs / "executions.jsonl"
    environment = {"SUMMARIZE_LEDGER": str(ledger), "SUMMARIZE_PACE_MS": str(PACE_MS)}
    async with EmbeddedValkey(logs / "valkey") as valkey:
        screen.say(f"Valkey {valkey.version} runs (process {valkey.pid}), every write on disk.")
        async with Fleet(valkey.url, logs, environment) as fleet:
            for name in HUBS:
                screen.say(f"Hub {name} (process {fleet.pid(name)}) on {fleet.addresses[name]}.")
            screen.say(f"Workers: {', '.join(WORKERS)}. Logs are in {logs}.\n")
            async with corral.Client(fleet.hubs) as client:
                progress, killed = await _under_fire(fleet, client, documents, screen)
                found = await outcomes(client, progress.runs)
    verdict = judge(found, executions(ledger))
    screen.table(progress, found)
    screen.verdict(verdict, killed)
    return 0 if verdict.good else 1


async def _under_fire(
    fleet: Fleet, client: corral.Client, documents: list[Document], screen: Screen
) -> tuple[Progress, Killed]:
    submits = [
        corral.Submit("summarize", {"name": document.name, "text": document.text})
        for document in documents
    ]
    progress = Progress(
        {submit.run_id: document.name for submit, document in zip(submits, documents, strict=True)}
    )
    events = client.subscribe_all(workflow="summarize")
    screen.begin(len(submits))
    try:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(events, fleet, progress, screen), name="watch")
            await _subscribed(events)
            for outcome in await client.submit_workflows(submits):
                if isinstance(outcome, corral.HubError):
                    raise outcome
    finally:
        screen.end()
    return progress, watching.result()


async def _subscribed(events: corral.AllEvents) -> None:
    """Waits until the subscription has a cursor: what happens from now on will be seen."""
    async with asyncio.timeout(SUBSCRIBE_SECONDS):
        while True:
            if events.cursor:
                return
            await asyncio.sleep(0.01)


async def _watch(
    events: corral.AllEvents, fleet: Fleet, progress: Progress, screen: Screen
) -> Killed:
    """Follows the runs to their end, and kills a hub on the way."""
    killed: Killed | None = None
    stream = aiter(events)
    while not progress.all_ended:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                event = await anext(stream)
        except TimeoutError:
            screen.say(f"No event for {SILENCE_SECONDS:g} s: giving up the rest.", "bold red")
            break
        if not isinstance(event, corral.Event):
            screen.say(f"Events are gone from the feed: {event.reason}.", "bold red")
            continue
        screen.update(progress, progress.take(event))
        if killed is None and progress.ended >= KILL_AFTER * len(progress.runs):
            killed = await kill_busiest(fleet)
            if killed is not None:
                screen.killed(killed, fleet.other(killed.hub))
                progress.moved(killed.runs, fleet.other(killed.hub))
    if killed is None:
        raise NothingToKill(
            f"All {len(progress.runs)} runs ended before a hub could be killed with one in "
            "flight. Name a folder with more, or longer, text files: make demo DIR=path."
        )
    return killed
