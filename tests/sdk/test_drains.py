"""Handlers that hear of a drain, and workers that are asked to move."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest

import corral
from corral.session.route import Route
from corral.terms import Backoff
from tests.sdk.hubs import ScriptedHub

pytestmark = pytest.mark.anyio


async def test_handlers_hear_of_a_drain_and_may_finish(hub: ScriptedHub) -> None:
    worker = corral.Worker("w", hubs=hub.address, admission=corral.Fixed(4))
    heard: list[str] = []
    threads = threading.Event()

    @worker.workflow
    async def waits(ctx: corral.Context) -> str:
        ctx.on_drain(lambda: heard.append("called"))
        ctx.on_drain(lambda: 1 // 0)
        await ctx.emit_event("up")
        await ctx.wait_draining()
        await asyncio.sleep(0)
        ctx.on_drain(lambda: heard.append("called late"))
        await asyncio.sleep(0)
        return "saved"

    @worker.workflow
    def polls(ctx: corral.Context) -> bool:
        ctx.on_drain(threads.set)
        ctx.emit_event_sync("up")
        assert threads.wait(10)
        return ctx.draining

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        for run, workflow in (("r1", "waits"), ("r2", "polls")):
            stream.assign(run, workflow)
            stream.ack(await stream.expect("event"))
        worker.stop()
        outputs: dict[str, bytes] = {}
        for _ in range(2):
            result = await stream.expect("result")
            outputs[result.run_id] = result.output
            stream.ack(result)
        await stream.expect("goodbye")
        stream.end()
    assert outputs == {"r1": b'"saved"', "r2": b"true"}
    assert heard == ["called", "called late"]


def test_a_worker_that_is_asked_to_move_goes_to_any_other_hub() -> None:
    for number, expected in ((0.0, 3), (0.34, 4), (0.67, 0), (0.99, 1)):
        route = Route(5, 2, Backoff(), lambda number=number: number)
        assert route.next(in_grace=True, anywhere=True) == (expected, 0)
    alone = Route(1, 0, Backoff(), lambda: 0.99)
    assert alone.next(in_grace=True, anywhere=True) == (0, 0)


async def test_errors_that_the_policy_names_are_final(hub: ScriptedHub) -> None:
    worker = corral.Worker("w", hubs=hub.address, admission=corral.Fixed(4))
    policy = corral.RetryPolicy(max_attempts=5, no_retry_types=["LookupError"])

    @worker.workflow(retry=policy)
    async def fails(what: str) -> None:
        raise LookupError(what) if what == "look" else ValueError(what)

    assert corral.Submit(fails, "x").request.retry.max_attempts == 5
    once = corral.RetryPolicy(max_attempts=1)
    assert corral.Submit(fails, "x", retry=once).request.retry.max_attempts == 1
    assert not corral.Submit("fails", "x").request.HasField("retry")

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        retryable: dict[str, bool] = {}
        for what in ("look", "other"):
            stream.assign(what, "fails", f'"{what}"'.encode())
            result = await stream.expect("result")
            stream.ack(result)
            retryable[what] = result.error.retryable
        worker.stop()
        await stream.expect("goodbye")
        stream.end()
    assert retryable == {"look": False, "other": True}
