"""Calls that are wrong: bytes that are no message, cursors, limits, names, tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from corral_hub.access.credentials import read_token_file
from corral_hub.config import HubConfig
from corral_hub.errors import Misconfigured
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from tests.hub.peers import Peer, Place, detail_of, first_of, place_of, refused, settings, status_of

pytestmark = pytest.mark.anyio

SERVICES = (
    *pb.DESCRIPTOR.services_by_name.values(),
    *wk.DESCRIPTOR.services_by_name.values(),
)
METHODS = [(service.full_name, method) for service in SERVICES for method in service.methods]
ORCHESTRATOR = [(s, m) for s, m in METHODS if s.endswith("Orchestrator")]


def raw_call(peer: Peer, service: str, method: Any, body: bytes = b"", **options: Any) -> Any:
    """Calls a method of the contract with these bytes; awaits its first reply."""
    kind = f"{'stream' if method.client_streaming else 'unary'}_" + (
        "stream" if method.server_streaming else "unary"
    )
    call = getattr(peer.channel, kind)(f"/{service}/{method.name}")
    if method.client_streaming:

        async def frames() -> Any:
            # A write beside a refusal is an "Internal error from Core" to grpc.aio now and then.
            if body:
                yield body

        return first_of(call(frames(), **options))
    if method.server_streaming:
        return first_of(call(body, **options))
    return call(body, **options)


async def test_every_method_wants_the_token(valkey: str) -> None:
    async with place_of(settings(valkey, tokens=("right", "other")), token="right") as place:
        async with place.unchanged():
            for given in ("", "Bearer wrong", "Basic right", "right", "Bearer "):
                metadata = (("authorization", given),) if given else ()
                for service, method in METHODS:
                    call = raw_call(place.peer, service, method, metadata=metadata)
                    detail = await refused(call, "UNAUTHENTICATED")
                    assert detail.name == "Unauthenticated"
                    assert "CORRAL_TOKEN" in detail.message
        async with Peer(place.hub.address, token="other") as second:
            assert (await second.submit(workflow="nobody")).run.run_id


async def test_tokens_come_from_a_file_one_to_a_line(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# the fleet\n\none\n  two  \n")
    assert read_token_file(file) == ("one", "two")
    file.write_text("# nobody\n\n")
    with pytest.raises(Misconfigured, match="has no token"):
        read_token_file(file)
    with pytest.raises(Misconfigured, match="No such file"):
        read_token_file(tmp_path / "absent")


async def test_a_token_stands_in_no_text_of_the_configuration() -> None:
    assert "s3cret" not in repr(HubConfig(tokens=("s3cret",)))


async def test_bytes_that_are_no_message_get_a_typed_answer(place: Place) -> None:
    async with place.unchanged():
        for service, method in ORCHESTRATOR:
            # Streams of requests have said something by then; their tests are their own.
            if not method.input_type.fields or method.client_streaming:
                continue
            call = raw_call(place.peer, service, method, b"\x0a\xff\xff")
            detail = await refused(call, "INVALID_ARGUMENT")
            assert method.input_type.full_name in detail.message
            # Text of a message is UTF-8; this field 1 is none.
            error = await status_of(raw_call(place.peer, service, method, b"\x0a\x01\xff"))
            assert detail_of(error).name in ("InvalidRequest", "NotImplementedByHub")


@pytest.mark.parametrize("namespace", ["a b", "x" * 33, "{default}", "a:b", "../x"])
async def test_a_namespace_that_is_none_is_refused_on_every_method(
    place: Place, namespace: str
) -> None:
    async with place.unchanged():
        for service, method in METHODS:
            metadata = (("corral-namespace", namespace),)
            call = raw_call(place.peer, service, method, metadata=metadata)
            detail = await refused(call, "INVALID_ARGUMENT")
            assert detail.field == "corral-namespace"
            assert namespace in detail.message


async def test_namespaces_do_not_see_each_other(place: Place) -> None:
    run = (await place.peer.submit(workflow="nobody")).run.run_id
    async with Peer(place.hub.address, namespace="other") as other:
        assert (await refused(other.describe(run), "NOT_FOUND")).run_id == run


CURSORS = ["x", ":", "-", "1", "1.2.3:r", "..:r", "5:", ":r", "1:a/b", "²:r", "9" * 400 + ":r"]
NUMBERS = ["x", "-1", "1.5", "²", "9" * 5000]
OF_A_RUN = ["x", "1", "1-", "-1", "1-²", "1-x", "1-" + "9" * 25, "9" * 5000 + "-1", "1-2-3"]
OF_THE_FEED = ["x", "1", "1-", "²-1", "1-1.x", "1-1.²", "9" * 5000 + "-1", "1-1." + "9" * 30]


async def test_a_cursor_that_is_none_is_refused(place: Place) -> None:
    calls = place.peer.calls
    run = (await place.peer.submit(workflow="nobody")).run.run_id
    async with place.unchanged():
        given = [
            *(calls.ListRuns(pb.ListRunsRequest(cursor=c)) for c in CURSORS),
            *(calls.ListWorkers(pb.ListWorkersRequest(cursor=c)) for c in NUMBERS),
            *(
                first_of(
                    calls.SubscribeRunEvents(pb.SubscribeRunEventsRequest(run_id=run, cursor=c))
                )
                for c in OF_A_RUN
            ),
            *(first_of(calls.SubscribeAll(pb.SubscribeAllRequest(cursor=c))) for c in OF_THE_FEED),
        ]
        for call in given:
            detail = await refused(call, "INVALID_ARGUMENT")
            assert (detail.name, detail.field) == ("InvalidRequest", "cursor")


async def test_limits_statuses_and_names_are_checked(place: Place) -> None:
    calls = place.peer.calls
    async with place.unchanged():
        for call, field, limit in (
            (calls.ListRuns(pb.ListRunsRequest(limit=257)), "limit", "256"),
            (calls.ListWorkers(pb.ListWorkersRequest(limit=257)), "limit", "256"),
            (calls.ListRuns(pb.ListRunsRequest(statuses=[0])), "statuses", ""),
            (calls.ListRuns(pb.ListRunsRequest(statuses=[99])), "statuses", ""),
            (calls.CancelWorkflow(pb.CancelWorkflowRequest(run_id="a b")), "run_id", None),
            (calls.CancelWorkflow(pb.CancelWorkflowRequest(run_id="r", reason="x" * 257)),
             "reason", "256"),
            (calls.DescribeWorkflow(pb.DescribeWorkflowRequest(run_id="")), "run_id", None),
            (calls.DrainWorker(pb.DrainWorkerRequest(worker_id="a b")), "worker_id", None),
            (calls.ListWorkers(pb.ListWorkersRequest(kind="a b")), "kind", None),
            (first_of(calls.SubscribeRunEvents(pb.SubscribeRunEventsRequest(run_id="?"))),
             "run_id", None),
        ):  # fmt: skip
            detail = await refused(call, "INVALID_ARGUMENT")
            assert detail.field == field
            assert limit in (None, detail.limit)


async def test_what_is_not_there_is_not_found(place: Place) -> None:
    calls = place.peer.calls
    async with place.unchanged():
        for call in (
            calls.CancelWorkflow(pb.CancelWorkflowRequest(run_id="gone")),
            calls.DescribeWorkflow(pb.DescribeWorkflowRequest(run_id="gone")),
            first_of(calls.SubscribeRunEvents(pb.SubscribeRunEventsRequest(run_id="gone"))),
        ):
            detail = await refused(call, "NOT_FOUND")
            assert (detail.name, detail.run_id) == ("RunNotFound", "gone")
        detail = await refused(
            calls.DrainWorker(pb.DrainWorkerRequest(worker_id="gone")), "NOT_FOUND"
        )
        assert detail.name == "WorkerNotFound"


async def test_an_unknown_method_kills_nothing(place: Place) -> None:
    async with place.unchanged():
        call = place.peer.channel.unary_unary("/corral.v1.Orchestrator/Nonsense")
        assert (await status_of(call(b""))).code() is grpc.StatusCode.UNIMPLEMENTED
