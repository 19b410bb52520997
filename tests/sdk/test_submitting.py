"""Submits made at the same moment, or while one is on its way: one call, and still each its own
outcome and time."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import grpc
import pytest

import corral
from corral import submitting
from corral_proto.v1 import common_pb2
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.sdk.conftest import HubFactory
from tests.sdk.hubs import ScriptedHub, refuse

pytestmark = pytest.mark.anyio


class Calls:
    """Accepts runs, refuses those of the workflow "bad", and keeps what each call carried."""

    def __init__(self, hub: ScriptedHub) -> None:
        self.seen: list[list[str]] = []
        self.shared = 0
        hub.calls["SubmitWorkflow"] = self.one
        hub.calls["SubmitWorkflows"] = self.many

    def one(self, request: Any, context: Any) -> Any:
        self.seen.append([request.run_id])
        return _accepted(request)

    def many(self, request: Any, context: Any) -> Any:
        self.shared += 1
        self.seen.append([run.run_id for run in request.runs])
        return pb.SubmitWorkflowsResponse(items=[outcome(run) for run in request.runs])


def _accepted(request: Any) -> pb.SubmitWorkflowResponse:
    return pb.SubmitWorkflowResponse(run=common_pb2.Run(run_id=request.run_id))


def outcome(run: Any) -> pb.SubmitWorkflowsResponse.Item:
    if run.workflow == "bad":
        detail = pb.ErrorDetail(name="NoMatchingWorker", message="nobody", run_id=run.run_id)
        return pb.SubmitWorkflowsResponse.Item(refused=detail)
    return pb.SubmitWorkflowsResponse.Item(accepted=_accepted(run))


async def together(
    client: corral.Client, *submits: corral.Submit[Any], timeout: float | None = None
) -> list[Any]:
    """Submits while a call is on its way; gives the outcomes of all but that call."""
    runs = [corral.Submit("w", run_id="ahead"), *submits]
    calls = [
        client.submit_workflow(run.workflow, run_id=run.run_id, timeout=timeout) for run in runs
    ]
    return (await asyncio.gather(*calls, return_exceptions=True))[1:]


def some(count: int) -> list[corral.Submit[Any]]:
    return [corral.Submit("w", run_id=f"r{n}") for n in range(count)]


async def test_submits_of_one_moment_go_in_one_call(hub: ScriptedHub) -> None:
    calls = Calls(hub)
    names = [f"r{n}" for n in range(50)]
    async with corral.Client(hub.address) as client:
        for _ in range(3):
            runs = await together(client, *some(50))
            assert [run.run_id for run in runs] == names
    # The first went at once, as nobody knew of the others; from then on they are expected.
    assert sorted(calls.seen[:2]) == [["ahead"], names]
    assert calls.seen[2:] == [["ahead", *names]] * 2


async def test_after_some_without_company_one_goes_at_once_again(hub: ScriptedHub) -> None:
    calls = Calls(hub)
    async with corral.Client(hub.address) as client:
        for lonely in (15, 16):
            await together(client, *some(2))
            for n in range(lonely):
                await client.submit_workflow("w", run_id=f"lonely{n}")
            calls.seen.clear()
            await together(client, *some(2))
            shared = ["r0", "r1"] if lonely == 16 else ["ahead", "r0", "r1"]
            assert shared in calls.seen


async def test_one_of_a_moment_goes_alone(hub: ScriptedHub) -> None:
    calls = Calls(hub)
    async with corral.Client(hub.address) as client:
        await client.submit_workflow("w", run_id="single")
        (run,) = await together(client, *some(1))
    assert run.run_id == "r0"
    assert (sorted(calls.seen), calls.shared) == ([["ahead"], ["r0"], ["single"]], 0)


async def test_each_has_its_own_verdict(hub: ScriptedHub) -> None:
    Calls(hub)
    async with corral.Client(hub.address) as client:
        good, bad, other = await together(
            client,
            corral.Submit("good", run_id="a"),
            corral.Submit("bad", run_id="b"),
            corral.Submit("good", run_id="c"),
        )
    assert isinstance(good, corral.Run)
    assert isinstance(bad, corral.NoMatchingWorker)
    assert isinstance(other, corral.Run)
    assert (good.run_id, bad.run_id, other.run_id) == ("a", "b", "c")


async def test_what_is_too_much_for_one_call_goes_in_several(hub: ScriptedHub) -> None:
    calls = Calls(hub)
    large = "x" * 1_000_000
    async with corral.Client(hub.address) as client:
        runs = await asyncio.gather(*(client.submit_workflow("w", large) for _ in range(8)))
    assert sorted(len(call) for call in calls.seen) == [1, 1, 3, 3]
    assert sorted(run.run_id for run in runs) == sorted(
        run_id for call in calls.seen for run_id in call
    )


async def test_submits_with_different_times_share_no_call(hub: ScriptedHub) -> None:
    calls = Calls(hub)
    async with corral.Client(hub.address) as client:
        await asyncio.gather(
            *(client.submit_workflow("w", run_id=f"r{n}", timeout=5 + n % 2) for n in range(5))
        )
    assert sorted(calls.seen) == [["r0"], ["r1", "r3"], ["r2", "r4"]]


async def test_a_failed_call_is_an_error_of_its_own_for_each(hub: ScriptedHub) -> None:
    def denied(request: Any, context: Any) -> Any:
        refuse(
            context, grpc.StatusCode.PERMISSION_DENIED, name="PermissionDenied", message="no",
            field="namespace",
        )  # fmt: skip

    Calls(hub)
    hub.calls["SubmitWorkflows"] = denied
    async with corral.Client(hub.address) as client:
        errors = await together(client, *some(3))
    for error in errors:
        assert isinstance(error, corral.PermissionDenied)
        assert (str(error), error.field) == ("no", "namespace")
        assert isinstance(error.__cause__, grpc.aio.AioRpcError)
    assert len({id(error) for error in errors}) == 3


async def test_a_shared_call_goes_to_the_next_hub_with_the_same_ids(make_hub: HubFactory) -> None:
    dead, alive = make_hub("dead"), make_hub("alive")
    dead.kill()
    calls = Calls(alive)
    async with corral.Client([dead.address, alive.address]) as client:
        await together(client, *some(3))
    assert sorted(calls.seen) == [["ahead"], ["r0", "r1", "r2"]]


async def test_no_hub_in_time_is_said_to_each() -> None:
    async with corral.Client("127.0.0.1:1") as client:
        errors = await together(client, *some(3), timeout=0.3)
    assert [type(error) for error in errors] == [corral.NoHub] * 3


class Slow(Calls):
    """Holds the calls whose first run is "ahead" until the test lets them go."""

    def __init__(self, hub: ScriptedHub) -> None:
        super().__init__(hub)
        self.called, self.go = threading.Event(), threading.Event()

    def _hold(self, run_id: str) -> None:
        if run_id == "ahead":
            self.called.set()
            self.go.wait(10)

    def one(self, request: Any, context: Any) -> Any:
        self._hold(request.run_id)
        return super().one(request, context)

    def many(self, request: Any, context: Any) -> Any:
        self._hold(request.runs[0].run_id)
        return super().many(request, context)


async def test_what_comes_while_one_is_on_its_way_leaves_behind_it(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "BEHIND_SECONDS", 60.0)
    calls = Slow(hub)
    async with corral.Client(hub.address) as client:
        tasks = [asyncio.create_task(client.submit_workflow("w", run_id="ahead"))]
        assert await asyncio.to_thread(calls.called.wait, 10)
        for name in ("r0", "r1", "r2"):
            tasks.append(asyncio.create_task(client.submit_workflow("w", run_id=name)))
            # A turn each, so that none of them are of one moment.
            await asyncio.sleep(0)
        calls.go.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)
    assert calls.seen == [["ahead"], ["r0", "r1", "r2"]]


@pytest.mark.parametrize("ahead", ["one", "shared"])
async def test_one_that_stays_away_is_not_waited_for(hub: ScriptedHub, ahead: str) -> None:
    calls = Slow(hub)
    async with corral.Client(hub.address) as client:
        if ahead == "shared":
            # From here on company is expected, so that the two below share a call.
            await asyncio.gather(*(client.submit_workflow("w", run_id=f"r{n}") for n in range(3)))
        names = ["ahead"] if ahead == "one" else ["ahead", "beside"]
        held = [asyncio.create_task(client.submit_workflow("w", run_id=name)) for name in names]
        try:
            assert await asyncio.to_thread(calls.called.wait, 10)
            async with asyncio.timeout(10):
                await client.submit_workflow("w", run_id="behind")
            assert not any(task.done() for task in held)
        finally:
            calls.go.set()
        await asyncio.gather(*held)


async def test_nothing_waits_for_a_list_of_runs(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "BEHIND_SECONDS", 60.0)
    calls = Slow(hub)
    async with corral.Client(hub.address) as client:
        listed = asyncio.create_task(
            client.submit_workflows([corral.Submit("w", run_id="ahead"), *some(2)])
        )
        try:
            assert await asyncio.to_thread(calls.called.wait, 10)
            async with asyncio.timeout(10):
                await client.submit_workflow("w", run_id="single")
            assert not listed.done()
        finally:
            calls.go.set()
        assert len(await listed) == 3


class Held(Calls):
    """Holds a shared call until the test lets it go."""

    def __init__(self, hub: ScriptedHub) -> None:
        super().__init__(hub)
        self.called, self.ended, self.go = threading.Event(), threading.Event(), threading.Event()

    def many(self, request: Any, context: Any) -> Any:
        context.add_callback(self.ended.set)
        self.called.set()
        self.go.wait(10)
        return super().many(request, context)


async def _tasks(client: corral.Client, held: Held) -> list[asyncio.Task[corral.Run[Any]]]:
    """Three submits that wait for one held call."""
    names = ["ahead", "r0", "r1", "r2"]
    tasks = [asyncio.create_task(client.submit_workflow("w", run_id=name)) for name in names]
    assert await asyncio.to_thread(held.called.wait, 10)
    await tasks[0]
    return tasks[1:]


async def test_who_gives_up_takes_nothing_from_the_others(hub: ScriptedHub) -> None:
    held = Held(hub)
    async with corral.Client(hub.address) as client:
        first, *others = await _tasks(client, held)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        held.go.set()
        assert [run.run_id for run in await asyncio.gather(*others)] == ["r1", "r2"]


async def test_when_all_have_given_up_the_call_ends(hub: ScriptedHub) -> None:
    held = Held(hub)
    async with corral.Client(hub.address) as client:
        tasks = await _tasks(client, held)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert await asyncio.to_thread(held.ended.wait, 10)
        held.go.set()
    assert all(task.cancelled() for task in tasks)


async def test_one_that_was_cancelled_before_it_left_is_not_sent(hub: ScriptedHub) -> None:
    calls = Calls(hub)
    names = ("ahead", "r1", "r2")
    async with corral.Client(hub.address) as client:
        tasks = [asyncio.create_task(client.submit_workflow("w", run_id=name)) for name in names]
        # All have asked when the first turn of the loop is over; the call leaves in the next.
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait(tasks)
        assert tasks[2].result().run_id == "r2"
    assert sorted(calls.seen) == [["ahead"], ["r2"]]


async def test_a_closed_client_says_so_to_each(hub: ScriptedHub) -> None:
    held = Held(hub)
    client = corral.Client(hub.address)
    tasks = await _tasks(client, held)
    await client.close()
    held.go.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [corral.Unavailable] * 3
    assert [type(outcome) for outcome in await together(client, *some(2))] == [
        corral.ClientClosed
    ] * 2


async def test_a_hub_that_answers_for_too_few_is_an_error(hub: ScriptedHub) -> None:
    Calls(hub)
    hub.calls["SubmitWorkflows"] = lambda request, context: pb.SubmitWorkflowsResponse()
    async with corral.Client(hub.address) as client:
        outcomes = await together(client, *some(2))
        assert [type(outcome) for outcome in outcomes] == [corral.InternalHubError] * 2
        with pytest.raises(corral.InternalHubError, match="0 of 1"):
            await client.submit_workflows([corral.Submit("w")])
