"""Questions of handlers: what is asked, what is answered, and how a handler waits."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec
import pytest

import corral
from corral.executors.inline import InlineExecutor
from corral.executors.thread import ThreadExecutor
from corral.memory import Memory, Parked
from corral.session.messages import Abandoned, Outcome, Output, Park
from corral.terms import Capability
from tests.sdk.outlets import Outlet, answer, context_of

pytestmark = pytest.mark.anyio


class Decision(msgspec.Struct):
    ok: bool


def answering(outlet: Outlet, *answers: Any) -> None:
    """The answers come as soon as the question is kept."""
    outlet.then = lambda: outlet.context.tell_answers(answers)


async def test_a_question_says_what_people_and_the_hub_need() -> None:
    outlet = Outlet()
    context = context_of(outlet)
    answering(outlet, answer("input-1", b'{"ok":true}'))
    decision = await context.request_input(
        "Ship?", schema=Decision, metadata={"form": 1}, timeout=1.5
    )
    assert decision == Decision(ok=True)
    (asked,) = outlet.said
    assert (asked.request_id, asked.prompt, asked.timeout_ms) == ("input-1", "Ship?", 1500)
    assert asked.metadata == b'{"form":1}'
    assert json.loads(asked.schema)["$defs"]["Decision"]["required"] == ["ok"]


async def test_a_schema_may_be_json_and_the_answer_then_is() -> None:
    outlet = Outlet()
    context = context_of(outlet)
    answering(outlet, answer("k", b'"red"'))
    assert await context.request_input("?", schema={"enum": ["red"]}, key="k") == "red"
    assert outlet.said[0].schema == b'{"enum":["red"]}'


async def test_what_was_answered_before_is_there_at_once() -> None:
    outlet = Outlet()
    context = context_of(outlet, answers=[answer("input-1", b"1"), answer("b", lapsed=True)])
    assert await context.request_input("First?", park=True) == 1
    with pytest.raises(corral.InputTimedOut):
        await context.request_input("Second?", key="b")
    assert not outlet.said
    assert context_of(outlet, answers=[answer("x", b"3")]).request_input_sync("?", key="x") == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"key": ""}, "key ''"),
        ({"key": "a b"}, "key 'a b'"),
        ({"prompt": ""}, "0 characters"),
        ({"prompt": "x" * 4097}, "4097 characters"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": 1e9}, "timeout"),
        ({"metadata": object()}, "metadata"),
        ({"metadata": "x" * 16_384}, "16386 bytes"),
        ({"schema": {"enum": ["x" * 16_384]}}, "schema"),
        ({"schema": object}, "schema"),
    ],
)
async def test_a_question_that_no_hub_takes_is_refused_here(
    given: dict[str, Any], said: str
) -> None:
    outlet = Outlet()
    prompt = given.pop("prompt", "?")
    with pytest.raises(corral.BadQuestion, match=said):
        await context_of(outlet).request_input(prompt, **given)
    assert not outlet.said


@pytest.mark.parametrize(
    ("word", "questions", "limit", "error"),
    [
        ("refused", 64, 524_288, corral.TooManyInputs),
        ("refused", 1, 2, corral.StateTooLarge),
        ("refused", 1, 524_288, corral.StateRefused),
        ("unsupported", 1, 524_288, corral.BadQuestion),
        ("over", 1, 524_288, corral.AttemptEnded),
    ],
)
async def test_a_refused_question_raises_what_is_wrong(
    word: Any, questions: int, limit: int, error: type[Exception]
) -> None:
    outlet = Outlet()
    outlet.word, outlet.limit, outlet.detail = word, limit, "no such schema"
    answers = [answer(f"old-{n}", b"1") for n in range(questions - 1)]
    with pytest.raises(error) as raised:
        await context_of(outlet, answers=answers).request_input("?")
    assert type(raised.value) is error


async def test_an_answer_of_another_type_is_named() -> None:
    context = context_of(answers=[answer("input-1", b"[]")])
    with pytest.raises(corral.UnreadableAnswer, match="input-1"):
        await context.request_input("?", schema=Decision)


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    outlet = Outlet()
    context = context_of(outlet)
    for _ in range(3):
        with anyio.move_on_after(0.01):
            await context.request_input("?", key="k")
    assert memory_of(context).waits == 0
    answering(outlet, answer("k", b"1"))
    assert await context.request_input("?", key="k") == 1


def memory_of(context: Any) -> Memory:
    return context._memory


async def test_all_who_wait_for_a_question_get_its_answer() -> None:
    outlet = Outlet()
    context = context_of(outlet)
    got: list[Any] = []

    async def ask() -> None:
        got.append(await context.request_input("?", key="k"))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        group.start_soon(ask)
        while memory_of(context).waits < 2:
            await anyio.lowlevel.checkpoint()
        context.tell_answers([answer("k", b"1")])
    assert got == [1, 1]
    assert memory_of(context).waits == 0


async def test_the_sync_form_does_not_stop_a_loop() -> None:
    with pytest.raises(corral.CorralError, match=r"await ctx\.request_input"):
        context_of().request_input_sync("?")


@pytest.mark.parametrize("asked_first", [True, False])
async def test_a_thread_that_is_told_to_stop_waits_no_longer(asked_first: bool) -> None:
    outlet = Outlet()
    context = context_of(outlet)
    asked = threading.Event()
    outlet.then = asked.set

    def handler() -> None:
        context.request_input_sync("?")

    async with anyio.create_task_group() as group:
        if not asked_first:
            context.tell_cancelled("drain")

        async def run() -> None:
            with pytest.raises(corral.AttemptEnded, match="drain"):
                await anyio.to_thread.run_sync(handler)

        group.start_soon(run)
        if asked_first:
            await anyio.to_thread.run_sync(asked.wait)
            context.tell_cancelled("drain")


async def test_nobody_waits_when_the_attempt_is_over() -> None:
    outlet = Outlet()
    outlet.word = None
    context = context_of(outlet)
    async with anyio.create_task_group() as group:

        async def ask() -> None:
            with pytest.raises(corral.AttemptEnded):
                await context.request_input("?")

        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        context.tell_over()
    with pytest.raises(corral.AttemptEnded):
        await context.request_input("?", key="late")
    fresh = context_of(outlet)
    fresh.tell_over()
    with pytest.raises(corral.AttemptEnded):
        await fresh.checkpoint(1)


def handler_of(fn: Any) -> Any:
    return corral.Handler(fn, workflow="w", capability=Capability("workflow:w"), is_workflow=True)


async def inline(fn: Any) -> Outcome:
    """How an inline handler ends."""
    context = context_of()
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    executor = InlineExecutor(asyncio.get_running_loop())
    executor.start(handler_of(fn), context, None, ended.set_result)
    await executor.close()
    return await ended


async def test_parking_unwinds_a_coroutine_and_its_tasks() -> None:
    unwound: list[str] = []

    async def aside(ctx: corral.Context) -> None:
        try:
            await ctx.request_input("?", key="k", park=True)
        finally:
            unwound.append("aside")

    async def handler(ctx: corral.Context) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(aside(ctx))
                group.create_task(asyncio.sleep(60))
        except Exception:
            unwound.append("never")
        finally:
            unwound.append("handler")

    assert await inline(handler) == Park("k")
    assert unwound == ["aside", "handler"]


async def test_parking_in_a_thread_of_a_coroutine_unwinds_it_too() -> None:
    async def handler(ctx: corral.Context) -> None:
        await asyncio.to_thread(ctx.request_input_sync, "?", key="k", park=True)

    async def grouped(ctx: corral.Context) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(handler(ctx))

    assert await inline(handler) == Park("k")
    assert await inline(grouped) == Park("k")


async def test_a_handler_that_returns_in_spite_of_parking_has_returned() -> None:
    async def handler(ctx: corral.Context) -> str:
        try:
            await ctx.request_input("?", park=True)
        except asyncio.CancelledError:
            return "stubborn"
        return "answered"

    assert await inline(handler) == Output(b'"stubborn"')


async def test_a_coroutine_that_is_told_to_stop_is_cancelled_as_ever() -> None:
    context = context_of()
    outcomes: list[Outcome] = []

    async def handler(ctx: corral.Context) -> None:
        await ctx.request_input("?")

    executor = InlineExecutor(asyncio.get_running_loop())
    executor.start(handler_of(handler), context, None, outcomes.append)
    await anyio.wait_all_tasks_blocked()
    context.tell_cancelled("cancelled")
    executor.stop(context)
    await executor.close()
    assert outcomes == [Abandoned()]


def test_parking_unwinds_a_thread_past_except_exception() -> None:
    unwound: list[str] = []

    def handler(ctx: corral.Context) -> None:
        try:
            ctx.request_input_sync("?", key="k", park=True)
        except Exception:
            unwound.append("never")
        finally:
            unwound.append("handler")

    outcomes: list[Outcome] = []
    executor = ThreadExecutor(1)
    executor.start(handler_of(handler), context_of(), None, outcomes.append)
    executor.close()
    assert outcomes == [Park("k")]
    assert unwound == ["handler"]


def test_a_loop_in_a_thread_is_unwound_by_the_exception() -> None:
    def handler(ctx: corral.Context) -> None:
        asyncio.run(ctx.request_input("?", key="k", park=True))

    with pytest.raises(Parked):
        handler(context_of())
