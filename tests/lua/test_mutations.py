"""Switching a guard off in a copy of the Lua makes the transition tests fail."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.lua.mutations import FAULTS


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_the_tests_notice_a_fault(fault: str) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist",
            "tests/lua/test_runs.py", "tests/lua/test_sessions.py", "tests/lua/test_model.py",
        ],
        env={**os.environ, "CORRAL_TEST_FAULT": fault},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout[-2000:]
    assert "1 failed" in done.stdout, done.stdout[-2000:]
