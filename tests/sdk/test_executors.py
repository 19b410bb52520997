"""Handlers on a loop and in threads: how each end is told, and who waits for it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import anyio
import pytest

import corral
from corral.executors.inline import InlineExecutor
from corral.executors.thread import ThreadExecutor
from corral.session.messages import Abandoned, Failure, Outcome, Output
from corral.terms import Capability
from tests.sdk.outlets import context_of

pytestmark = pytest.mark.anyio


class Odd(BaseException):
    """What no `except Exception` holds."""


def handler_of(fn: Any) -> Any:
    return corral.Handler(fn, workflow="w", capability=Capability("workflow:w"), is_workflow=True)


@pytest.mark.parametrize("error", [Odd, SystemExit, asyncio.CancelledError, KeyboardInterrupt])
def test_whatever_a_thread_raises_is_told(error: type[BaseException]) -> None:
    def handler() -> None:
        raise error("why")

    outcomes: list[Outcome] = []
    executor = ThreadExecutor(1)
    executor.start(handler_of(handler), context_of(), None, outcomes.append)
    executor.close()
    (outcome,) = outcomes
    assert isinstance(outcome, Failure)
    assert (outcome.error.type, outcome.error.message) == (error.__name__, "why")


@pytest.mark.parametrize("error", [Odd, SystemExit, KeyboardInterrupt])
async def test_whatever_a_coroutine_raises_is_told(error: type[BaseException]) -> None:
    async def handler() -> None:
        raise error("why")

    outcomes: list[Outcome] = []
    executor = InlineExecutor(asyncio.get_running_loop(), ctrl_c=False)
    executor.start(handler_of(handler), context_of(), None, outcomes.append)
    await executor.close()
    (outcome,) = outcomes
    assert isinstance(outcome, Failure)
    assert (outcome.error.type, outcome.error.message) == (error.__name__, "why")


def test_what_may_be_ctrl_c_goes_on_from_a_coroutine() -> None:
    async def handler() -> None:
        raise KeyboardInterrupt

    async def execute() -> None:
        executor = InlineExecutor(asyncio.get_running_loop(), ctrl_c=True)
        executor.start(handler_of(handler), context_of(), None, lambda outcome: None)
        await executor.close()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(execute())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks start eagerly from 3.12 on")
async def test_a_task_that_ends_as_it_is_made_is_told_and_not_waited_for() -> None:
    async def handler() -> int:
        return 1

    outcomes: list[Outcome] = []
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory", None))
    executor = InlineExecutor(loop, ctrl_c=False)
    executor.start(handler_of(handler), context_of(), None, outcomes.append)
    with anyio.fail_after(10):
        await executor.close()
    assert outcomes == [Output(b"1")]


async def test_a_handler_that_is_told_to_stop_before_it_began_does_not_begin() -> None:
    began: list[int] = []

    async def handler() -> None:
        began.append(1)

    outcomes: list[Outcome] = []
    executor = InlineExecutor(asyncio.get_running_loop(), ctrl_c=False)
    context = context_of()
    executor.start(handler_of(handler), context, None, outcomes.append)
    context.tell_cancelled("cancelled")
    executor.stop(context)
    await executor.close()
    assert (outcomes, began) == ([Abandoned()], [])


async def test_closing_waits_for_what_was_to_begin_and_to_stop() -> None:
    async def forever() -> None:
        await asyncio.sleep(3600)

    outcomes: list[Outcome] = []
    executor = InlineExecutor(asyncio.get_running_loop(), ctrl_c=False)
    context = context_of()
    executor.start(handler_of(forever), context, None, outcomes.append)
    executor.stop(context)
    with anyio.fail_after(10):
        await executor.close()
    assert outcomes == [Abandoned()]


async def test_closing_passes_a_cancellation_on_once_and_still_waits() -> None:
    cancelled: list[str] = []
    cleaned = asyncio.Event()

    async def stubborn() -> int:
        for _ in range(2):
            try:
                await cleaned.wait()
            except asyncio.CancelledError:
                cancelled.append("cancelled")
        return 1

    outcomes: list[Outcome] = []
    executor = InlineExecutor(asyncio.get_running_loop(), ctrl_c=False)
    executor.start(handler_of(stubborn), context_of(), None, outcomes.append)
    closing = asyncio.create_task(executor.close())
    for _ in range(3):
        await anyio.wait_all_tasks_blocked()
        closing.cancel()
    await anyio.wait_all_tasks_blocked()
    assert cancelled == ["cancelled"]
    assert not closing.done()
    cleaned.set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert outcomes == [Output(b"1")]
