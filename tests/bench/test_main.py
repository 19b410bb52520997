"""`python -m bench` as it is used: what is kept says what it is of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.origin import Tree
from tests.house.toolbox import ROOT


def test_a_run_in_small_says_so_where_it_was_told_to_be_kept(tmp_path: Path) -> None:
    # A name with a dot in it, as versions have, in a folder that is not there yet.
    kept = tmp_path / "bench/0.1"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "limits", "--quick", "--rounds", "1", "--keep", kept],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "bench/0.1.json").read_text())
    assert found["title"].startswith("Targets: IN SMALL, not the verdicts of a full run; commit ")
    assert found["origin"]["tree"]["commit"] == Tree.now(ROOT).commit
    assert {len(figure["samples"]) for figure in found["figures"]} == {1}
