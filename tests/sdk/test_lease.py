"""Until when a worker counts on its lease, and what waits beyond it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable
from typing import Any

import anyio
import anyio.to_thread
import pytest

import corral
from corral.clock import now_ms
from corral.context import Context
from corral.executors.inline import InlineExecutor
from corral.executors.process import ProcessExecutor
from corral.executors.thread import ThreadExecutor
from corral.session.lease import COUNTED_ON
from corral.session.messages import (
    Abandoned,
    LeaseHolds,
    Outcome,
    Output,
    Remark,
    Start,
    StopRun,
    Told,
)
from corral_proto.v1 import common_pb2, worker_pb2
from tests.sdk.hubs import ScriptedHub
from tests.sdk.outlets import Outlet, context_of
from tests.sdk.process_handlers import typed
from tests.sdk.session_world import World
from tests.sdk.test_executors import handler_of

pytestmark = pytest.mark.anyio

LEASE = 15_000 * COUNTED_ON
GRACE = 10_000 * COUNTED_ON
SECONDS = 10


@pytest.fixture
def world() -> World:
    """Welcomed two seconds after its Hello."""
    world = World()
    world.now = 2_000
    world.welcome()
    return world


def until(world: World) -> float:
    [holds] = world.of(LeaseHolds)
    return holds.until_ms


def ping(world: World, number: int, **more: int) -> None:
    world.hears(ping=worker_pb2.Ping(number=number, **more))


def asks(world: World, run: str = "r") -> None:
    world.did(world.core.remarked(run, "1", Remark(7, None), world.now))


def test_a_lease_counts_from_the_hello(world: World) -> None:
    assert until(world) == LEASE


def test_a_lease_counts_from_what_has_renewed_it(world: World) -> None:
    world.now = 5_000
    ping(world, 1, renewed_ms=0)
    assert not world.of(LeaseHolds)
    assert [(pong.number, pong.clock_ms) for pong in world.said("pong")] == [(1, 5_000)]
    world.now = 9_000
    ping(world, 2, renewed_ms=5_000)
    assert until(world) == 5_000 + LEASE
    # What comes late says what is old.
    world.now = 9_500
    ping(world, 3, renewed_ms=4_000)
    assert not world.of(LeaseHolds)


def test_a_hub_that_does_not_say_what_has_renewed_a_lease_is_trusted(world: World) -> None:
    world.now = 5_000
    ping(world, 1)
    assert until(world) == 5_000 + LEASE


def test_nothing_renews_a_lease_from_the_future(world: World) -> None:
    world.now = 5_000
    ping(world, 1, renewed_ms=2**63)
    assert until(world) == 5_000 + LEASE


def test_without_a_stream_the_grace_counts(world: World) -> None:
    world.cut()
    assert until(world) == GRACE
    world.now = 3_000
    world.hello()
    world.now = 4_000
    world.welcome(resumed=True)
    assert until(world) >= 2_000 + LEASE


def test_a_lost_session_holds_nothing(world: World) -> None:
    world.reject(worker_pb2.REJECT_REASON_SESSION_LOST)
    assert until(world) == -math.inf


def test_who_waits_for_the_lease_has_heard_what_is_lost(world: World) -> None:
    world.assign("r")
    world.cut()
    world.hello()
    world.welcome(drop=["r"])
    kinds = [type(action) for action in world.actions]
    assert kinds.index(StopRun) < kinds.index(LeaseHolds)


def test_who_asks_is_told_at_once_while_the_lease_holds(world: World) -> None:
    world.assign("r")
    asks(world)
    assert world.of(Told) == [Told("r", "1", 7, "kept")]
    world.pass_time(1)
    assert not world.of(Told)


def test_who_asks_later_is_told_with_the_next_word_that_renews(world: World) -> None:
    world.assign("r")
    world.now = LEASE - 1_000
    ping(world, 1, renewed_ms=0)
    world.now = LEASE
    asks(world)
    assert not world.of(Told)
    ping(world, 2, renewed_ms=0)
    assert not world.of(Told)
    ping(world, 3, renewed_ms=int(LEASE) - 1_000)
    assert world.of(Told) == [Told("r", "1", 7, "kept")]


def test_who_asks_about_an_attempt_that_is_over_is_told_so(world: World) -> None:
    asks(world)
    assert world.of(Told) == [Told("r", "1", 7, "over")]


def test_a_hub_without_a_lease_is_counted_on_for_ever() -> None:
    world = World()
    world.hears(welcome=worker_pb2.Welcome(hub="h"))
    assert until(world) == math.inf
    world.assign("r")
    assert world.of(Start)


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="a clock of Linux")
def test_the_clock_goes_on_while_the_machine_is_suspended(monkeypatch: Any) -> None:
    # As after a sleep of 7 seconds: here no machine can be suspended.
    clocks = {time.CLOCK_BOOTTIME: 10.0, time.CLOCK_MONOTONIC: 3.0}
    monkeypatch.setattr(time, "clock_gettime", clocks.__getitem__)
    assert now_ms() == 10_000


class Lapsed(Outlet):
    """Gives no word by itself; the lease is over until `assure`."""

    def __init__(self) -> None:
        super().__init__()
        self.horizon.until_ms = 0.0
        self.word = None
        self.tickets: list[int] = []
        self.asked = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def say_remark(self, run_id: str, fence: str, remark: Remark) -> None:
        super().say_remark(run_id, fence, remark)
        self.tickets.append(remark.ticket)
        self.loop.call_soon_threadsafe(self.asked.set)

    async def wait_asked(self) -> None:
        with anyio.fail_after(SECONDS):
            await self.asked.wait()
        assert self.said == [None]

    def assure(self) -> None:
        self.horizon.until_ms = math.inf
        self.word = "kept"
        self.context.tell_word(Told("r", "9", self.tickets[-1], "kept"))


async def in_coroutine(context: Context, called: list[str]) -> Any:
    async def fn() -> str:
        called.append("called")
        return "done"

    return await context.step("s", fn)


async def in_a_thread(context: Context, called: list[str]) -> Any:
    return await context.step("s", lambda: called.append("called"))


async def by_a_thread(context: Context, called: list[str]) -> Any:
    return await anyio.to_thread.run_sync(
        lambda: context.step_sync("s", lambda: called.append("called"))
    )


async def begins_when_assured(outlet: Lapsed, step: Awaitable[Any], called: list[str]) -> None:
    task = asyncio.ensure_future(step)
    await outlet.wait_asked()
    assert not called
    outlet.assure()
    with anyio.fail_after(SECONDS):
        await task
    assert called == ["called"]


WAYS = pytest.mark.parametrize("way", [in_coroutine, in_a_thread, by_a_thread])


@WAYS
async def test_no_step_begins_before_the_lease_is_known_to_hold(way: Any) -> None:
    outlet, called = Lapsed(), list[str]()
    await begins_when_assured(outlet, way(context_of(outlet), called), called)


@WAYS
@pytest.mark.parametrize("reason", ["lost", "ended"])
async def test_no_step_begins_when_the_run_is_gone(way: Any, reason: str) -> None:
    outlet, called = Lapsed(), list[str]()
    context = context_of(outlet)
    step = asyncio.ensure_future(way(context, called))
    await outlet.wait_asked()
    context.tell_cancelled(reason)
    with anyio.fail_after(SECONDS), pytest.raises(corral.AttemptEnded):
        await step
    # The worker's lease holds again, and the run is gone all the same.
    outlet.horizon.until_ms = math.inf
    with anyio.fail_after(SECONDS), pytest.raises(corral.AttemptEnded):
        await way(context, called)
    assert not called


@WAYS
async def test_a_run_that_is_given_back_may_be_gone_too(way: Any) -> None:
    context, called = context_of(), list[str]()
    context.tell_cancelled("drain")
    context.tell_cancelled("lost")
    with anyio.fail_after(SECONDS), pytest.raises(corral.AttemptEnded):
        await way(context, called)
    assert not called


async def test_what_a_plain_function_gives_to_await_waits_too() -> None:
    outlet, called = Lapsed(), list[str]()
    outlet.horizon.until_ms = math.inf

    async def later() -> None:
        called.append("called")

    def fn() -> Any:
        outlet.horizon.until_ms = 0.0
        return later()

    await begins_when_assured(outlet, context_of(outlet).step("s", fn), called)


@WAYS
async def test_a_run_that_is_cancelled_may_do_steps_to_clean_up(way: Any) -> None:
    outlet, called = Outlet(), list[str]()
    context = context_of(outlet)
    context.tell_cancelled("cancelled")
    await way(context, called)
    assert called == ["called"]


async def test_a_step_that_was_kept_needs_no_lease() -> None:
    context = context_of(Lapsed(), steps={"s": b'"kept"'})
    assert await in_coroutine(context, []) == "kept"


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("kind", [InlineExecutor, ThreadExecutor])
async def test_no_handler_begins_before_the_lease_is_known_to_hold(kind: Any, gone: bool) -> None:
    outlet, outcomes, ended = Lapsed(), list[Outcome](), asyncio.Event()
    context = context_of(outlet)

    async def handler() -> int:
        return 1

    def plain() -> int:
        return 1

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        outlet.loop.call_soon_threadsafe(ended.set)

    inline = kind is InlineExecutor
    executor = InlineExecutor(outlet.loop) if inline else ThreadExecutor(1)
    executor.start(handler_of(handler if inline else plain), context, None, done)
    await outlet.wait_asked()
    assert not outcomes
    if gone:
        context.tell_cancelled("lost")
    else:
        outlet.assure()
    with anyio.fail_after(SECONDS):
        await ended.wait()
    assert outcomes == [Abandoned() if gone else Output(b"1")]


@pytest.mark.parametrize("word", ["kept", "over"])
async def test_no_handler_in_a_process_begins_before_the_lease_is_known_to_hold(word: Any) -> None:
    outlet, outcomes, ended = Lapsed(), list[Outcome](), asyncio.Event()
    capability = common_pb2.Capability(kind="workflow:typed", version=1)
    fields: dict[str, Any] = {"run_id": "r", "fence": "9", "input": b"1", "device": -1}
    assignment = worker_pb2.Assignment(capability=capability, **fields)
    context = outlet.context = Context(assignment, outlet, None)
    executor = ProcessExecutor(outlet, 1)

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        outlet.loop.call_soon_threadsafe(ended.set)

    executor.start(handler_of(typed), context, assignment, done)
    try:
        await outlet.wait_asked()
        assert not outcomes
        until_ms = now_ms() + 1000 * SECONDS
        executor.tell(context, ("told", "9", outlet.tickets[0], word, "", 0, until_ms))
        with anyio.fail_after(SECONDS):
            await ended.wait()
    finally:
        executor.stop(context)
        await anyio.to_thread.run_sync(executor.close)
    assert outlet.said == [None]
    assert outcomes == [Output(b"2") if word == "kept" else Abandoned()]


async def test_a_handler_that_cleans_up_is_not_disturbed_when_its_run_is_gone(
    hub: ScriptedHub,
) -> None:
    worker = corral.Worker("w", hubs=hub.address, admission=corral.Fixed(1))
    cleaning, go_on, called, said = asyncio.Event(), asyncio.Event(), list[str](), list[Any]()

    @worker.workflow
    async def clean(ctx: Context) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cleaning.set()
            # Told to stop a second time as it was the first, it would not get any further.
            await go_on.wait()
            try:
                await in_coroutine(ctx, called)
            except corral.AttemptEnded as error:
                said.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        stream.assign("r", "clean")
        await stream.expect("mail_ack")
        stream.stop("r")
        with anyio.fail_after(SECONDS):
            await cleaning.wait()
        stream.stop("r", reason="lost")
        stream.say(ping=worker_pb2.Ping(number=1))
        await stream.expect("pong")
        go_on.set()
        stream.ack(await stream.expect("stopped"))
        worker.stop()
        await stream.expect("goodbye")
        stream.end()
    assert said
    assert not called
