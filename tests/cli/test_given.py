"""Empty values: a variable that is not set must not mean more than was meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from corral.cli.app import app
from corral.cli.exits import Exit
from corral.cli.given import MAY_BE_EMPTY
from tests.cli.conftest import Cli

GROUP = typer.main.get_group(app)


# Every option of every command that takes a value.
OPTIONS = [
    (name, param.opts[0])
    for name, command in GROUP.commands.items()
    for param in command.params
    if param.opts[0].startswith("--")
    if not getattr(param, "is_flag", False) and param.name not in MAY_BE_EMPTY
]


def needed(command: str, without: str) -> Iterator[str]:
    """What a command wants in any case."""
    for param in GROUP.commands[command].params:
        if param.required and param.opts[0] != without:
            yield from ([param.opts[0]] if param.opts[0].startswith("--") else [])
            yield "worker"


@pytest.mark.parametrize("value", ["", " "], ids=["nothing", "a blank"])
@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_an_option_without_a_value_reaches_nobody(
    bare: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    option: str,
    value: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = bare(command, option, value, *needed(command, option))
    assert answer.code == Exit.USAGE
    assert f"'{option}'" in answer.err
    assert answer.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["cancel", "", "--workflow", "nightly", "--all"],
        ["cancel", "--worker", "", "--workflow", "nightly", "--all"],
        ["drain", "", "--kind", "workflow:nightly"],
        ["retry", "some-run", ""],
        ["runs", "--status=", "--label", "team=a"],
        ["submit", "nightly", ""],
        ["--tls-ca", "", "runs"],
    ],
)
def test_an_empty_word_is_never_left_out_silently(bare: Cli, words: list[str]) -> None:
    answer = bare(*words)
    assert answer.code == Exit.USAGE
    assert "it is empty" in answer.err.replace("\n", " ")


def test_a_text_may_be_empty(cli: Cli) -> None:
    cli("submit", "unknown-workflow", "--run-id", "empty-reason")
    assert cli("cancel", "empty-reason", "--reason", "").code == Exit.OK
