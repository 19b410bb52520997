"""The generated code in `proto/` is what the generator makes of the contract."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from corral_proto.v1 import common_pb2, orchestrator_pb2, worker_pb2
from tests.house.toolbox import ROOT, installed, python

GENERATOR = "1.66.2"
# There is no wheel of that generator for later Pythons.
LAST_PYTHON = (3, 13)
CONTRACT = "corral_proto/v1"


def _generate(folder: Path, *options: str) -> None:
    pinned = sys.version_info[:2] <= LAST_PYTHON
    tools = installed(
        "grpcio-tools" if pinned else "grpcio-tools-newest",
        f"grpcio-tools=={GENERATOR}" if pinned else "grpcio-tools",
        # The old one reads its version by a module that later setuptools lack.
        "setuptools<81",
    )
    shutil.copytree(ROOT / "proto" / CONTRACT, folder / CONTRACT, ignore=_no_python)
    protos = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.proto"))
    python("-m", "grpc_tools.protoc", "-I", ".", *options, *protos, path=[tools], cwd=folder)


def _no_python(_: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".proto")]


def test_the_contract_is_what_the_generated_code_says(tmp_path: Path) -> None:
    _generate(tmp_path, "--descriptor_set_out=contract.bin")
    contract = FileDescriptorSet.FromString((tmp_path / "contract.bin").read_bytes())
    ours = {module.DESCRIPTOR.name: module for module in (common_pb2, orchestrator_pb2, worker_pb2)}
    assert {file.name for file in contract.file} == set(ours)
    for file in contract.file:
        generated = FileDescriptorProto()
        ours[file.name].DESCRIPTOR.CopyToProto(generated)
        # Names for other tools, which a descriptor at run time does not carry.
        for one in (file, generated):
            _forget_json_names(one.message_type)
        assert generated == file, file.name


def test_generating_again_changes_no_file(tmp_path: Path) -> None:
    if sys.version_info[:2] > LAST_PYTHON:
        # The newest generator writes other code; what it says is compared by the test above.
        return
    _generate(tmp_path, "--python_out=.", "--pyi_out=.", "--grpc_python_out=.")
    again = {path.name: path.read_text() for path in (tmp_path / CONTRACT).glob("*_pb2*")}
    committed = {path.name: path.read_text() for path in (ROOT / "proto" / CONTRACT).glob("*_pb2*")}
    assert again.keys() == committed.keys()
    for name, text in again.items():
        assert committed[name] == text, f"{name} is not what the contract gives: run make proto"


def _forget_json_names(messages: Iterable[DescriptorProto]) -> None:
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        _forget_json_names(message.nested_type)
