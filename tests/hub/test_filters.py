"""Filters as messages, from clients that check nothing: what a hub refuses, and why."""

from __future__ import annotations

from typing import Any

import pytest

from corral_proto.v1 import orchestrator_pb2 as pb
from tests.hub.peers import Place, first_of, refused

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("method", "request_", "every"),
    [
        ("CancelWorkflows", pb.CancelWorkflowsRequest(), "run"),
        ("CancelWorkflows", pb.CancelWorkflowsRequest(filter=pb.RunFilter()), "run"),
        ("RetryRuns", pb.RetryRunsRequest(filter=pb.RunFilter()), "run"),
        ("DrainWorkers", pb.DrainWorkersRequest(), "worker"),
        ("DrainWorkers", pb.DrainWorkersRequest(filter=pb.WorkerFilter()), "worker"),
    ],
)
async def test_a_filter_that_means_everything_is_refused(
    place: Place, method: str, request_: Any, every: str
) -> None:
    async with place.unchanged():
        detail = await refused(getattr(place.peer.calls, method)(request_), "INVALID_ARGUMENT")
    assert (detail.name, detail.field) == ("InvalidRequest", "filter")
    assert f"would mean every {every}" in detail.message


async def test_what_a_request_says_twice_is_refused(place: Place) -> None:
    calls, runs, workers = place.peer.calls, pb.RunFilter, pb.WorkerFilter
    failed = runs(statuses=["RUN_STATUS_FAILED"])
    for call, field in (
        (calls.ListRuns(pb.ListRunsRequest(workflow="a", filter=runs(workflow="b"))), "workflow"),
        (
            calls.ListRuns(pb.ListRunsRequest(statuses=["RUN_STATUS_FAILED"], filter=failed)),
            "statuses",
        ),
        (calls.ListWorkers(pb.ListWorkersRequest(kind="a", filter=workers(kind="b"))), "kind"),
        (
            first_of(
                calls.SubscribeAll(pb.SubscribeAllRequest(workflow="a", filter=runs(workflow="b")))
            ),
            "workflow",
        ),
    ):
        detail = await refused(call, "INVALID_ARGUMENT")
        assert detail.field == field
        assert "give it once" in detail.message


async def test_statuses_and_workers_that_are_none_are_refused(place: Place) -> None:
    calls = place.peer.calls
    for call, field in (
        (
            calls.ListRuns(pb.ListRunsRequest(filter=pb.RunFilter.FromString(b"\x08\x63"))),
            "statuses",
        ),
        (
            calls.ListWorkers(pb.ListWorkersRequest(filter=pb.WorkerFilter(worker_ids=["a b"]))),
            "filter.worker_ids",
        ),
        (
            calls.DrainWorkers(
                pb.DrainWorkersRequest(filter=pb.WorkerFilter(worker_ids=["w"] * 257))
            ),
            "filter.worker_ids",
        ),
        (
            calls.DrainWorkers(
                pb.DrainWorkersRequest(filter=pb.WorkerFilter(kind="k"), cursor="x y")
            ),
            "cursor",
        ),
    ):
        assert (await refused(call, "INVALID_ARGUMENT")).field == field


async def test_what_stands_beside_a_filter_counts_too(place: Place) -> None:
    for n in range(4):
        labels = {"part": str(n % 2)}
        await place.peer.submit(workflow=f"nobody-{n // 2}", run_id=f"r{n}", labels=labels)
    wanted = pb.ListRunsRequest(workflow="nobody-1", filter=pb.RunFilter(labels={"part": "1"}))
    assert [run.run_id for run in (await place.peer.calls.ListRuns(wanted)).runs] == ["r3"]
