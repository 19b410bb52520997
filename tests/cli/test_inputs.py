"""`corral inputs` and `corral respond` on a real fleet, and on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time

from corral.cli.exits import Exit
from tests.cli.conftest import Cli
from tests.cli.processes import SECONDS, Up, environment


def test_a_run_is_answered_and_goes_on(cli: Cli) -> None:
    cli("submit", "approval", "40", "--run-id", "inputs-1")
    assert cli("respond", "inputs-1", "approval", "true", "--wait").out == (
        "inputs-1 approval answered\n"
    )
    again = cli("respond", "inputs-1", "approval", "true", "--json")
    assert again.json == {"run_id": "inputs-1", "request_id": "approval", "deduplicated": True}
    assert cli("respond", "inputs-1", "comment", "--text", "fine", "--wait").code == Exit.OK
    done = cli("submit", "approval", "40", "--run-id", "inputs-1", "--wait")
    assert done.out == '"paid: fine"\n'


def test_open_questions_are_listed_safely(cli: Cli) -> None:
    cli("submit", "approval", "7", "--run-id", "inputs-2")
    cli("respond", "inputs-2", "approval", "false", "--wait")
    asked(cli, "inputs-2", "comment")
    (found,) = cli("inputs", "--run", "inputs-2", "--json").json
    assert (found["request_id"], found["schema"]) == ("comment", {"type": "string"})
    header, line = cli("inputs", "--run", "inputs-2").out.splitlines()
    assert header.split("\t")[:3] == ["RUN", "QUESTION", "PROMPT"]
    assert line.split("\t")[:3] == ["inputs-2", "comment", "Any comment? \\x1b[31m"]
    assert "inputs-2" in [row["run_id"] for row in cli("inputs", "--json").json]
    assert len(cli("inputs", "--limit", "1", "--json").json) == 1
    cli("cancel", "inputs-2")
    assert cli("inputs", "--run", "inputs-2", "--json").json == []


def asked(cli: Cli, run: str, question: str) -> None:
    """Waits until a run asks a question."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        found = cli("inputs", "--run", run, "--json").json
        if question in [row["request_id"] for row in found]:
            return
    raise AssertionError(f"run {run} did not ask {question}")


def test_a_wrong_answer_exits_with_3_and_says_why(cli: Cli) -> None:
    cli("submit", "approval", "40", "--run-id", "inputs-3")
    asked(cli, "inputs-3", "approval")
    for words, said in (
        (["inputs-3", "approval", '"yes"'], "is not of type"),
        (["inputs-3", "approval", "1", "--wait"], "is not of type"),
        (["inputs-3", "nothing", "1"], "no question 'nothing'"),
        (["inputs-3", "nothing", "1", "--wait", "--timeout", "0.2"], "no question 'nothing'"),
        (["no-run", "approval", "1"], "no run 'no-run'"),
    ):
        answer = cli("respond", *words)
        assert answer.code == Exit.REFUSED
        assert said in answer.err
        assert len(answer.err.splitlines()) == 1
    # A worker that is told to end waits for what its handlers wait for.
    cli("cancel", "inputs-3")


def at_a_terminal(fleet: Up, *words: str, typed: bytes) -> tuple[int, str, str]:
    """What `corral respond` gives to somebody who types this."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as keyboard, os.fdopen(theirs, "rb") as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "corral", "respond", *words],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(CORRAL_HUB=fleet.address),
        )
        keyboard.write(typed)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_on_a_terminal_the_question_is_shown_and_a_line_is_read(cli: Cli, fleet: Up) -> None:
    cli("submit", "approval", "40", "--run-id", "inputs-4")
    cli("respond", "inputs-4", "approval", "true", "--wait")
    asked(cli, "inputs-4", "comment")
    code, out, err = at_a_terminal(fleet, "inputs-4", "comment", typed=b"42\n")
    assert code == Exit.OK, err
    assert out == "inputs-4 comment answered\n"
    assert "Any comment? \\x1b[31m" in err
    done = cli("submit", "approval", "40", "--run-id", "inputs-4", "--wait")
    # The question wants a text, and gets one.
    assert done.out == '"paid: 42"\n'


def test_who_types_the_end_of_input_answers_nothing(cli: Cli, fleet: Up) -> None:
    cli("submit", "approval", "40", "--run-id", "inputs-5")
    asked(cli, "inputs-5", "approval")
    code, _, err = at_a_terminal(fleet, "inputs-5", "approval", typed=b"\x04")
    assert code == Exit.USAGE
    assert "the question stays open" in err
    assert cli("respond", "inputs-5", "approval", "true").code == Exit.OK
    cli("cancel", "inputs-5")
