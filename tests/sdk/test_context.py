"""What a handler's context accepts, and how events wait for room."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

import corral
from corral.context import Context
from corral.session.credit import Credit
from corral.session.lease import Horizon
from corral_proto.v1 import worker_pb2

pytestmark = pytest.mark.anyio


class Outlet:
    def __init__(self, places: int = 2) -> None:
        self.credit = Credit(places)
        self.horizon = Horizon()
        self.said: list[tuple[str, str, str, bytes]] = []

    def say_event(self, run_id: str, fence: str, type_: str, payload: bytes) -> None:
        self.said.append((run_id, fence, type_, payload))


def context_of(outlet: Outlet, **more: Any) -> Context:
    fields: dict[str, Any] = {"run_id": "r", "fence": "9", "attempt": 1, "device": -1} | more
    return Context(worker_pb2.Assignment(**fields), outlet, None)


async def test_an_event_carries_its_run_and_fence() -> None:
    outlet = Outlet()
    await context_of(outlet).emit_event("step.done", {"n": 1})
    context_of(outlet).emit_event_sync("plain")
    assert outlet.said == [("r", "9", "step.done", b'{"n":1}'), ("r", "9", "plain", b"null")]


@pytest.mark.parametrize(
    ("type_", "payload", "error"),
    [
        ("status.running", None, corral.BadEvent),
        ("", None, corral.BadEvent),
        ("a" * 65, None, corral.BadEvent),
        ("with space", None, corral.BadEvent),
        ("ok", object(), corral.BadEvent),
        ("ok", "x" * 65_536, corral.EventTooLarge),
    ],
)
async def test_an_event_that_no_hub_takes_is_refused(
    type_: str, payload: Any, error: type[Exception]
) -> None:
    outlet = Outlet()
    with pytest.raises(error):
        await context_of(outlet).emit_event(type_, payload)
    assert not outlet.said


async def test_nothing_can_be_said_after_the_end() -> None:
    context = context_of(Outlet())
    context.tell_ended()
    with pytest.raises(corral.AttemptEnded):
        await context.emit_event("late")


async def test_an_event_waits_for_room_in_loops_and_in_threads() -> None:
    outlet = Outlet(places=1)
    context = context_of(outlet)
    context.emit_event_sync("first")
    async with anyio.create_task_group() as group:
        group.start_soon(context.emit_event, "second")
        await anyio.wait_all_tasks_blocked()
        assert len(outlet.said) == 1
        outlet.credit.give()
    assert len(outlet.said) == 2
    thread = threading.Thread(target=context.emit_event_sync, args=("third",))
    thread.start()
    outlet.credit.give()
    await anyio.to_thread.run_sync(thread.join)
    assert [said[2] for said in outlet.said] == ["first", "second", "third"]


async def test_a_cancelled_wait_for_room_takes_none() -> None:
    outlet = Outlet(places=1)
    context = context_of(outlet)
    await context.emit_event("first")
    with anyio.move_on_after(0.01):
        await context.emit_event("never")
    outlet.credit.give()
    with anyio.fail_after(5):
        await context.emit_event("second")
    assert [said[2] for said in outlet.said] == ["first", "second"]


async def test_after_the_sessions_end_nobody_waits() -> None:
    outlet = Outlet(places=1)
    context = context_of(outlet)
    await context.emit_event("first")
    async with anyio.create_task_group() as group:
        group.start_soon(context.emit_event, "second")
        await anyio.wait_all_tasks_blocked()
        outlet.credit.open()
    with anyio.fail_after(5):
        await context.emit_event("third")


async def test_waiting_for_a_cancel_ends_with_it() -> None:
    context = context_of(Outlet())
    assert not context.cancelled
    async with anyio.create_task_group() as group:
        group.start_soon(context.wait_cancelled)
        group.start_soon(anyio.to_thread.run_sync, context.wait_cancelled_sync)
        await anyio.wait_all_tasks_blocked()
        context.tell_cancelled("deadline")
    assert context.cancelled
    assert context.cancel_reason == "deadline"
    with anyio.fail_after(5):
        await context.wait_cancelled()


def test_what_is_absent_is_none_or_empty() -> None:
    context = context_of(Outlet())
    assert (context.device, context.model, context.deadline_at_ms) == (None, "", 0)
    assert context_of(Outlet(), device=0).device == 0


async def test_a_loop_that_a_thread_has_closed_meanwhile_hinders_nobody() -> None:
    ctx = context_of(Outlet())
    called = threading.Event()

    async def within() -> None:
        ctx.on_drain(called.set)
        waiting = asyncio.ensure_future(ctx.wait_draining())
        await asyncio.sleep(0)
        left.append(waiting)

    left: list[asyncio.Future[None]] = []

    def handler() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(within())
        loop.close()

    await anyio.to_thread.run_sync(handler)
    ctx.tell_draining()
    assert called.wait(5)
