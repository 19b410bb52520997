"""The page about testing: its files are written, and pytest runs them as the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import ROOT, commands, named_files

PAGE = ROOT / "docs/testing.md"
LIMIT_SECONDS = 120


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    for name, body in named_files(PAGE).items():
        (tmp_path / name).write_text(body)
    (command,) = commands(PAGE)
    assert command.text == "pytest -q"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "CORRAL_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert _without_time(done.stdout) == _without_time("\n".join(command.output))


def _without_time(text: str) -> str:
    return re.sub(r" in [\d.]+s.*", "", text).strip()
