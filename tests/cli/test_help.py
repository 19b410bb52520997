"""Help, versions, and what is said when an extra is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main

from corral import __version__
from corral.cli.app import app
from corral.cli.exits import Exit
from tests.cli.conftest import Cli
from tests.cli.processes import environment, run

COMMANDS = [command.name or "" for command in app.registered_commands]


def test_the_commands_are_those_that_the_docs_know() -> None:
    assert COMMANDS == [
        "up", "worker", "submit", "runs", "describe", "events", "inputs", "respond", "cancel",
        "retry", "explain", "pause", "resume", "queues", "workers", "drain", "stats", "hub",
        "token", "key", "doctor", "valkey", "version",
    ]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(bare: Cli, command: str) -> None:
    answer = bare(command, "--help")
    assert answer.code == Exit.OK
    assert f"Usage: corral {command}" in answer.out
    assert "Example" in answer.out
    assert f"corral {command}" in answer.out.partition("Example")[2]


def test_every_option_has_a_help_text() -> None:
    group = typer.main.get_group(app)
    for name, command in group.commands.items():
        for parameter in command.params:
            assert getattr(parameter, "help", ""), f"corral {name}: {parameter.name}"


def test_help_lists_commands_and_exit_codes(bare: Cli) -> None:
    answer = bare("--help")
    assert answer.code == Exit.OK
    for command in COMMANDS:
        assert f"\n  {command} " in answer.out
    for code in Exit:
        assert f"\n    {code.value:<5}" in answer.out


def test_version_is_that_of_the_package(bare: Cli) -> None:
    assert bare("--version").out == f"corral {__version__}\n"
    assert bare("version", "--json").json["corral"] == __version__


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["submit"],
        ["submit", "hello", "{not json"],
        ["submit", "hello", "@/no/such/file"],
        ["submit", "hello", "--priority", "256"],
        ["submit", "hello", "--deadline", "3 fortnights"],
        ["submit", "hello", "--deadline", "0s"],
        ["submit", "hello", "[" * 100_000],
        ["submit", "hello", "--tag", "region"],
        ["submit", "hello", "--tag", "region=a", "--tag", "region=b"],
        ["submit", "hello", "--label", "team=a", "--label", "team=a"],
        ["runs", "--label", "team=a", "--label", "team=b"],
        ["drain", "--tag", "region=a", "--tag", "region=b"],
        ["runs", "--status", "sleeping"],
        ["runs", "--hub", "ftp://host"],
        ["events", "some-run", "--from-start"],
        ["events", "--cursor", "1-1", "--from-start"],
        ["worker", "no_colon"],
        ["respond", "some-run"],
        ["respond", "some-run", "question"],
        ["respond", "some-run", "question", "{not json"],
        ["respond", "some-run", "question", "1", "--text", "one"],
        ["valkey", "MONITOR"],
        ["valkey", "--valkey", "localhost", "PING"],
        ["hub", "--valkey", "localhost:6379"],
    ],
)
def test_wrong_usage_exits_with_2_and_reaches_nobody(bare: Cli, arguments: list[str]) -> None:
    answer = bare(*arguments)
    assert answer.code == Exit.USAGE
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert answer.err


BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
sys.argv = {argv!r}
from corral.cli import main
main()
"""


@pytest.mark.parametrize(
    ("package", "command", "remedy"),
    [
        ("typer", "runs", "pip install 'corral[cli]'"),
        ("redis", "hub", "pip install 'corral[hub]'"),
        ("structlog", "up", "pip install 'corral[up]'"),
    ],
)
def test_a_missing_extra_is_answered_with_its_command(
    package: str, command: str, remedy: str
) -> None:
    code = BLOCK.format(package=package, argv=["corral", command])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == Exit.USAGE
    assert remedy in done.stderr
    assert package in done.stderr
    assert "Traceback" not in done.stderr


def test_python_dash_m_is_the_same_program() -> None:
    assert run("--version").stdout == f"corral {__version__}\n"
