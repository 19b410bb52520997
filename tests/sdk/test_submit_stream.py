"""Submits by a stream: what comes often goes there, and whatever is wrong with it costs nobody
more than a call."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

import corral
from corral import submit_stream
from corral.addresses import parse_addresses
from corral.calls import Hubs
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.sdk.conftest import HubFactory
from tests.sdk.hubs import ScriptedHub
from tests.sdk.test_submitting import Calls, outcome

pytestmark = pytest.mark.anyio

Answers = Iterator[pb.SubmitStreamResponse]


class Streams(Calls):
    """Accepts runs by calls and by streams; `streamed` is what each message carried."""

    def __init__(self, hub: ScriptedHub) -> None:
        super().__init__(hub)
        self.opened = 0
        self.ended = threading.Event()
        self.streamed: list[list[str]] = []
        hub.calls["SubmitStream"] = self.stream

    def stream(self, requests: Any, context: Any) -> Answers:
        self.opened += 1
        context.add_callback(self.ended.set)
        yield pb.SubmitStreamResponse()
        for request in requests:
            self.streamed.append([run.run_id for run in request.submit.runs])
            yield from self.answers(request, context)

    def answers(self, request: pb.SubmitStreamRequest, context: Any) -> Answers:
        """What is said when a submit has come."""
        yield answer_to(request)


def answer_to(request: pb.SubmitStreamRequest) -> pb.SubmitStreamResponse:
    items = [outcome(run) for run in request.submit.runs]
    return pb.SubmitStreamResponse(
        number=request.number, submitted=pb.SubmitWorkflowsResponse(items=items)
    )


async def until_streamed(client: corral.Client, hub: Streams) -> None:
    """Submits one after the other, until one has gone by a stream."""
    seen = len(hub.streamed)
    async with asyncio.timeout(10):
        for number in itertools.count():
            await client.submit_workflow("w", run_id=f"warm{number}")
            if len(hub.streamed) > seen:
                break
    hub.seen.clear()
    hub.streamed.clear()


async def test_submits_that_come_often_go_by_one_stream(hub: ScriptedHub) -> None:
    calls = Streams(hub)
    async with corral.Client(hub.address) as client:
        for number in range(submit_stream.OFTEN - 1):
            await client.submit_workflow("w", run_id=f"r{number}")
        assert calls.opened == 0
        await until_streamed(client, calls)
        for number in range(20):
            run = await client.submit_workflow("w", run_id=f"r{number}")
            assert run.run_id == f"r{number}"
        with pytest.raises(corral.NoMatchingWorker, match="nobody"):
            await client.submit_workflow("bad", run_id="refused")
        assert calls.opened == 1
    assert calls.streamed == [[f"r{number}"] for number in range(20)] + [["refused"]]
    assert calls.seen == []


async def test_who_submits_now_and_then_opens_none(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit_stream, "OFTEN_SECONDS", 0.0)
    calls = Streams(hub)
    async with corral.Client(hub.address) as client:
        for number in range(2 * submit_stream.OFTEN):
            await client.submit_workflow("w", run_id=f"r{number}")
    assert (calls.opened, len(calls.seen)) == (0, 2 * submit_stream.OFTEN)


async def test_those_of_one_moment_are_one_message_and_each_has_its_verdict(
    hub: ScriptedHub,
) -> None:
    calls = Streams(hub)
    async with corral.Client(hub.address) as client:
        await until_streamed(client, calls)
        workflows = ["ahead", "w", "bad", "w"]
        asked = [client.submit_workflow(w, run_id=f"r{n}") for n, w in enumerate(workflows)]
        first, *others = await asyncio.gather(*asked, return_exceptions=True)
    assert calls.streamed == [["r0"], ["r1", "r2", "r3"]]
    assert isinstance(first, corral.Run)
    assert [type(one) for one in others] == [corral.Run, corral.NoMatchingWorker, corral.Run]


async def test_what_is_large_goes_by_a_call(hub: ScriptedHub) -> None:
    calls = Streams(hub)
    async with corral.Client(hub.address) as client:
        await until_streamed(client, calls)
        await client.submit_workflow("w", "x" * submit_stream.MOST_BYTES, run_id="large")
        await client.submit_workflow("w", run_id="small")
    assert (calls.seen, calls.streamed) == ([["large"]], [["small"]])


class Held(Streams):
    """Answers the submits of "held" only behind the next one."""

    def __init__(self, hub: ScriptedHub) -> None:
        super().__init__(hub)
        self.held: list[pb.SubmitStreamRequest] = []
        self.came = threading.Event()

    def answers(self, request: pb.SubmitStreamRequest, context: Any) -> Answers:
        if request.submit.runs[0].run_id == "held":
            self.held.append(request)
            self.came.set()
            return
        yield answer_to(request)
        for before in self.held:
            yield answer_to(before)
        self.held.clear()

    async def hold(self, client: corral.Client) -> asyncio.Task[corral.Run[Any]]:
        """A submit that the hub has read."""
        await until_streamed(client, self)
        task = asyncio.create_task(client.submit_workflow("w", run_id="held"))
        assert await asyncio.to_thread(self.came.wait, 10)
        return task


async def test_answers_may_come_in_any_order(hub: ScriptedHub) -> None:
    calls = Held(hub)
    async with corral.Client(hub.address) as client:
        held = await calls.hold(client)
        assert (await client.submit_workflow("w", run_id="next")).run_id == "next"
        async with asyncio.timeout(10):
            assert (await held).run_id == "held"
    assert (calls.seen, calls.opened) == ([], 1)


async def test_who_gives_up_leaves_the_stream_to_the_others(hub: ScriptedHub) -> None:
    calls = Held(hub)
    async with corral.Client(hub.address) as client:
        held = await calls.hold(client)
        held.cancel()
        with pytest.raises(asyncio.CancelledError):
            await held
        # Its answer comes as well, and is nobody's.
        for name in ("next", "last"):
            assert (await client.submit_workflow("w", run_id=name)).run_id == name
    assert (calls.seen, calls.opened) == ([], 1)


async def test_a_hub_without_such_streams_has_calls(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(hub)
    tried: list[object] = []

    class Counted(submit_stream.Stream):
        def __init__(self, *given: Any) -> None:
            tried.append(given)
            super().__init__(*given)

    monkeypatch.setattr(submit_stream, "Stream", Counted)
    async with corral.Client(hub.address) as client:
        for number in range(10 * submit_stream.OFTEN):
            await client.submit_workflow("w", run_id=f"r{number}")
    # Not asked again for each of them.
    assert (len(calls.seen), len(tried)) == (10 * submit_stream.OFTEN, 1)


class Broken(Streams):
    """Ends the stream behind a submit of "broken", as `how` says, without an answer."""

    how = "abort"

    def answers(self, request: pb.SubmitStreamRequest, context: Any) -> Answers:
        if request.submit.runs[0].run_id != "broken":
            yield answer_to(request)
        elif self.how == "abort":
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        elif self.how == "failed":
            failed = pb.ErrorDetail(name="Unavailable", message="the store does not answer")
            yield pb.SubmitStreamResponse(number=request.number, failed=failed)
        elif self.how == "too few":
            empty = pb.SubmitWorkflowsResponse()
            yield pb.SubmitStreamResponse(number=request.number, submitted=empty)
        else:
            context.cancel()


@pytest.mark.parametrize("how", ["abort", "cancel", "failed", "too few"])
async def test_without_an_answer_the_call_is_made(hub: ScriptedHub, how: str) -> None:
    calls = Broken(hub)
    calls.how = how
    async with corral.Client(hub.address) as client:
        await until_streamed(client, calls)
        run = await client.submit_workflow("w", run_id="broken")
        assert run.run_id == "broken"
        assert (calls.streamed, calls.seen) == ([["broken"]], [["broken"]])
        await client.submit_workflow("w", run_id="next")
    last = calls.streamed if how in ("failed", "too few") else calls.seen
    assert last == [["broken"], ["next"]]


async def test_the_next_stream_comes_after_a_rest(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit_stream, "REST_SECONDS", 0.0)
    calls = Broken(hub)
    async with corral.Client(hub.address) as client:
        await until_streamed(client, calls)
        await client.submit_workflow("w", run_id="broken")
        await until_streamed(client, calls)
    assert calls.opened == 2


async def test_a_hub_that_falls_silent_is_left(
    make_hub: HubFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit_stream, "ATTEMPT_SECONDS", 0.2)
    silent, other = make_hub("silent"), make_hub("other")
    calls, elsewhere = Held(silent), Streams(other)
    async with corral.Client([silent.address, other.address]) as client:
        held = await calls.hold(client)
        async with asyncio.timeout(10):
            assert (await held).run_id == "held"
        assert (calls.seen, elsewhere.seen) == ([], [["held"]])
        assert await asyncio.to_thread(calls.ended.wait, 10)


async def test_the_call_has_what_is_left_of_the_time(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Held(hub)
    monkeypatch.setattr(submit_stream, "ATTEMPT_SECONDS", 0.2)
    left: list[float] = []

    def one(request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        return pb.SubmitWorkflowResponse()

    async with corral.Client(hub.address, timeout=5) as client:
        held = await calls.hold(client)
        hub.calls["SubmitWorkflow"] = one
        await held
    assert 4 < left[0] < 4.85


async def test_a_dead_hub_costs_no_run(make_hub: HubFactory) -> None:
    dying, alive = make_hub("dying"), make_hub("alive")
    calls, elsewhere = Held(dying), Streams(alive)
    async with corral.Client([dying.address, alive.address]) as client:
        held = await calls.hold(client)
        dying.kill()
        async with asyncio.timeout(10):
            assert (await held).run_id == "held"
        # Both are tried again, so the next stream is at the one that lives.
        await client.submit_workflow("w", run_id="next")
    assert elsewhere.seen == [["held"], ["next"]]


async def test_a_stream_that_nobody_uses_ends(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit_stream, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(submit_stream, "REST_SECONDS", 1000.0)
    calls = Streams(hub)
    async with corral.Client(hub.address) as client:
        await until_streamed(client, calls)
        assert await asyncio.to_thread(calls.ended.wait, 10)
        await client.submit_workflow("w", run_id="later")
        assert calls.seen == [["later"]]
        # That is no fault of the hub, so there is no rest.
        await until_streamed(client, calls)
    assert calls.opened == 2


class Stopped(Streams):
    """Answers nothing until the test says so."""

    def __init__(self, hub: ScriptedHub) -> None:
        super().__init__(hub)
        self.came, self.go = threading.Event(), threading.Event()

    def answers(self, request: pb.SubmitStreamRequest, context: Any) -> Answers:
        self.came.set()
        self.go.wait(10)
        yield answer_to(request)


async def test_an_old_stream_ends_when_all_is_answered(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit_stream, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(submit_stream, "AGE_SECONDS", 0.3)
    calls = Stopped(hub)
    hubs = Hubs(parse_addresses(hub.address, None), ())
    shortcut = submit_stream.Shortcut(hubs)
    for _ in range(submit_stream.OFTEN):
        shortcut.called()
    await until(lambda: shortcut.takes([]))
    run = pb.SubmitWorkflowRequest(run_id="r", workflow="w")
    asked = asyncio.create_task(shortcut.submit([run], 10))
    assert await asyncio.to_thread(calls.came.wait, 10)
    await until(lambda: not shortcut.takes([]))
    assert not asked.done()
    calls.go.set()
    (item,) = await asked
    assert item.accepted.run.run_id == "r"
    assert await asyncio.to_thread(calls.ended.wait, 10)
    await hubs.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        for pause in itertools.repeat(0.01):
            if condition():
                break
            await asyncio.sleep(pause)


async def test_a_submit_on_a_silent_stream_ends_in_its_own_time(hub: ScriptedHub) -> None:
    calls = Held(hub)
    async with corral.Client(hub.address) as client:
        await until_streamed(client, calls)
        # Whether the call in its place comes in time is chance.
        async with asyncio.timeout(5):
            with contextlib.suppress(corral.Unavailable):
                await client.submit_workflow("w", run_id="held", timeout=0.3)
    assert calls.streamed == [["held"]]


async def test_submits_follow_the_calls_to_another_hub(make_hub: HubFactory) -> None:
    here, there = make_hub("here"), make_hub("there")
    calls, elsewhere = Streams(here), Streams(there)

    def stats(request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    here.calls["GetStats"] = stats
    there.calls["GetStats"] = lambda request, context: pb.GetStatsResponse()
    async with corral.Client([here.address, there.address]) as client:
        await until_streamed(client, calls)
        await client.stats()
        await client.submit_workflow("w", run_id="next")
    assert (calls.streamed, elsewhere.seen) == ([], [["next"]])


async def test_a_closed_client_says_so(hub: ScriptedHub) -> None:
    calls = Held(hub)
    client = corral.Client(hub.address)
    held = await calls.hold(client)
    await client.close()
    with pytest.raises(corral.Unavailable, match="closed during SubmitWorkflow"):
        await held
    with pytest.raises(corral.ClientClosed):
        await client.submit_workflow("w", run_id="late")
    assert calls.seen == []


async def test_no_task_is_left_behind(hub: ScriptedHub) -> None:
    calls = Streams(hub)
    async with corral.Client(hub.address) as client:
        await until_streamed(client, calls)
        assert own_tasks() > 0
    assert own_tasks() == 0


def own_tasks() -> int:
    """Tasks of streams; those of gRPC itself end a moment later."""
    return sum("Stream._" in repr(task.get_coro()) for task in asyncio.all_tasks())


def test_another_loop_is_told_apart(hub: ScriptedHub) -> None:
    calls = Streams(hub)
    client = corral.Client(hub.address)
    with asyncio.Runner() as runner, asyncio.Runner() as other:
        runner.run(until_streamed(client, calls))
        with pytest.raises(corral.WrongLoop):
            other.run(client.submit_workflow("w", run_id="r"))
        runner.run(client.close())


def test_a_client_is_closed_on_another_loop(hub: ScriptedHub) -> None:
    calls = Streams(hub)
    client = corral.Client(hub.address)
    with asyncio.Runner() as runner, asyncio.Runner() as other:
        runner.run(until_streamed(client, calls))

        async def close() -> None:
            async with asyncio.timeout(10):
                await client.close()

        # Nothing that belongs to the loop that stands still is waited for.
        other.run(close())
        assert calls.ended.wait(10)


def test_the_blocking_client_uses_it_too(hub: ScriptedHub) -> None:
    calls = Streams(hub)
    with corral.SyncClient(hub.address) as client:
        for number in itertools.count():
            client.submit_workflow("w", run_id=f"r{number}")
            if calls.streamed:
                break
            assert number < 1000
