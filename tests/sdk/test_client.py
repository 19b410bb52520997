"""Clients on real channels: requests, refusals, and going on over dead hubs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import anyio
import anyio.to_thread
import grpc
import msgspec
import pytest

import corral
from corral_proto.v1 import common_pb2
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.sdk.conftest import HubFactory
from tests.sdk.hubs import ScriptedHub, refuse

pytestmark = pytest.mark.anyio


class Doc(msgspec.Struct):
    text: str


class Summary(msgspec.Struct):
    words: int


fleet = corral.Worker("w")


@fleet.workflow("sum", version=2)
async def summarize(doc: Doc) -> Summary:
    return Summary(len(doc.text.split()))


@fleet.capability("gpu:llm@3")
def infer(input: Any) -> Any:
    return input


class Book:
    """Answers submits and remembers them."""

    def __init__(self, hub: ScriptedHub) -> None:
        self.requests: list[Any] = []
        hub.calls["SubmitWorkflow"] = self.submit
        hub.calls["SubmitWorkflows"] = self.submit_many

    def submit(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        return pb.SubmitWorkflowResponse(
            run=common_pb2.Run(run_id=request.run_id, status=common_pb2.RUN_STATUS_PENDING),
            durability=common_pb2.DURABILITY_FSYNC,
            warnings=["nobody offers it"],
        )

    def submit_many(self, request: Any, context: Any) -> Any:
        items: list[Any] = []
        for run in request.runs:
            if run.workflow == "bad":
                error = pb.ErrorDetail(name="InvalidRequest", message="no", field="workflow")
                items.append(pb.SubmitWorkflowsResponse.Item(refused=error))
            else:
                accepted = self.submit(run, context)
                items.append(pb.SubmitWorkflowsResponse.Item(accepted=accepted))
        return pb.SubmitWorkflowsResponse(items=items)


async def test_a_submit_carries_what_was_asked_for(hub: ScriptedHub) -> None:
    book = Book(hub)
    async with corral.Client(hub.address) as client:
        run = await client.submit_workflow(
            summarize,
            Doc("a b"),
            priority=0,
            deadline_ms=5000,
            required_tags=["region=eu"],
            selector=corral.Selector(required={"gpu": "*"}),
            tolerations=[corral.Toleration("spot")],
            wait_for_worker=False,
            vram_mb=9000,
            model="llama3",
            fairness_key="team-a",
            fairness_weight=3,
            retry=corral.RetryPolicy(max_attempts=4),
            labels={"a": "b"},
            traceparent="00-1",
        )
        await client.submit_workflow(infer, None)
        await client.submit_workflow("named", capability="kind@*", workflow_version=7)
    assert (run.status, run.durability, run.warnings) == ("pending", "fsync", ("nobody offers it",))
    first, second, third = book.requests
    assert (first.workflow, first.workflow_version, first.input) == ("sum", 2, b'{"text":"a b"}')
    assert first.HasField("priority")
    assert first.priority == 0
    assert first.wait_for_worker is False
    assert first.retry.max_attempts == 4
    assert (first.fairness.key, first.fairness.weight) == ("team-a", 3)
    assert (first.resource_hint.vram_mb, first.resource_hint.model) == (9000, "llama3")
    assert len(first.run_id) == 32
    assert not first.HasField("capability")
    assert (second.workflow, second.capability.kind, second.capability.version) == (
        "infer",
        "gpu:llm",
        3,
    )
    assert second.wait_for_worker is True
    assert not second.HasField("priority")
    assert (third.capability.version, third.workflow_version) == (0, 7)


async def test_wrong_options_are_refused_before_anything_is_sent(hub: ScriptedHub) -> None:
    async with corral.Client(hub.address) as client:
        wrong: list[dict[str, Any]] = [
            {"priority": -1},
            {"deadline_ms": -5},
            {"required_tags": "region=eu"},
            {"fairness": corral.Fairness("a"), "fairness_key": "b"},
            {"capability": "no version@x"},
        ]
        for options in wrong:
            with pytest.raises(corral.InvalidRequest):
                await client.submit_workflow("w", **options)
        with pytest.raises(TypeError, match="prio"):
            await client.submit_workflow("w", prio=1)
        with pytest.raises(corral.InvalidRequest, match="JSON"):
            await client.submit_workflow("w", object())
        with pytest.raises(corral.PayloadTooLarge):
            await client.submit_workflow("w", "x" * 5_000_000)


async def test_a_call_goes_to_the_next_hub_with_the_same_run_id(make_hub: HubFactory) -> None:
    dead, lost, alive = make_hub("dead"), make_hub("lost"), make_hub("alive")
    dead.kill()
    seen: list[str] = []

    def unavailable(request: Any, context: Any) -> Any:
        seen.append(request.run_id)
        refuse(context, grpc.StatusCode.UNAVAILABLE, name="Unavailable", message="store away")

    lost.calls["SubmitWorkflow"] = unavailable
    book = Book(alive)
    async with corral.Client([dead.address, lost.address, alive.address]) as client:
        run = await client.submit_workflow("w")
        assert seen == [run.run_id] == [book.requests[0].run_id]
        await client.submit_workflow("w")
        assert len(seen) == 1


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
async def test_a_time_in_which_no_hub_can_answer_is_refused(timeout: float) -> None:
    with pytest.raises(corral.InvalidRequest, match="give more than 0"):
        corral.Client(timeout=timeout)
    async with corral.Client() as client:
        with pytest.raises(corral.InvalidRequest, match="give more than 0"):
            await client.submit_workflow("w", timeout=timeout)


async def test_more_than_a_page_is_refused_with_what_gives_all() -> None:
    async with corral.Client() as client:
        with pytest.raises(corral.InvalidRequest, match=r"1 to 256 runs.*runs\(\)"):
            await client.list_runs(limit=10_000)
        no_submit: Any = "w"
        with pytest.raises(corral.WrongType, match=r"submits\[0\] is 'w'; give a Submit"):
            await client.submit_workflows([no_submit])


@pytest.mark.parametrize("use", ["submit_workflow", "describe_workflow", "events"])
def test_a_client_belongs_to_the_loop_of_its_first_call(hub: ScriptedHub, use: str) -> None:
    Book(hub)
    client = corral.Client(hub.address)

    async def call() -> Any:
        if use == "events":
            return [event async for event in client.subscribe_run_events("r")]
        return await getattr(client, use)("w")

    async def first() -> None:
        await client.submit_workflow("w")

    asyncio.run(first())
    with pytest.raises(corral.WrongLoop, match=r"asyncio\.run"):
        asyncio.run(call())


async def test_no_hub_is_an_error_that_names_the_addresses_in_bounded_time() -> None:
    began = time.monotonic()
    async with corral.Client("127.0.0.1:1", timeout=0.5) as client:
        with pytest.raises(corral.NoHub, match=r"127\.0\.0\.1:1"):
            await client.stats()
    assert time.monotonic() - began < 5


async def test_closing_a_client_ends_its_calls_with_an_error(hub: ScriptedHub) -> None:
    import threading

    called, done = threading.Event(), threading.Event()

    def slow(request: Any, context: Any) -> Any:
        called.set()
        done.wait(10)
        return pb.GetStatsResponse()

    hub.calls["GetStats"] = slow
    client = corral.Client(hub.address)

    async def call() -> None:
        with pytest.raises(corral.Unavailable, match="closed"):
            await client.stats()

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await anyio.to_thread.run_sync(called.wait, 10)
        await client.close()
    done.set()
    with pytest.raises(corral.CorralError, match="closed"):
        await client.stats()


@pytest.mark.parametrize(
    ("name", "code", "error"),
    [
        ("AlreadyExists", grpc.StatusCode.ALREADY_EXISTS, corral.AlreadyExists),
        ("NoMatchingWorker", grpc.StatusCode.FAILED_PRECONDITION, corral.NoMatchingWorker),
        ("PayloadTooLarge", grpc.StatusCode.INVALID_ARGUMENT, corral.PayloadTooLarge),
        ("StoreFull", grpc.StatusCode.RESOURCE_EXHAUSTED, corral.StoreFull),
        ("NameOfTomorrow", grpc.StatusCode.NOT_FOUND, corral.RunNotFound),
        ("NameOfTomorrow", grpc.StatusCode.DATA_LOSS, corral.InternalHubError),
    ],
)
async def test_a_refusal_becomes_its_class(
    hub: ScriptedHub, name: str, code: grpc.StatusCode, error: type[corral.HubError]
) -> None:
    def answer(request: Any, context: Any) -> None:
        refuse(context, code, name=name, message="said so", field="f", limit="9", run_id="r")

    hub.calls["SubmitWorkflow"] = answer
    async with corral.Client(hub.address) as client:
        with pytest.raises(error, match="said so") as caught:
            await client.submit_workflow("w")
    assert (caught.value.field, caught.value.limit, caught.value.run_id) == ("f", "9", "r")


async def test_many_runs_go_in_parts_and_each_has_its_own_verdict(hub: ScriptedHub) -> None:
    book = Book(hub)
    submits = [corral.Submit("bad" if n == 7 else "good", n) for n in range(1200)]
    big = [corral.Submit("good", "x" * 1_000_000) for _ in range(4)]
    async with corral.Client(hub.address) as client:
        outcomes = await client.submit_workflows([*submits, *big])
    assert len(outcomes) == 1204
    refused = outcomes[7]
    assert isinstance(refused, corral.InvalidRequest)
    assert refused.field == "workflow"
    assert [r.run_id for r in book.requests] == [
        outcome.run_id for outcome in outcomes if isinstance(outcome, corral.Run)
    ]


def event(number: int, type_: str = "e") -> Any:
    return pb.SubscribeRunEventsResponse(
        event=common_pb2.Event(run_id="r", number=number, type=type_, cursor=f"1-{number}")
    )


def end(**run: Any) -> Any:
    return pb.SubscribeRunEventsResponse(
        end=pb.SubscribeRunEventsResponse.End(run=common_pb2.Run(run_id="r", **run))
    )


async def test_events_go_on_over_hubs_from_the_cursor(make_hub: HubFactory) -> None:
    a, b = make_hub("a"), make_hub("b")

    def first(request: Any, context: Any) -> Iterator[Any]:
        yield event(1)
        yield event(2)
        context.abort(grpc.StatusCode.UNAVAILABLE, "hub stops")

    def second(request: Any, context: Any) -> Iterator[Any]:
        assert request.cursor == "1-2"
        yield pb.SubscribeRunEventsResponse(ping=pb.SubscribeRunEventsResponse.Ping(time_ms=1))
        yield pb.SubscribeRunEventsResponse(
            gap=pb.SubscribeRunEventsResponse.Gap(first=3, last=4, reason="trimmed")
        )
        yield event(5)
        yield end(status=common_pb2.RUN_STATUS_COMPLETED, output=b'{"words":2}')

    a.calls["SubscribeRunEvents"] = first
    b.calls["SubscribeRunEvents"] = second
    async with corral.Client([a.address, b.address]) as client:
        got: list[Any] = []
        events = client.subscribe_run_events("r")
        async for item in events:
            got.append((item.first, item.last) if isinstance(item, corral.GapInEvents) else item)
    assert got[2] == (3, 4)
    assert [item.number for item in got if isinstance(item, corral.Event)] == [1, 2, 5]
    assert events.ended is not None
    assert events.ended.output == {"words": 2}
    assert events.cursor == "1-5"


async def test_a_result_has_the_handlers_type(hub: ScriptedHub) -> None:
    Book(hub)
    hub.calls["SubscribeRunEvents"] = lambda request, context: iter(
        [end(status=common_pb2.RUN_STATUS_COMPLETED, output=b'{"words":2}')]
    )
    async with corral.Client(hub.address) as client:
        run = await client.submit_workflow(summarize, Doc("a b"))
        assert await run.result() == Summary(2)
        assert await client.run(run.run_id).result() == {"words": 2}


async def test_failed_and_cancelled_runs_raise(hub: ScriptedHub) -> None:
    error = common_pb2.RunError(
        code=common_pb2.ERROR_CODE_HANDLER, type="ValueError", message="no", details=b"[1]"
    )
    ends = [
        end(status=common_pb2.RUN_STATUS_FAILED, error=error, attempt=2),
        end(status=common_pb2.RUN_STATUS_CANCELLED, cancel_reason="enough"),
        end(status=common_pb2.RUN_STATUS_COMPLETED, output=b'"text"'),
    ]
    hub.calls["SubscribeRunEvents"] = lambda request, context: iter([ends.pop(0)])
    Book(hub)
    async with corral.Client(hub.address) as client:
        with pytest.raises(corral.RunFailed) as failed:
            await client.run("r").result()
        assert (failed.value.code, failed.value.type, failed.value.details) == (
            "HANDLER",
            "ValueError",
            [1],
        )
        with pytest.raises(corral.RunCancelled, match="enough"):
            await client.run("r").result()
        run = await client.submit_workflow(summarize, Doc("a"))
        with pytest.raises(corral.BadResult):
            await run.result()


async def test_a_result_that_is_late_raises_and_can_be_waited_for_again(hub: ScriptedHub) -> None:
    import threading

    done = threading.Event()

    def slow(request: Any, context: Any) -> Iterator[Any]:
        yield event(1)
        done.wait(10)
        yield end(status=common_pb2.RUN_STATUS_COMPLETED, output=b"1")

    hub.calls["SubscribeRunEvents"] = slow
    async with corral.Client(hub.address) as client:
        run = client.run("r")
        with pytest.raises(corral.ResultTimeout):
            await run.result(timeout=0.1)
        done.set()
        assert await run.result(timeout=10) == 1


async def test_listings_walk_short_and_empty_pages(hub: ScriptedHub) -> None:
    pages = {
        "": pb.ListRunsResponse(runs=[common_pb2.Run(run_id="a")], cursor="1"),
        "1": pb.ListRunsResponse(cursor="2"),
        "2": pb.ListRunsResponse(runs=[common_pb2.Run(run_id="b")]),
    }
    hub.calls["ListRuns"] = lambda request, context: pages[request.cursor]
    async with corral.Client(hub.address) as client:
        assert [run.run_id async for run in client.runs(statuses=["failed"])] == ["a", "b"]
        with pytest.raises(corral.InvalidRequest, match="pending"):
            await client.list_runs(statuses=["nonsense"])


async def test_the_blocking_client_does_the_same(hub: ScriptedHub) -> None:
    Book(hub)
    hub.calls["SubscribeRunEvents"] = lambda request, context: iter(
        [event(1), end(status=common_pb2.RUN_STATUS_COMPLETED, output=b'{"words":2}')]
    )

    def use() -> None:
        with corral.SyncClient(hub.address) as client:
            run = client.submit_workflow(summarize, Doc("a b"))
            assert [item.type for item in run.events()] == ["e"]
            assert next(run.events()).type == "e"
            assert run.result(timeout=10) == Summary(2)
            (other,) = client.submit_workflows([corral.Submit("w")])
            assert isinstance(other, corral.SyncRun)
            with pytest.raises(corral.NotImplementedByHub):
                client.stats()
        client.close()

    with anyio.fail_after(20):
        await anyio.to_thread.run_sync(use)
