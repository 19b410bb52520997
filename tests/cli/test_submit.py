"""`corral submit` on a real fleet."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path

import pytest

from corral.cli.exits import Exit
from tests.cli.conftest import Cli
from tests.cli.processes import Process, Up


def test_a_submit_prints_the_id_and_the_status(cli: Cli) -> None:
    answer = cli("submit", "hello", '"ann"', "--run-id", "submit-plain")
    assert answer.code == Exit.OK
    run_id, status = answer.out.split()
    assert run_id == "submit-plain"
    assert status in ("pending", "running")


def test_json_tells_all_about_the_submit(cli: Cli) -> None:
    record = cli("submit", "hello", '"ann"', "--json").json
    assert record.keys() == {"run_id", "status", "deduplicated", "durability", "warnings"}
    assert record["durability"] == "fsync"
    assert record["deduplicated"] is False


def test_waiting_prints_the_result_and_nothing_else_on_stdout(cli: Cli) -> None:
    answer = cli("submit", "hello", '"ann"', "--wait")
    assert answer.code == Exit.OK
    assert answer.json == {"hello": "ann"}
    assert "waiting" in answer.err


def test_input_comes_from_a_file_or_from_stdin(cli: Cli, tmp_path: Path) -> None:
    document = tmp_path / "document.json"
    document.write_text('{"text": "Grüße"}', encoding="utf-8")
    summary = {"summary": {"text": "Grüße"}}
    assert cli("submit", "summarize", f"@{document}", "--wait").json == summary
    piped = cli("submit", "summarize", "-", "--wait", input=document.read_text(encoding="utf-8"))
    assert piped.json == summary


def test_the_mark_that_editors_put_before_a_text_is_none_of_it(cli: Cli, tmp_path: Path) -> None:
    document = tmp_path / "document.json"
    document.write_text('"ann"', encoding="utf-8-sig")
    assert cli("submit", "hello", f"@{document}", "--wait").json == {"hello": "ann"}


def test_a_failed_run_exits_with_1_and_says_why(cli: Cli) -> None:
    answer = cli("submit", "boom", "--wait")
    assert answer.code == Exit.RUN_ENDED_BADLY
    assert answer.out == ""
    assert "ValueError: no luck" in answer.err
    assert "\x1b" not in answer.err
    assert "Traceback" not in answer.err


def test_a_failed_run_is_still_there_as_json(cli: Cli) -> None:
    answer = cli("submit", "boom", "--wait", "--json")
    assert answer.code == Exit.RUN_ENDED_BADLY
    assert answer.json["status"] == "failed"
    assert answer.json["error"]["type"] == "ValueError"


def test_the_same_key_is_the_same_run(cli: Cli) -> None:
    key = uuid.uuid4().hex
    first = cli("submit", "hello", '"ann"', "--key", key, "--json").json
    second = cli("submit", "hello", '"ann"', "--key", key, "--json").json
    assert second["run_id"] == first["run_id"]
    assert second["deduplicated"] is True
    other = cli("submit", "hello", '"bob"', "--key", key)
    assert other.code == Exit.REFUSED
    assert first["run_id"] in other.err


def test_a_run_that_nobody_can_take_waits_with_a_note(cli: Cli) -> None:
    answer = cli("submit", "unknown-workflow")
    assert answer.code == Exit.OK
    assert "pending" in answer.out
    assert "note: no worker offers" in answer.err


def test_no_queue_refuses_what_nobody_can_take(cli: Cli) -> None:
    answer = cli("submit", "unknown-workflow", "--no-queue")
    assert answer.code == Exit.REFUSED
    assert "no worker offers" in answer.err
    assert "leave --no-queue away" in answer.err


def test_every_option_reaches_the_hub(cli: Cli) -> None:
    answer = cli(
        "submit", "hello", '"ann"', "--run-id", "submit-options", "--priority", "7",
        "--deadline", "1h", "--delay", "30m", "--tag", "region=us-west", "--label", "team=a",
        "--label", "tier=b", "--workflow-version", "1", "--attempts", "2", "--fairness-key", "ann",
        "--vram-mb", "10", "--model", "llama3", "--capability", "workflow:hello@1",
    )  # fmt: skip
    assert answer.code == Exit.OK, answer.err
    run = cli("describe", "submit-options", "--json").json
    assert run["status"] == "delayed"
    assert run["priority"] == 7
    assert run["labels"] == {"team": "a", "tier": "b"}
    assert run["capability"] == "workflow:hello@1"
    assert run["fairness_key"] == "ann"
    assert run["deadline_at_ms"] - run["submitted_at_ms"] == 3_600_000
    assert run["due_at_ms"] - run["submitted_at_ms"] == 1_800_000


def test_a_tag_that_no_worker_has_keeps_the_run_waiting(cli: Cli) -> None:
    answer = cli("submit", "hello", '"ann"', "--tag", "region=mars", "--no-queue")
    assert answer.code == Exit.REFUSED


def test_without_a_hub_the_exit_code_is_4_and_the_way_on_is_told(cli: Cli) -> None:
    answer = cli("submit", "hello", "--hub", "127.0.0.1:1", "--timeout", "0.3", "--run-id", "again")
    assert answer.code == Exit.UNAVAILABLE
    assert "--run-id again" in answer.err


@pytest.mark.usefixtures("fleet")
def test_ctrl_c_leaves_the_run_alone(fleet: Up, cli: Cli) -> None:
    command = ("submit", "forever", "--wait", "--run-id", "submit-interrupted")
    with Process(*command, CORRAL_HUB=fleet.address) as process:
        process.expect("waiting for its end")
        assert process.end(signal.SIGINT) == Exit.INTERRUPTED
        assert "corral describe submit-interrupted" in process.output
        assert "Traceback" not in process.output
    assert cli("describe", "submit-interrupted", "--json").json["status"] == "running"
    assert cli("cancel", "submit-interrupted").code == Exit.OK
