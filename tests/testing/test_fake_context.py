"""A handler in a test: what it said, what it was told, and how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest

import corral
from corral.testing import LAPSED, FakeContext, Progress, Question, RunParked, Said

pytestmark = pytest.mark.anyio


@dataclass
class Order:
    item: str
    count: int = 1


@dataclass
class Bill:
    total: int


worker = corral.Worker("test")


@worker.workflow("bill", retry=corral.RetryPolicy(no_retry_types=["LookupError"]))
async def bill(ctx: corral.Context, order: Order) -> Bill:
    if order.item == "nothing":
        raise LookupError("there is no such item")
    await ctx.emit_event("priced", {"item": order.item})
    ctx.progress(0.5, "half")
    ctx.log.info("billing %s", order.item)
    return Bill(total=order.count * 3)


async def test_it_gives_the_result_as_its_type_and_keeps_what_was_said() -> None:
    context = FakeContext()
    assert await context.run(bill, {"item": "tea", "count": 2}) == Bill(total=6)
    assert context.events == [Said("priced", {"item": "tea"})]
    assert context.progress == [Progress(0.5, "half")]
    assert [line.message for line in context.log] == ["billing tea"]
    assert context.error is None


async def test_it_raises_what_the_handler_raised_and_says_what_would_follow() -> None:
    context = FakeContext()
    with pytest.raises(LookupError, match="no such item"):
        await context.run(bill, Order("nothing"))
    assert context.error is not None
    assert not context.error.retryable
    assert context.attempt == 2


async def test_a_wrong_input_fails_as_in_a_fleet() -> None:
    with pytest.raises(corral.RunFailed) as caught:
        await FakeContext().run(bill, {"item": 3})
    assert caught.value.code == "BAD_INPUT"
    assert "$.item" in caught.value.message


async def test_an_output_without_json_form_fails_as_in_a_fleet() -> None:
    async def odd() -> Any:
        return object()

    with pytest.raises(corral.RunFailed) as caught:
        await FakeContext().run(odd)
    assert caught.value.code == "BAD_OUTPUT"


async def test_the_context_says_what_was_prepared() -> None:
    async def facts(ctx: corral.Context) -> list[Any]:
        return [ctx.run_id, ctx.attempt, ctx.labels["team"], ctx.priority, ctx.model, ctx.device]

    context = FakeContext(
        run_id="r", attempt=4, labels={"team": "a"}, priority=7, model="m", device=1
    )
    assert await context.run(facts) == ["r", 4, "a", 7, "m", 1]


async def test_the_state_is_the_very_object() -> None:
    pool = object()

    async def uses(ctx: corral.Context) -> bool:
        return ctx.state is pool

    assert await FakeContext(state=pool).run(uses)


async def test_a_plain_function_runs_in_a_thread() -> None:
    def plain(ctx: corral.Context, n: int) -> int:
        ctx.emit_event_sync("seen", n)
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return n + 1

    context = FakeContext()
    assert await context.run(plain, 1) == 2
    assert context.events == [Said("seen", 1)]


def test_a_test_that_is_no_coroutine_may_run_it() -> None:
    assert FakeContext().run_sync(bill, Order("tea")) == Bill(total=3)


async def test_a_generator_streams() -> None:
    async def words() -> AsyncGenerator[str | corral.Result[int]]:
        yield "one"
        yield "two"
        yield corral.Result(2)

    context = FakeContext()
    assert await context.run(words) == 2
    assert context.chunks == ["one", "two"]


async def test_told_to_stop_it_is_cancelled() -> None:
    cleaned: list[str] = []

    async def waits(ctx: corral.Context) -> None:
        await ctx.emit_event("began")
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(ctx.cancel_reason)

    context = FakeContext()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(_outcome(context.run(waits)))
        await context.until(lambda: context.events)
        context.cancel("deadline")
    assert isinstance(running.result(), corral.RunCancelled)
    assert cleaned == ["deadline"]


async def test_told_of_a_drain_it_finishes() -> None:
    async def waits(ctx: corral.Context) -> str:
        await ctx.wait_draining()
        return "drained"

    context = FakeContext()
    context.drain()
    assert await context.run(waits) == "drained"


async def test_steps_and_checkpoints_are_there_in_the_next_attempt() -> None:
    calls: list[str] = []

    def load() -> int:
        calls.append("load")
        return 41

    async def twice(ctx: corral.Context) -> list[Any]:
        loaded = await ctx.step("load", load)
        await ctx.checkpoint({"at": ctx.attempt})
        if ctx.attempt < 3:
            raise corral.Retry("again", after_ms=1000)
        return [loaded, ctx.last_checkpoint()]

    context = FakeContext(attempt=2, last_checkpoint={"at": 1})
    with pytest.raises(corral.Retry):
        await context.run(twice)
    assert context.error is not None
    assert (context.error.retryable, context.error.retry_after_ms) == (True, 1000)
    assert await context.run(twice) == [41, {"at": 3}]
    assert calls == ["load"]
    assert context.steps == {"load": 41}
    assert context.checkpoints == [{"at": 2}, {"at": 3}]


async def test_state_beyond_the_limit_is_refused_as_by_a_hub() -> None:
    async def keeps(ctx: corral.Context) -> None:
        await ctx.checkpoint("x" * 100)

    context = FakeContext(max_state_bytes=50)
    with pytest.raises(corral.StateRefused):
        await context.run(keeps)
    assert context.checkpoints == []


async def approve(ctx: corral.Context) -> str:
    agreed = await ctx.request_input("Send it?", schema=bool, metadata={"to": "Ada"})
    return "sent" if agreed else "kept"


async def test_questions_are_answered_by_key_or_prompt() -> None:
    context = FakeContext(answers={"input-1": True})
    assert await context.run(approve) == "sent"
    assert [(q.key, q.metadata) for q in context.questions] == [("input-1", {"to": "Ada"})]
    assert await FakeContext(answers={"Send it?": False}).run(approve) == "kept"


async def test_questions_are_answered_by_a_function() -> None:
    def answer(question: Question) -> bool:
        assert question.schema == {"type": "boolean"}
        return question.prompt == "Send it?"

    assert await FakeContext(answers=answer).run(approve) == "sent"


async def test_what_the_answering_function_raises_reaches_the_test() -> None:
    def answer(question: Question) -> bool:
        raise AssertionError(f"unexpected: {question.prompt}")

    with pytest.raises(AssertionError, match="Send it"):
        await FakeContext(answers=answer).run(approve)


async def test_a_question_is_answered_while_it_is_open() -> None:
    context = FakeContext()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(context.run(approve))
        await context.until(lambda: context.questions)
        assert not running.done()
        context.answer("input-1", True)
    assert running.result() == "sent"


async def test_a_question_lapses() -> None:
    with pytest.raises(corral.InputTimedOut):
        await FakeContext(answers={"input-1": LAPSED}).run(approve)


async def test_a_handler_that_parks_is_run_again() -> None:
    begun: list[int] = []

    async def parks(ctx: corral.Context) -> str:
        begun.append(ctx.attempt)
        return await ctx.request_input("Who?", schema=str, key="who", park=True)

    context = FakeContext()
    with pytest.raises(RunParked) as caught:
        await context.run(parks)
    assert caught.value.key == "who"
    context.answer("who", "Ada")
    assert await context.run(parks) == "Ada"
    assert begun == [1, 1]


async def test_a_handler_that_does_not_end_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(corral.ResultTimeout, match="input-1"):
        await FakeContext().run(approve, timeout=0.2)
    assert time.monotonic() - began < 2


async def test_a_thing_that_is_no_function_is_refused() -> None:
    nothing: Any = 3
    with pytest.raises(corral.BadHandler, match="neither a handler nor a function"):
        await FakeContext().run(nothing)


async def _outcome(running: Any) -> Any:
    try:
        return await running
    except corral.CorralError as error:
        return error
