"""Submits that are wrong: each gets a typed error, and changes nothing."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.hub.peers import Peer, Place, refused, status_of

pytestmark = pytest.mark.anyio

DEEP = b"[" * 200 + b"]" * 200
MANY = [f"k{n}=v" for n in range(33)]
Fair = common.Fairness
Hint = pb.ResourceHint
Retry = common.RetryPolicy

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"workflow": ""}, "workflow"),
    ({"workflow": "no spaces"}, "workflow"),
    ({"workflow": "x" * 129}, "workflow"),
    ({"run_id": "a/b"}, "run_id"),
    ({"run_id": "x" * 65}, "run_id"),
    ({"workflow_version": 1_000_001}, "workflow_version"),
    ({"input": b"{"}, "input"),
    ({"input": b"\xff"}, "input"),
    ({"input": b"NaN"}, "input"),
    ({"input": b"1 2"}, "input"),
    ({"input": DEEP}, "input"),
    ({"capability": common.Capability(kind="a b")}, "capability.kind"),
    ({"capability": common.Capability(kind="a", version=2_000_000)}, "capability.version"),
    ({"required_tags": ["gpu"]}, "required_tags"),
    ({"required_tags": ["gpu="]}, "required_tags"),
    ({"required_tags": MANY}, "required_tags"),
    ({"selector": common.Selector(required={"": "x"})}, "selector.required"),
    ({"selector": common.Selector(forbidden={"a": "\n"})}, "selector.forbidden"),
    ({"selector": common.Selector(preferred=dict.fromkeys(MANY, "v"))}, "selector.preferred"),
    ({"tolerations": [common.Toleration(key="a b")]}, "tolerations.key"),
    ({"tolerations": [common.Toleration(key="a")] * 33}, "tolerations"),
    ({"priority": 256}, "priority"),
    ({"idempotency_key": "x" * 257}, "idempotency_key"),
    ({"deadline_ms": 2**63}, "deadline_ms"),
    ({"max_queue_wait_ms": 2**63}, "max_queue_wait_ms"),
    ({"max_run_ms": 2**63}, "max_run_ms"),
    ({"start_delay_ms": 2**63}, "start_delay_ms"),
    ({"retention_ms": 2**63}, "retention_ms"),
    ({"max_lost": 101}, "max_lost"),
    ({"resource_hint": Hint(vram_mb=2**63)}, "resource_hint.vram_mb"),
    ({"resource_hint": Hint(model="no model!")}, "resource_hint.model"),
    ({"fairness": Fair(key="no spaces")}, "fairness.key"),
    ({"fairness": Fair(weight=1001)}, "fairness.weight"),
    ({"retry": Retry(max_attempts=101)}, "retry.max_attempts"),
    ({"retry": Retry(multiplier=0.5)}, "retry.multiplier"),
    ({"retry": Retry(multiplier=float("inf"))}, "retry.multiplier"),
    ({"retry": Retry(jitter=float("nan"))}, "retry.jitter"),
    ({"labels": {f"k{n}": "v" for n in range(17)}}, "labels"),
    ({"labels": {"k": "v" * 257}}, "labels"),
    ({"labels": {"a b": "v"}}, "labels"),
    ({"trace": common.TraceContext(traceparent="x" * 129)}, "trace.traceparent"),
    ({"trace": common.TraceContext(tracestate="x" * 513)}, "trace.tracestate"),
]


async def test_a_wrong_field_is_named(place: Place) -> None:
    async with place.unchanged():
        for fields, field in WRONG:
            detail = await refused(place.peer.submit(**fields), "INVALID_ARGUMENT")
            assert (detail.name, detail.field, detail.retryable) == ("InvalidRequest", field, False)


async def test_an_oversize_input_names_the_limit(place: Place) -> None:
    async with place.unchanged():
        call = place.peer.submit(input=b'"' + b"x" * 4096 + b'"')
        detail = await refused(call, "INVALID_ARGUMENT")
        assert (detail.name, detail.field, detail.limit) == ("PayloadTooLarge", "input", "4096")
        assert "4098 bytes" in detail.message
        assert "reference" in detail.message
    at_the_limit = b'"' + b"x" * 4094 + b'"'
    assert (await place.peer.submit(workflow="nobody", input=at_the_limit)).run.run_id


async def test_a_message_above_4_mib_ends_that_call_alone(place: Place) -> None:
    async with place.unchanged():
        error = await status_of(place.peer.submit(input=b"x" * (4 * 1024 * 1024 + 1)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parent_run_id", "r"),
        ("affinity_key", "k"),
        ("limits", [common.Limit(name="l")]),
        ("waiter_lease_ms", 1),
    ],
)
async def test_a_reserved_field_is_refused_by_name(place: Place, field: str, value: Any) -> None:
    async with place.unchanged():
        detail = await refused(place.peer.submit(**{field: value}), "UNIMPLEMENTED")
        assert (detail.name, detail.field) == ("NotImplementedByHub", field)
        assert field in detail.message


async def test_an_unknown_workflow_waits_with_a_warning(place: Place) -> None:
    reply = await place.peer.submit(workflow="nobody")
    assert reply.run.status == common.RUN_STATUS_PENDING
    (warning,) = reply.warnings
    assert "no worker offers the capability (workflow:nobody)" in warning
    assert not (await place.peer.submit()).warnings


STAGES: list[tuple[dict[str, Any], str]] = [
    ({"workflow": "nobody"}, "no worker offers the capability (workflow:nobody)"),
    ({"workflow_version": 7}, "no worker offers the capability (workflow:well)"),
    ({"required_tags": ["gpu=yes"]}, "none has all the required tags"),
    ({"selector": common.Selector(required={"zone": "eu"})}, "the selector's labels exclude each"),
    ({"workflow": "tainted"}, "a taint that is not tolerated"),
    ({"workflow": "gpu", "resource_hint": Hint(vram_mb=5000)}, "no device of theirs"),
    ({"workflow": "busy"}, "every worker that could take it is full"),
]


async def test_a_run_that_may_not_wait_is_told_which_stage_has_nobody(place: Place) -> None:
    budget = common.Admission.VramBudget(device_mb=[1000])
    no = common.TAINT_EFFECT_NO_SCHEDULE
    await place.peer.session(kind="workflow:busy", room=1)
    await place.peer.session(kind="workflow:gpu", admission=common.Admission(vram_budget=budget))
    await place.peer.session(kind="workflow:tainted", taints=[common.Taint(key="k", effect=no)])
    await place.peer.submit(workflow="busy")
    async with place.unchanged():
        for fields, stage in STAGES:
            call = place.peer.submit(wait_for_worker=False, **fields)
            detail = await refused(call, "FAILED_PRECONDITION")
            assert (detail.name, detail.field) == ("NoMatchingWorker", "wait_for_worker")
            assert stage in detail.message
            assert "wait_for_worker=true" in detail.message
        detail = await refused(place.peer.submit(workflow="gpu"), "INVALID_ARGUMENT")
        assert detail.field == "resource_hint.vram_mb"


async def test_an_id_or_key_of_another_request_names_the_run(place: Place) -> None:
    await place.peer.submit(workflow="nobody", run_id="r1", idempotency_key="k", input=b"1")
    again = await place.peer.submit(workflow="nobody", idempotency_key="k", input=b"1")
    assert (again.run.run_id, again.deduplicated) == ("r1", True)
    async with place.unchanged():
        for fields, field in (({"idempotency_key": "k"}, "idempotency_key"), ({}, "run_id")):
            given = {"run_id": "r1"} if field == "run_id" else {}
            call = place.peer.submit(workflow="nobody", input=b"2", **given, **fields)
            detail = await refused(call, "ALREADY_EXISTS")
            assert (detail.name, detail.field, detail.run_id) == ("AlreadyExists", field, "r1")


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("count", [0, 1001])
async def test_no_runs_and_too_many_are_refused_whole(place: Place, count: int, good: bool) -> None:
    one = pb.SubmitWorkflowRequest(workflow="well" if good else "")
    request = pb.SubmitWorkflowsRequest(runs=[one] * count)
    async with place.unchanged():
        detail = await refused(place.peer.calls.SubmitWorkflows(request), "INVALID_ARGUMENT")
        assert (detail.field, detail.limit) == ("runs", "1000")
        assert str(count) in detail.message


async def test_1000_runs_are_accepted_in_one_call(peer: Peer) -> None:
    one = pb.SubmitWorkflowRequest(workflow="nobody")
    reply = await peer.calls.SubmitWorkflows(pb.SubmitWorkflowsRequest(runs=[one] * 1000))
    assert len({item.accepted.run.run_id for item in reply.items}) == 1000


async def test_good_and_bad_in_one_call_have_each_their_own_verdict(place: Place) -> None:
    await place.peer.submit(workflow="nobody", run_id="taken")
    asked: list[tuple[dict[str, Any], str]] = [
        ({"run_id": "g1"}, ""),
        ({"input": b"{"}, "InvalidRequest"),
        ({"parent_run_id": "x"}, "NotImplementedByHub"),
        ({"run_id": "taken", "input": b"1"}, "AlreadyExists"),
        ({"input": b'"' + b"x" * 5000 + b'"'}, "PayloadTooLarge"),
        ({"wait_for_worker": False}, "NoMatchingWorker"),
        ({"priority": 300}, "InvalidRequest"),
        ({"run_id": "g2"}, ""),
    ]
    runs = [pb.SubmitWorkflowRequest(workflow="nobody", **fields) for fields, _ in asked]
    before = (await place.facts())[1]
    reply = await place.peer.calls.SubmitWorkflows(pb.SubmitWorkflowsRequest(runs=runs))
    assert [item.refused.name for item in reply.items] == [name for _, name in asked]
    accepted = [i.accepted.run.run_id for i in reply.items if i.WhichOneof("verdict") == "accepted"]
    assert accepted == ["g1", "g2"]
    assert (await place.facts())[1] == before + 2
    assert await place.check() == []
    await place.prove_healthy()
