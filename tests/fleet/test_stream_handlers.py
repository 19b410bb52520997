"""Handlers that stream: coroutines, threads and processes, and what they may not do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import corral
from tests.fleet.conftest import Fleet
from tests.fleet.stream_handlers import stream

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(fleet: Fleet) -> corral.Client:
    """A client of a fleet with one of each handler."""
    hub = fleet.hub("a")
    worker = await fleet.worker("w", 16, started=False, hubs=[hub.address])
    worker.workflow(executor="process")(stream)

    @worker.workflow
    def threaded(count: int) -> Iterator[int | corral.Result[str]]:
        yield from range(count)
        yield corral.Result("done")

    @worker.workflow
    async def no_result(count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    @worker.workflow
    async def by_context(ctx: corral.Context, count: int) -> str:
        for number in range(count):
            await ctx.stream(number)
        await asyncio.to_thread(ctx.stream_sync, "last")
        return "returned"

    @worker.workflow
    async def too_large() -> AsyncIterator[str]:
        yield "first"
        yield "x" * 20_000

    @worker.workflow
    def behind() -> Iterator[Any]:
        yield corral.Result(1)
        yield 2

    @worker.workflow
    async def no_json() -> AsyncIterator[Any]:
        yield object()

    @worker.workflow
    async def raises() -> AsyncIterator[int]:
        yield 1
        raise LookupError("gone")

    @worker.workflow
    async def too_far(ctx: corral.Context) -> None:
        ctx.progress(1.5)

    @worker.workflow
    def endless(ctx: corral.Context) -> Iterator[int]:
        try:
            number = 0
            while True:
                yield (number := number + 1)
        finally:
            fleet.running.discard(ctx.run_id)

    @worker.workflow
    async def chatty(ctx: corral.Context) -> None:
        for number in range(1000):
            ctx.log.info("%d %s", number, "x" * 5000)
        ctx.log.debug("for nobody")

    await fleet.start(worker)
    return await fleet.client()


async def answer(client: corral.Client, workflow: str, *given: Any) -> tuple[list[Any], Any]:
    run = await client.submit_workflow(workflow, *given)
    async with asyncio.timeout(30):
        return [part async for part in run.stream()], await run.result()


async def test_every_kind_of_handler_streams(client: corral.Client) -> None:
    assert await answer(client, "threaded", 500) == (list(range(500)), "done")
    assert await answer(client, "no_result", 3) == ([0, 1, 2], None)
    assert await answer(client, "by_context", 3) == ([0, 1, 2, "last"], "returned")
    parts, result = await answer(client, "stream", 300)
    assert parts == list(range(300))
    assert result["pid"] != os.getpid()


async def test_a_process_says_what_goes_on(client: corral.Client) -> None:
    run = await client.submit_workflow("stream", 2)
    said = [item async for item in run.follow() if isinstance(item, corral.EphemeralEvent)]
    assert said[0].payload == {"level": "info", "message": "in a process"}
    assert {item.type for item in said} == {"log", "progress", "chunk"}


async def test_a_client_without_a_loop_streams(client: corral.Client, fleet: Fleet) -> None:
    def wait() -> tuple[list[Any], Any]:
        with corral.SyncClient(fleet.addresses) as sync:
            run = sync.submit_workflow("threaded", 100)
            return list(run.stream()), run.result(timeout=30)

    assert await asyncio.to_thread(wait) == (list(range(100)), "done")


@pytest.mark.parametrize(
    ("workflow", "parts", "code", "type_", "said"),
    [
        ("too_large", ["first"], "BAD_OUTPUT", "ChunkTooLarge", "16384"),
        ("behind", [], "BAD_OUTPUT", "BadOutput", "behind its Result"),
        ("no_json", [], "BAD_OUTPUT", "BadChunk", "JSON"),
        ("raises", [1], "HANDLER", "LookupError", "gone"),
        ("too_far", [], "HANDLER", "BadProgress", "from 0 to 1"),
    ],
)
async def test_what_a_handler_may_not_do_fails_its_run(
    client: corral.Client, workflow: str, parts: list[Any], code: str, type_: str, said: str
) -> None:
    run = await client.submit_workflow(workflow)
    assert [part async for part in run.stream()] == parts
    with pytest.raises(corral.RunFailed, match=said) as failed:
        await run.result()
    assert (failed.value.code, failed.value.type) == (code, type_)


async def test_a_generator_that_is_told_to_stop_is_closed(
    client: corral.Client, fleet: Fleet
) -> None:
    run = await client.submit_workflow("endless")
    fleet.running.add(run.run_id)
    async for _ in run.stream():
        await run.cancel()
        break
    await fleet.eventually(lambda: _stopped(run))
    assert fleet.running == set()
    with pytest.raises(corral.RunCancelled):
        await run.result()


async def _stopped(run: corral.Run[Any]) -> bool:
    return not (await run.refresh()).stopping


async def test_lines_are_cut_and_dropped_rather_than_waited_for(client: corral.Client) -> None:
    run = await client.submit_workflow("chatty")
    said = [item.payload async for item in run.follow() if isinstance(item, corral.EphemeralEvent)]
    lines = [line["message"] for line in said if "message" in line]
    assert lines[0].startswith("0 xxx")
    assert max(len(line.encode()) for line in lines) == 4096
    assert len(lines) + sum(line.get("dropped", 0) for line in said) == 1000
    assert all(line["level"] == "info" for line in said if "message" in line)
