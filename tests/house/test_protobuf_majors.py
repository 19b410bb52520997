"""The SDK lives beside what its users have: it is imported and used under three protobufs."""

from __future__ import annotations

import pytest

from tests.house.toolbox import ROOT, installed, python

SDK = [ROOT / "proto", ROOT / "worker_sdk"]
# Makes a worker and a request, and sends the request through bytes and back.
USE = """
import google.protobuf, corral
from corral_proto.v1 import orchestrator_pb2, orchestrator_pb2_grpc, worker_pb2, worker_pb2_grpc
worker = corral.Worker("w", admission=corral.Fixed(2))
@worker.workflow("greet")
async def greet(ctx: corral.Context, name: str) -> str:
    return name
submit = corral.Submit(greet, "Ada", priority=3, labels={"a": "b"})
again = orchestrator_pb2.SubmitWorkflowRequest.FromString(submit.request.SerializeToString())
assert again == submit.request and again.input == b'"Ada"', again
print(google.protobuf.__version__)
"""


@pytest.mark.parametrize("major", ["5.29", "6.33", "7.36"])
def test_the_sdk_works_under_protobuf(major: str) -> None:
    packages = installed(
        f"protobuf-{major}", f"protobuf~={major}.0", "grpcio>=1.66.2", "msgspec>=0.19", "anyio>=4.4"
    )
    version = python("-c", USE, path=[packages, *SDK])
    assert version.startswith(f"{major}.")
