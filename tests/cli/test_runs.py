"""`corral runs`, `describe`, `cancel`, `events`, `workers`, `drain`, `stats` on a real fleet."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from corral.cli.exits import Exit
from corral.cli.output import clock
from corral.client import Client
from corral.records import RunPage, RunSnapshot, RunStatus
from tests.cli.conftest import Cli
from tests.cli.processes import Process, Up, environment


def test_runs_are_listed_newest_first(cli: Cli) -> None:
    for run in ("list-1", "list-2"):
        cli("submit", "summarize", "1", "--run-id", run, "--wait")
    listed = cli("runs", "--workflow", "summarize", "--limit", "2", "--json").json
    assert [run["run_id"] for run in listed] == ["list-2", "list-1"]
    assert all(run["status"] == "completed" for run in listed)
    lines = cli("runs", "--workflow", "summarize", "--limit", "2").out.splitlines()
    assert lines[0].split("\t")[:3] == ["RUN", "STATUS", "WORKFLOW"]
    assert lines[1].split("\t")[:4] == ["list-2", "completed", "summarize", "cli-worker"]


def test_runs_are_filtered_by_status(cli: Cli) -> None:
    cli("submit", "boom", "--run-id", "list-failed", "--wait")
    cli("submit", "hello", '"ann"', "--run-id", "list-completed", "--wait")
    listed = cli("runs", "--status", "failed", "--limit", "1000", "--json").json
    assert "list-failed" in [run["run_id"] for run in listed]
    assert {run["status"] for run in listed} == {"failed"}


def test_a_listing_goes_on_over_short_pages(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("submit", "summarize", "1", "--run-id", "page-run", "--wait")
    whole = Client.list_runs
    asked: list[int] = []

    async def short(self: Client, *, limit: int = 50, cursor: str = "", **rest: object) -> RunPage:
        asked.append(limit)
        if not cursor:
            return RunPage(runs=[], cursor="more")
        page = await whole(self, limit=limit)
        return RunPage(runs=page.runs, cursor="")

    monkeypatch.setattr(Client, "list_runs", short)
    assert len(cli("runs", "--limit", "1", "--json").json) == 1
    assert asked == [1, 1]


def test_a_description_has_input_output_and_events(cli: Cli) -> None:
    cli("submit", "hello", '"ann"', "--run-id", "describe-me", "--wait", "--label", "team=a")
    run = cli("describe", "describe-me", "--json").json
    assert run["input"] == "ann"
    assert run["output"] == {"hello": "ann"}
    assert run["worker_id"] == "cli-worker"
    text = cli("describe", "describe-me").out
    assert 'output:     {"hello":"ann"}' in text
    assert "labels:     team=a" in text


def test_a_run_that_goes_on_shows_for_how_long(cli: Cli) -> None:
    cli("submit", "forever", "--run-id", "took-so-far")
    while cli("describe", "took-so-far", "--json").json["status"] != "running":
        pass
    described, listed = cli("describe", "took-so-far").out, cli("runs").out.splitlines()
    assert cli("cancel", "took-so-far").code == Exit.OK
    assert re.search(r"^took: +\d+\.\ds$", described, re.M)
    (line,) = (row for row in listed if row.startswith("took-so-far"))
    assert re.fullmatch(r"\d+\.\ds", line.split("\t")[-1])


def test_a_failed_run_shows_its_attempts_safely(cli: Cli) -> None:
    cli("submit", "boom", "--run-id", "describe-failed", "--wait")
    text = cli("describe", "describe-failed").out
    assert "ATTEMPT\tOUTCOME" in text
    assert "HANDLER ValueError: no luck \\x1b[31mred" in text


@pytest.mark.parametrize(
    "arguments",
    [["describe", "no-run"], ["cancel", "no-run"], ["events", "no-run"], ["drain", "no-worker"]],
)
def test_what_does_not_exist_is_refused_by_name(cli: Cli, arguments: list[str]) -> None:
    answer = cli(*arguments)
    assert answer.code == Exit.REFUSED
    assert arguments[1] in answer.err
    assert len(answer.err.splitlines()) == 1


def test_drain_by_filter_needs_a_filter_and_leaves_the_others_alone(cli: Cli) -> None:
    assert cli("drain", "--kind", "workflow:nobody", "--json").json == {}
    assert cli("drain").code == Exit.USAGE
    assert cli("drain", "w", "--kind", "k").code == Exit.USAGE


def test_cancel_says_what_became_of_the_run(cli: Cli) -> None:
    cli("submit", "unknown-workflow", "--run-id", "cancel-me")
    assert cli("cancel", "cancel-me", "--reason", "changed my mind").out == "cancel-me cancelled\n"
    again = cli("cancel", "cancel-me", "--json")
    assert again.code == Exit.OK
    assert again.json == {"run_id": "cancel-me", "status": "cancelled", "cancelled": True}
    assert "changed my mind" in cli("describe", "cancel-me").out


def test_cancel_of_a_completed_run_exits_with_3(cli: Cli) -> None:
    cli("submit", "hello", '"ann"', "--run-id", "cancel-late", "--wait")
    answer = cli("cancel", "cancel-late", "--json")
    assert answer.code == Exit.REFUSED
    assert answer.json["cancelled"] is False
    assert "had ended as completed" in answer.err


def test_events_of_a_run_one_json_line_each(cli: Cli) -> None:
    cli("submit", "hello", '"ann"', "--run-id", "events-1", "--wait")
    found = cli("events", "events-1", "--json").lines
    assert [event["type"] for event in found] == [
        "status.pending", "status.running", "progress", "status.completed",
    ]  # fmt: skip
    assert [event["number"] for event in found] == [1, 2, 3, 4]
    assert found[2]["payload"] == {"step": 1}
    rest = cli("events", "events-1", "--cursor", found[1]["cursor"], "--follow", "--json").lines
    assert rest == found[2:]


def test_events_of_a_waiting_run_end_where_it_stands(cli: Cli) -> None:
    cli("submit", "unknown-workflow", "--run-id", "events-waiting")
    answer = cli("events", "events-waiting")
    assert answer.code == Exit.OK
    (line,) = answer.out.splitlines()
    assert line.endswith("#1  status.pending")
    seen = cli("events", "events-waiting", "--json").lines[0]["cursor"]
    assert cli("events", "events-waiting", "--cursor", seen).out == ""


def test_events_of_all_runs_are_followed(cli: Cli, fleet: Up) -> None:
    cli("submit", "hello", '"ann"', "--run-id", "events-all-0", "--wait")
    command = ("events", "--follow", "--from-start", "--workflow", "hello", "--json")
    with Process(*command, CORRAL_HUB=fleet.address) as process:
        process.expect("events-all-0")
        cli("submit", "hello", '"ann"', "--run-id", "events-all-1", "--wait")
        event = json.loads(process.expect("events-all-1"))
        assert event["type"] == "status.pending"


def test_a_reader_that_has_seen_enough_is_no_error(cli: Cli, fleet: Up) -> None:
    cli("submit", "hello", '"ann"', "--wait")
    with subprocess.Popen(
        [sys.executable, "-m", "corral", "events", "--follow", "--from-start"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(CORRAL_HUB=fleet.address),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        cli("submit", "hello", '"ann"', "--wait")
        assert process.wait(timeout=60) == Exit.OK
        assert process.stderr.read() == b""


def test_workers_are_listed_with_what_they_offer(cli: Cli) -> None:
    (worker,) = cli("workers", "--kind", "workflow:hello", "--json").json
    assert worker["worker_id"] == "cli-worker"
    assert worker["tags"] == ["region=us-west"]
    assert "workflow:hello@1" in worker["capabilities"]
    assert cli("workers", "--kind", "workflow:nothing", "--json").json == []
    assert "cli-worker\tready\tup" in cli("workers").out


def test_a_drained_worker_ends_by_itself(cli: Cli, fleet: Up) -> None:
    command = ("worker", "tests.cli.handlers:worker", "--worker-id", "cli-drained")
    with Process(*command, CORRAL_HUB=fleet.address) as worker:
        worker.expect("Connected to hub")
        answer = cli("drain", "cli-drained", "--json")
        assert answer.json == {"worker_id": "cli-drained", "in_flight": 0}
        assert worker.wait() == 0
    assert "cli-drained" not in cli("workers").out


def test_stats_count_what_happened(cli: Cli) -> None:
    cli("submit", "hello", '"ann"', "--wait")
    found = cli("stats", "--json").json
    assert found["hubs"] == ["up"]
    assert found["totals"]["completed"] >= 1
    cli("submit", "unknown-workflow", "--run-id", "stats-waits")
    names = [line.partition(":")[0] for line in cli("stats").out.splitlines() if ":" in line]
    assert {"completed", "waiting now", "sessions now"} < set(names)
    assert names.count("sessions") <= 1


def test_explain_says_until_when_a_run_is_delayed(cli: Cli) -> None:
    cli("submit", "hello", '"ann"', "--run-id", "explain-delayed", "--delay", "30m")
    due = cli("describe", "explain-delayed", "--json").json["due_at_ms"]
    assert f"{clock(due)}\n" in cli("explain", "explain-delayed").out


def test_namespaces_do_not_see_each_other(cli: Cli) -> None:
    cli("submit", "hello", '"ann"', "--run-id", "only-default", "--wait")
    answer = cli("describe", "only-default", "--namespace", "elsewhere")
    assert answer.code == Exit.REFUSED
    assert cli("runs", "--namespace", "elsewhere", "--json").json == []


def test_snapshot_fields_are_the_json_fields(cli: Cli) -> None:
    cli("submit", "hello", '"ann"', "--run-id", "json-shape", "--wait")
    assert cli("describe", "json-shape", "--json").json.keys() == set(RunSnapshot.__struct_fields__)
    assert RunStatus(cli("describe", "json-shape", "--json").json["status"]).terminal


def test_one_filter_chooses_in_every_command(cli: Cli) -> None:
    for n in (1, 2):
        label = ("--label", f"part={n}")
        cli("submit", "hello", '"ann"', "--run-id", f"filter-{n}", "--wait", *label)
        cli("submit", "unknown-workflow", "--run-id", f"filtered-{n}", *label)

    def runs(*words: str) -> set[str]:
        return {run["run_id"] for run in cli("runs", *words, "--json").json}

    assert runs("--filter", "label.part=1") == {"filter-1", "filtered-1"}
    assert runs("--label", "part=*", "--tag", "region=us-west") == {"filter-1", "filter-2"}
    assert runs("--label", "part=*", "--worker", "cli-worker") == {"filter-1", "filter-2"}
    assert runs("--label", "part=2", "--kind", "workflow:unknown-workflow") == {"filtered-2"}
    seen = cli("events", "--filter", "label.part=1 status=running,completed", "--json").lines
    assert [(e["run_id"], e["type"]) for e in seen] == [
        ("filter-1", "status.running"), ("filter-1", "status.completed"),
    ]  # fmt: skip
    rest = cli("events", "--cursor", seen[0]["cursor"], "--label", "part=1", "--json").lines
    assert rest == cli("events", "--label", "part=1", "--json").lines[-len(rest) :]
    assert rest[-1]["run_id"] == "filtered-1"
    assert cli("cancel", "--filter", "label.part=2", "--all").out == "filtered-2 cancelled\n"
    assert cli("retry", "--filter", "status=cancelled", "--label", "part=2").out == (
        "filtered-2 retried\n"
    )
    assert len(cli("workers", "--filter", "tag.region=* label.none=x", "--json").json) == 0
    assert len(cli("workers", "--filter", "tag.region=us-west", "--json").json) == 1


def test_a_filter_that_is_wrong_is_wrong_usage_and_names_the_term(cli: Cli) -> None:
    for words in (
        ("runs", "--filter", "state=failed"),
        ("cancel", "--filter", "state=failed", "--all"),
        ("drain", "--filter", "state=failed"),
        ("events", "--filter", "state=failed"),
    ):
        answer = cli(*words)
        assert answer.code == Exit.USAGE
        assert "'state=failed' is not known" in answer.err.replace("\n", " ")
    assert cli("runs", "--filter", "workflow=a", "--workflow", "b").code == Exit.USAGE
    assert cli("cancel", "some-run", "--filter", "workflow=a", "--all").code == Exit.USAGE
