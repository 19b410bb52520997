"""docs/cli.md: its examples run, and it knows every command, option and exit code."""

from __future__ import annotations

import re
import shlex

import typer.main

from corral.cli.app import app
from corral.cli.exits import Exit
from tests.cli.conftest import Cli
from tests.docs.blocks import ROOT, blocks, commands

PAGE = ROOT / "docs" / "cli.md"
TEXT = PAGE.read_text(encoding="utf-8")
SHARED = {"--help", "-h", "--json"}


def test_the_examples_do_what_the_page_says(cli: Cli) -> None:
    for command in commands(PAGE):
        line, _, remark = command.text.partition("  # exits with ")
        echo, pipe, piped = line.partition(" | ")
        words = shlex.split(piped if pipe else line)
        assert words[0] == "corral"
        answer = cli(*words[1:], input=shlex.split(echo)[1] if pipe else None)
        assert answer.code == int(remark or 0), f"{command.text}: {answer.out}{answer.err}"
        if command.output and command.output != [""]:
            assert answer.out.splitlines() == command.output, command.text


def test_the_examples_that_go_on_are_at_least_understood() -> None:
    group = typer.main.get_group(app)
    lines = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
    assert lines
    for line in lines:
        program, name, *arguments = shlex.split(line)
        assert program == "corral"
        group.commands[name].make_context(name, arguments)


def test_every_command_and_option_is_on_the_page() -> None:
    for name, command in typer.main.get_group(app).commands.items():
        assert re.search(rf"^\| \[`{name}`\]", TEXT, re.M), name
        for parameter in command.params:
            for option in getattr(parameter, "opts", ()):
                if option.startswith("--") and option not in SHARED:
                    assert f"`{option}`" in TEXT, f"{name} {option}"


def test_every_exit_code_is_on_the_page() -> None:
    for code in Exit:
        assert f"\n| {code.value} | " in TEXT
