"""docs/access.md: its commands run, its files are read, its Python is executed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import trustme
import typer.main

from corral.cli.app import app
from corral_hub.access.credentials import read_access_file
from corral_hub.access.enrolment import Enrolment
from corral_hub.access.roles import NEEDS
from tests.cli.conftest import invoke
from tests.docs.blocks import ROOT, blocks, commands

PAGE = ROOT / "docs" / "access.md"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_run_and_hubs_read_what_they_made(folder: Path) -> None:
    for command in commands(PAGE):
        program, *words = shlex.split(command.text)
        assert program == "corral"
        assert invoke(*words).code == 0, command.text
    read = read_access_file(folder / "access.toml")
    assert [entry.name for entry in read.token] == ["ci", "gpu-boxes", "night"]
    assert (folder / "gpu-boxes.pem").exists()


def test_the_hub_is_started_with_options_that_it_has() -> None:
    (line,) = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
    _, name, *words = shlex.split(line)
    typer.main.get_group(app).commands[name].make_context(name, words)


def test_the_files_are_such_as_hubs_read(folder: Path) -> None:
    access, *enrolments = blocks(PAGE, "toml")
    (folder / "access").write_text(access)
    read = read_access_file(folder / "access")
    assert len(read.token) == len(read.certificate) == 1
    policies: list[str] = []
    for text in enrolments:
        (folder / "enrolment").write_text(text)
        policies.append(Enrolment.load(folder / "enrolment").policy)
    assert policies == ["allowlist", "signed"]


def test_the_python_is_executed(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = authority.issue_cert("gpu-7.example")
    issued.cert_chain_pems[0].write_to_path(str(folder / "gpu-7.pem"))
    issued.private_key_pem.write_to_path(str(folder / "gpu-7.key"))
    found = blocks(PAGE, "python")
    assert len(found) == 2
    for block in found:
        exec(compile(block, str(PAGE), "exec"), {})


def test_the_table_of_roles_is_that_of_the_hub() -> None:
    said: dict[str, str] = {}
    for role, methods in re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(), re.M):
        if role in ("worker", "orchestrator", "admin"):
            said |= dict.fromkeys(re.findall(r"`(\w+)`", methods), role)
    assert said == NEEDS
