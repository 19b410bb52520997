"""Calls about many runs and whole queues, from both clients and from the command line."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import pytest
from typer.testing import CliRunner

import corral
from corral.cli.app import app
from corral_proto.v1 import common_pb2
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.sdk.hubs import ScriptedHub

pytestmark = pytest.mark.anyio

VERDICTS = {"good": "completed", "gone": "unknown", "busy": "live"}


class Desk:
    """Answers the calls, two runs to a page, and remembers the requests."""

    def __init__(self, hub: ScriptedHub) -> None:
        self.hub = hub
        self.requests: list[Any] = []
        self.paused: set[str] = set()
        hub.calls["CancelWorkflows"] = self.cancel
        hub.calls["RetryRuns"] = self.retry
        hub.calls["PauseQueue"] = self.pause
        hub.calls["ExplainRun"] = self.explain

    def cancel(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        page = int(request.cursor or "0")
        return pb.CancelWorkflowsResponse(
            run_ids=[f"r{2 * page}", f"r{2 * page + 1}"] if page != 1 else [],
            cursor=str(page + 1) if page < 2 else "",
        )

    def retry(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        ids = list(request.run_ids) or ["f" + (request.cursor or "0")]
        cursor = "1" if request.HasField("filter") and not request.cursor else ""
        return pb.RetryRunsResponse(
            items=[
                pb.RetryRunsResponse.Item(run_id=run, verdict=VERDICTS.get(run, "retried"))
                for run in ids
            ],
            cursor=cursor,
        )

    def pause(self, request: Any, context: Any) -> Any:
        (self.paused.add if request.paused else self.paused.discard)(request.kind)
        return pb.PauseQueueResponse(paused=sorted(self.paused))

    def explain(self, request: Any, context: Any) -> Any:
        return pb.ExplainRunResponse(
            status=common_pb2.RUN_STATUS_PENDING,
            stages={"full": 2, "tags": 1},
            workers=[
                pb.ExplainRunResponse.WorkerVerdict(worker_id="w1", verdict="full"),
                pb.ExplainRunResponse.WorkerVerdict(worker_id="w2", verdict="fits", score=50),
            ],
            ahead_in_flow=3,
            waiting_by_band={4: 7},
            band=4,
            summary="every worker that could take it is full",
        )

    def command(self, *arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, [*arguments, "--hub", self.hub.address])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def desk(hub: ScriptedHub) -> Desk:
    return Desk(hub)


async def test_a_filtered_cancel_goes_through_all_pages(desk: Desk) -> None:
    async with corral.Client(desk.hub.address) as client:
        ids = await client.cancel_workflows(
            workflow="x", statuses=["pending"], labels={"a": "b"}, reason="why"
        )
        assert ids == ["r0", "r1", "r4", "r5"]
        for wrong in ({}, {"statuses": ["lost"]}, {"statuses": "pending"}):
            options: Any = wrong
            with pytest.raises(corral.InvalidRequest):
                await client.cancel_workflows(**options)
    assert [request.cursor for request in desk.requests] == ["", "1", "2"]
    chosen = desk.requests[0].filter
    assert (chosen.workflow, dict(chosen.labels)) == ("x", {"a": "b"})
    assert list(chosen.statuses) == [common_pb2.RUN_STATUS_PENDING]
    assert desk.requests[0].reason == "why"


async def test_runs_are_retried_by_id_and_by_filter(desk: Desk) -> None:
    async with corral.Client(desk.hub.address) as client:
        many = [f"m{number}" for number in range(300)]
        assert await client.retry_runs(many) == dict.fromkeys(many, "retried")
        assert [len(request.run_ids) for request in desk.requests] == [256, 44]
        assert await client.retry_runs(workflow="x") == {"f0": "retried", "f1": "retried"}
        assert await client.retry_runs("good") == {"good": "completed"}
        for both_or_neither in ({}, {"run_ids": ["a"], "workflow": "x"}):
            options: Any = both_or_neither
            with pytest.raises(corral.InvalidRequest):
                await client.retry_runs(**options)
        assert await client.run("r").retry()
        assert not await client.run("busy").retry()
        with pytest.raises(corral.RunNotFound, match="no run gone"):
            await client.run("gone").retry()


async def test_kinds_are_paused_and_a_wait_is_explained(desk: Desk) -> None:
    async with corral.Client(desk.hub.address) as client:
        assert await client.pause("workflow:x") == ["workflow:x"]
        assert await client.resume("workflow:x") == []
        found = await client.run("r").explain()
        assert (found.run_id, found.status) == ("r", corral.RunStatus.PENDING)
        assert (found.stages, found.waiting_by_band) == ({"full": 2, "tags": 1}, {4: 7})
        assert found.workers[1].score == 50


async def test_the_blocking_client_has_the_same_calls(desk: Desk) -> None:
    def use() -> None:
        with corral.SyncClient(desk.hub.address) as client:
            assert client.cancel_workflows(workflow="x") == ["r0", "r1", "r4", "r5"]
            assert client.retry_runs(["good"]) == {"good": "completed"}
            assert client.pause("workflow:x") == ["workflow:x"]
            assert client.resume("workflow:x") == []
            assert client.explain("r").band == 4
            assert client.run("r").retry()
            assert client.run("r").explain().ahead_in_flow == 3

    await anyio.to_thread.run_sync(use)


def test_the_command_line_cancels_by_filter_only_when_all_are_meant(desk: Desk) -> None:
    code, _, err = desk.command("cancel", "--workflow", "x")
    assert (code, "--all" in err) == (2, True)
    assert desk.command("cancel", "--all")[0] == 2
    assert desk.command("cancel", "r1", "--workflow", "x", "--all")[0] == 2
    assert desk.command("cancel", "--status", "lost", "--all")[0] == 2
    assert not desk.requests
    code, out, _ = desk.command("cancel", "--workflow", "x", "--label", "a=b", "--all")
    assert (code, out.splitlines()[0]) == (0, "r0 cancelled")
    assert desk.command("cancel", "--workflow", "x", "--all", "--json")[1] == (
        '{"cancelled":["r0","r1","r4","r5"]}\n'
    )


def test_the_command_line_retries(desk: Desk) -> None:
    assert desk.command("retry", "a", "b") == (0, "a retried\nb retried\n", "")
    code, out, err = desk.command("retry", "a", "good")
    assert (code, out) == (3, "a retried\ngood completed\n")
    assert "1 of 2" in err
    assert desk.command("retry", "--workflow", "x", "--json")[1] == (
        '{"f0":"retried","f1":"retried"}\n'
    )
    assert desk.command("retry")[0] == 2


def test_the_command_line_pauses_and_explains(desk: Desk) -> None:
    assert desk.command("pause", "workflow:x")[1] == "paused: workflow:x\n"
    assert desk.command("resume", "workflow:x")[1] == "paused: nothing\n"
    code, out, _ = desk.command("explain", "r")
    assert code == 0
    assert "every worker that could take it is full" in out
    assert "full\t2" in out
    assert "w2\tfits\t50" in out
    assert desk.command("explain", "r", "--json")[1].startswith('{"run_id":"r","status":"pending"')
