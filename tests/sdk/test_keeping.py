"""Steps and checkpoints of handlers: what is kept, what is given, what is refused."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

import corral
from corral_proto.v1 import worker_pb2
from tests.sdk.outlets import Outlet, context_of

pytestmark = pytest.mark.anyio


@dataclass
class Receipt:
    number: int


def pay(amount: int) -> Receipt:
    return Receipt(amount)


async def pay_later(amount: int) -> Receipt:
    return Receipt(amount)


def nothing() -> None:
    return None


def never(*args: Any) -> Receipt:
    raise AssertionError("it was done before")


@pytest.mark.parametrize(
    "fn", [pay, pay_later, functools.partial(pay), lambda amount: pay_later(amount)]
)
async def test_a_step_gives_what_was_kept(fn: Callable[[int], Any]) -> None:
    outlet = Outlet()
    given = await context_of(outlet).step("pay", fn, 7)
    # What has no annotation is plain JSON, in every attempt.
    assert given in (Receipt(7), {"number": 7})
    assert outlet.said == [worker_pb2.Step(key="pay", result=b'{"number":7}')]


async def test_the_first_attempt_and_a_later_one_see_the_same() -> None:
    first = await context_of().step("pair", lambda: (1, 2))
    later = await context_of(steps={"pair": b"[1,2]"}).step("pair", lambda: (1, 2))
    assert first == later == [1, 2]


async def test_a_later_attempt_calls_nothing_and_says_nothing() -> None:
    outlet = Outlet()
    context = context_of(outlet, steps={"pay": b'{"number":7}', "none": b"null"})
    assert await context.step("pay", never, 1) == Receipt(7)
    assert await context.step("none", nothing) is None
    assert not outlet.said
    other = context_of(outlet, steps={"pay": b'{"number":7}'})
    assert other.step_sync("pay", never) == Receipt(7)


async def test_two_steps_of_an_attempt_have_two_keys() -> None:
    context = context_of(steps={"old": b'{"number":1}'})
    await context.step("pay", pay, 1)
    with pytest.raises(corral.StepRepeated):
        await context.step("pay", pay, 2)
    await context.step("old", pay, 1)
    with pytest.raises(corral.StepRepeated):
        await context.step("old", pay, 1)


async def test_a_step_that_raised_may_be_tried_again() -> None:
    outlet = Outlet()
    context = context_of(outlet)
    with pytest.raises(ZeroDivisionError):
        await context.step("divide", lambda: 1 // 0)
    assert not outlet.said
    assert await context.step("divide", lambda: 1) == 1


@pytest.mark.parametrize(
    ("key", "fn", "said"),
    [
        ("", pay, "key ''"),
        ("a b", pay, "key 'a b'"),
        ("k", lambda _: object(), "cannot be written as JSON"),
        ("k", lambda _: "x" * 65_536, "65538 bytes"),
    ],
)
async def test_a_step_that_cannot_be_kept_is_refused_here(
    key: str, fn: Callable[[int], Any], said: str
) -> None:
    outlet = Outlet()
    with pytest.raises(corral.BadStep, match=said):
        await context_of(outlet).step(key, fn, 1)
    assert not outlet.said


async def test_a_result_that_its_annotation_does_not_fit_is_not_kept() -> None:
    def wrong() -> Receipt:
        given: Any = "no receipt"
        return given

    outlet = Outlet()
    with pytest.raises(corral.BadStep, match="annotation"):
        await context_of(outlet).step("k", wrong)
    assert not outlet.said
    with pytest.raises(corral.BadStep, match="Receipt"):
        await context_of(steps={"k": b"1"}).step("k", pay, 1)


def test_a_coroutine_function_is_no_step_of_a_thread() -> None:
    step_sync: Any = context_of().step_sync
    with pytest.raises(corral.BadStep, match="coroutine"):
        step_sync("k", pay_later, 1)


async def test_there_are_256_steps_and_the_next_is_not_called() -> None:
    steps = {f"s{n}": b"1" for n in range(256)}
    with pytest.raises(corral.TooManySteps):
        await context_of(steps=steps).step("k", never)


@pytest.mark.parametrize(
    ("word", "limit", "error"),
    [
        ("refused", 2, corral.StateTooLarge),
        ("refused", 524_288, corral.StateRefused),
        ("unsupported", 0, corral.BadStep),
        ("over", 0, corral.AttemptEnded),
    ],
)
async def test_a_step_that_the_hub_refuses_raises(
    word: Any, limit: int, error: type[Exception]
) -> None:
    outlet = Outlet()
    outlet.word, outlet.limit = word, limit
    context = context_of(outlet, steps={"old": b"1"})
    with pytest.raises(error) as raised:
        await context.step("k", pay, 1)
    assert type(raised.value) is error


async def test_a_cancelled_step_in_a_thread_is_waited_for_and_kept() -> None:
    outlet = Outlet()
    context = context_of(outlet)
    began, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        began.set()
        go_on.wait()
        return 5

    task = asyncio.create_task(context.step("slow", slow))
    await asyncio.to_thread(began.wait)
    task.cancel()
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    await anyio.wait_all_tasks_blocked()
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outlet.said == [worker_pb2.Step(key="slow", result=b"5")]


async def test_the_latest_checkpoint_is_there_in_this_attempt_and_a_later_one() -> None:
    outlet = Outlet()
    context = context_of(outlet)
    assert context.last_checkpoint() is None
    assert context.last_checkpoint(0, int) == 0
    await context.checkpoint(Receipt(1))
    assert context.last_checkpoint() == {"number": 1}
    assert context.last_checkpoint(type=Receipt) == Receipt(1)
    await asyncio.to_thread(context.checkpoint_sync, [2])
    assert context.last_checkpoint() == [2]
    assert [said.state for said in outlet.said] == [b'{"number":1}', b"[2]"]
    later = context_of(checkpoint=b'{"number":3}')
    assert later.last_checkpoint(type=Receipt) == Receipt(3)
    with pytest.raises(corral.BadCheckpoint, match="int"):
        later.last_checkpoint(0, int)


async def test_a_checkpoint_that_cannot_be_kept_is_refused() -> None:
    outlet = Outlet()
    context = context_of(outlet)
    with pytest.raises(corral.BadCheckpoint):
        await context.checkpoint(object())
    with pytest.raises(corral.StateTooLarge, match="262144"):
        await context.checkpoint("x" * 262_144)
    assert not outlet.said
    outlet.word = "unsupported"
    with pytest.raises(corral.BadCheckpoint):
        await context.checkpoint(1)
    assert context.last_checkpoint() is None
