"""What the hubs of a fleet know, asked without an event loop, and judged.

A function that asserts must not be a coroutine: one that nobody awaits would always pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from corral.addresses import parse_address
from corral.channel import open_channel
from corral.errors import RunNotFound
from corral.records import RunSnapshot, RunStatus, run_from_wire
from corral.testing.errors import FleetError
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import orchestrator_pb2_grpc

ANSWER_SECONDS = 10.0
# How an attempt ended that goes on where it was.
PARKED = "parked"


class Records:
    """Asks one hub over a connection of its own, for the life of a context manager."""

    def __init__(self, address: str) -> None:
        self._channel = open_channel(parse_address(address))
        self._stub: Any = orchestrator_pb2_grpc.OrchestratorStub(self._channel)

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def describe(self, run_id: str) -> RunSnapshot:
        """A run in full; raises `RunNotFound`."""
        request = pb.DescribeWorkflowRequest(run_id=run_id)
        return run_from_wire(self._ask(self._stub.DescribeWorkflow, request, run_id).run)

    def of_workflow(self, workflow: str) -> list[RunSnapshot]:
        """All runs of a workflow in full, oldest first."""
        return [self.describe(run_id) for run_id in reversed(list(self._ids(workflow)))]

    def worker_ids(self) -> set[str]:
        """The workers with a live session."""
        found: set[str] = set()
        cursor = ""
        while True:
            page = self._ask(
                self._stub.ListWorkers, pb.ListWorkersRequest(limit=256, cursor=cursor)
            )
            found |= {worker.worker_id for worker in page.workers}
            cursor = page.cursor
            if not cursor:
                return found

    def _ids(self, workflow: str) -> Iterator[str]:
        cursor = ""
        while True:
            request = pb.ListRunsRequest(workflow=workflow, limit=256, cursor=cursor)
            page = self._ask(self._stub.ListRuns, request)
            yield from (run.run_id for run in page.runs)
            cursor = page.cursor
            if not cursor:
                return

    def _ask(self, method: Any, request: Any, run_id: str = "") -> Any:
        import grpc

        try:
            return method(request, timeout=ANSWER_SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            # The raised object is the call itself; its interface is untyped in grpc.
            call: Any = error
            if call.code() is grpc.StatusCode.NOT_FOUND:
                raise RunNotFound(
                    f"There is no run {run_id} in the fleet.", run_id=run_id
                ) from None
            raise FleetError(
                f"The hub does not answer: {call.code().name} {call.details()}. Is it alive?"
            ) from error


def executions(run: RunSnapshot) -> int:
    """How often a run was given to a handler; one that was parked went on, and counts once."""
    ended = sum(attempt.outcome != PARKED for attempt in run.attempts)
    return ended + (run.status is RunStatus.RUNNING)


def judge(name: str, runs: list[RunSnapshot], times: int, repeated: int) -> None:
    """Raises `AssertionError`, with what happened, when it did not happen so often."""
    counts = [executions(run) for run in runs]
    ran = sum(count > 0 for count in counts)
    again = sum(count - 1 for count in counts if count)
    if (ran, again) == (times, repeated):
        return
    lines = [f"  {_story(run)}" for run in runs] or ["  there is no such run"]
    raise AssertionError(
        f"{name} ran {_times(ran)} and was repeated {_times(again)}; expected were "
        f"{_times(times)} and {_times(repeated)}:\n" + "\n".join(lines)
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _story(run: RunSnapshot) -> str:
    attempts = [
        f"attempt {attempt.number} on {attempt.worker_id} {attempt.outcome}"
        for attempt in run.attempts
    ]
    return ", ".join([f"run {run.run_id} is {run.status.value}", *attempts])
