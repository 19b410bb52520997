"""`corral events --follow`: a run as it goes on, with its parts, progress and log."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cli import following
from tests.cli.conftest import Cli


@pytest.fixture
def story(cli: Cli, request: pytest.FixtureRequest) -> str:
    """A run of the test's own, as what it says is not kept for long."""
    run = f"story-{abs(hash(request.node.name))}"
    cli("submit", "story", '["once", "upon"]', "--run-id", run)
    return run


def test_a_pipe_gets_a_line_for_each_thing(cli: Cli, story: str) -> None:
    answer = cli("events", story, "--follow")
    lines = answer.out.splitlines()
    assert [line for line in lines if " chunk " in line] == [
        '~1  chunk  "once"', '~4  chunk  "upon"'
    ]  # fmt: skip
    assert "~2  log  info  said once" in lines
    assert "~3  progress  50%  \\x1b[31mred" in lines
    assert lines[-1].endswith("#3  status.completed")


def test_programs_get_json(cli: Cli, story: str) -> None:
    found = cli("events", story, "--follow", "--json").lines
    spoken = [line for line in found if line.get("ephemeral")]
    assert [line["number"] for line in spoken] == [1, 2, 3, 4, 5, 6]
    assert spoken[0] == {
        "run_id": story, "attempt": 1, "number": 1, "type": "chunk", "payload": "once",
        "ephemeral": True,
    }  # fmt: skip
    assert spoken[2]["payload"] == {"fraction": 0.5, "note": "\x1b[31mred"}


def test_without_follow_there_are_events_alone(cli: Cli, story: str) -> None:
    cli("events", story, "--follow")
    assert [line["type"] for line in cli("events", story, "--json").lines] == [
        "status.pending", "status.running", "status.completed",
    ]  # fmt: skip


def test_a_terminal_gets_a_bar_below_the_lines(
    cli: Cli, story: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(following, "on_terminal", lambda: True)
    monkeypatch.setattr("rich.progress.Progress.update", lambda *_, **given: shown.append(given))
    out = cli("events", story, "--follow").out
    assert [one["completed"] for one in shown] == [0.5, 1.0]
    assert shown[0]["note"] == "\\x1b[31mred"
    assert '~1  chunk  "once"' in out
    assert "progress" not in out
