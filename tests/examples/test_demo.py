"""The demo: its verdict counts what happened, and `make demo` passes it on a real fleet."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import corral
from examples.demo.documents import NoDocuments, collect
from examples.demo.verdict import executions, judge
from tests.house.toolbox import ROOT

LIMIT_SECONDS = 150
PARAGRAPH = "Hub number {n} keeps runs in part {p} of the store, and workers take them one by one. "


def _run(status: str) -> corral.RunSnapshot:
    fields: dict[str, Any] = dict.fromkeys(corral.RunSnapshot.__struct_fields__)
    return corral.RunSnapshot(**fields | {"status": corral.RunStatus(status)})


def _demo(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.demo", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )


def test_a_hub_is_killed_with_runs_in_flight_and_nothing_is_lost(tmp_path: Path) -> None:
    for number in range(12):
        parts = [f"## Part {part}\n\n{PARAGRAPH.format(n=number, p=part)}\n" for part in range(4)]
        (tmp_path / f"{number}.md").write_text(f"# Page {number}\n\n" + "\n".join(parts))
    done = _demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    killed = re.search(r"SIGKILL for hub \w \(process \d+\) with (\d+) runs in flight", done.stdout)
    assert killed
    assert int(killed[1]) > 0
    numbers = {
        name.strip(): int(n) for name, n in re.findall(r"^([a-z ]+?) +(\d+)", done.stdout, re.M)
    }
    assert numbers["submitted"] == numbers["completed"] == numbers["executions"] == 12
    assert numbers["lost"] == numbers["executed more than once"] == numbers["failed"] == 0


def test_a_folder_without_text_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done = _demo(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"demo: {tmp_path} has no text files")
    assert len(done.stderr.splitlines()) == 2


def test_the_repository_has_documents_enough_for_the_demo() -> None:
    documents, _ = collect(None)
    assert len(documents) >= 12


def test_empty_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "empty.md").write_text("")
    (tmp_path / "large.txt").write_text("x" * 600_000)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "b.md").write_text("Text.")
    (tmp_path / "c.py").write_text("pass")
    documents, left_out = collect(tmp_path)
    assert [document.name for document in documents] == ["a.md"]
    assert [reason.split(":")[0] for reason in left_out] == ["empty.md", "large.txt"]
    with pytest.raises(NoDocuments, match="is not a folder"):
        collect(tmp_path / "none")


@pytest.mark.parametrize(
    ("found", "counted", "field"),
    [
        ({"r": None}, {"r": 1}, "lost"),
        ({"r": _run("running")}, {"r": 1}, "lost"),
        ({"r": _run("failed")}, {"r": 1}, "failed"),
        ({"r": _run("completed")}, {"r": 2}, "executed_again"),
        ({"r": _run("completed")}, {}, "never_executed"),
    ],
)
def test_the_verdict_is_bad_when(
    found: dict[str, corral.RunSnapshot | None], counted: dict[str, int], field: str
) -> None:
    verdict = judge(found, Counter(counted))
    assert getattr(verdict, field) == 1
    assert not verdict.good


def test_the_ledger_is_counted_by_run(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    assert not executions(ledger)
    ledger.write_text("".join(json.dumps({"run_id": run}) + "\n" for run in ("a", "b", "a")))
    assert executions(ledger) == {"a": 2, "b": 1}
    assert (
        judge({"a": _run("completed"), "b": _run("completed")}, executions(ledger)).submitted == 2
    )
