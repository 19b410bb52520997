"""Events over two hubs: fences of lost attempts, cursors that survive hubs and stores."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import corral
from tests.fleet.saying import SECONDS, Reader, Saying, saying
from tests.servers import ValkeyServer

__all__ = ["saying"]
pytestmark = pytest.mark.anyio

_MORTAL = """
import asyncio, sys, corral
worker = corral.Worker("mortal", hubs=sys.argv[1].split(","))
@worker.workflow("say")
async def say(ctx):
    await ctx.emit_event("word")
    await asyncio.Event().wait()
worker.run_forever()
"""


async def test_events_of_an_attempt_that_was_lost_carry_its_fence(saying: Saying) -> None:
    fleet = saying.fleet
    client = await fleet.client()
    mortal = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MORTAL, ",".join(fleet.addresses)
    )
    try:
        run = await client.submit_workflow("say")
        reader = Reader(run.events())
        await reader.until(fleet, lambda: "word" in reader.types)
    finally:
        mortal.kill()
        await mortal.wait()
    await saying.worker("next")
    saying.say("word", "end")
    await run.result(SECONDS)
    await reader.until(fleet, lambda: reader.types[-1] == "status.completed")
    events = [event for event in reader.seen if isinstance(event, corral.Event)]
    assert [event.type for event in events] == [
        "status.pending", "status.running", "word", "status.pending", "status.running", "word",
        "status.completed",
    ]  # fmt: skip
    fences = [e.payload["fence"] for e in events if e.type == "status.running"]
    assert [e.fence for e in events if e.type == "word"] == fences
    assert (await run.refresh()).fence == fences[1] != fences[0]
    assert events[3].payload == {"reason": "lost"}


@pytest.mark.parametrize("loses", [True, False])
async def test_a_store_that_lost_events_says_which_and_one_that_did_not_says_nothing(
    saying: Saying, own_valkey: ValkeyServer, tmp_path: Path, loses: bool
) -> None:
    fleet = saying.fleet
    await saying.worker()
    client = await fleet.client()
    run = await client.submit_workflow("say")
    follower = Reader(run.events())
    kept, data = tmp_path / "kept", own_valkey.folder / "appendonlydir"
    saying.say("one", "two")
    await follower.until(fleet, lambda: len(follower.seen) == 4)
    shutil.copytree(data, kept)
    saying.say("three", "four")
    await follower.until(fleet, lambda: len(follower.seen) == 6)
    cursor = follower.seen[-1].cursor
    own_valkey.kill()
    if loses:
        shutil.rmtree(data)
        shutil.copytree(kept, data)
    await asyncio.to_thread(own_valkey.restart)
    saying.say("five", "six", "seven", "end")
    await run.result(SECONDS)
    late = Reader(client.subscribe_run_events(run.run_id, cursor=cursor))
    rest = ["five", "six", "seven", "status.completed"]
    expected = ["gap", *rest] if loses else rest
    for reader, before in ((late, 0), (follower, 6)):
        await reader.until(fleet, lambda r=reader: r.types[-1:] == ["status.completed"])
        assert reader.types[before:] == expected
        await reader.stop()
    if loses:
        gap = late.seen[0]
        assert isinstance(gap, corral.GapInEvents)
        assert (gap.first, gap.last, gap.reason) == (5, 6, "epoch")


async def test_a_cursor_of_another_run_or_of_none_is_refused(saying: Saying) -> None:
    client = await saying.fleet.client()
    one, two = [await client.submit_workflow("nobody") for _ in range(2)]
    first = await anext(aiter(one.events()))
    for cursor, why in (
        (first.cursor, "is of another run"),
        (first.cursor[:-1], "is of another run"),
        ("1-x", "is none of a run"),
        ("1-2-3", "is none of a run"),
        ("1764000000000-0.1", "is none of a run"),
    ):
        with pytest.raises(corral.InvalidRequest, match=why) as refused:
            await anext(aiter(two.events(cursor)))
        assert refused.value.field == "cursor"
    for cursor in (first.cursor, "1-99999999999999999999999.1", "x"):
        with pytest.raises(corral.InvalidRequest, match="none of this feed"):
            await anext(aiter(client.subscribe_all(cursor=cursor)))


async def test_what_the_feed_holds_is_read_to_its_end(saying: Saying) -> None:
    client = await saying.fleet.client()

    async def read(**given: Any) -> list[corral.Event | corral.GapInEvents]:
        async with asyncio.timeout(SECONDS):
            return [e async for e in client.subscribe_all(follow=False, **given)]

    assert await read() == []
    runs = [await client.submit_workflow(f"nobody-{n % 2}") for n in range(600)]
    everything = await read()
    assert [event.run_id for event in everything] == [run.run_id for run in runs]
    odd = await read(filter="workflow=nobody-1")
    assert odd == [e for e in everything if isinstance(e, corral.Event) and e.workflow[-1] == "1"]
    assert await read(cursor=everything[399].cursor) == everything[400:]
    assert await read(filter="workflow=none") == []
