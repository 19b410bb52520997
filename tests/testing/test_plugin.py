"""The plugin in a project of a user's: with what runs coroutines there, and without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.house.toolbox import installed

LIMIT_SECONDS = 120
GONE_SECONDS = 30
ASYNCIO = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")

WORK = """
import asyncio, pytest, corral

async def greet(name: str) -> str:
    return f"Hello {name}"
"""


def _pytest(folder: Path, text: str, *options: str, path: Path | None = None) -> str:
    """Runs a test file as a user does, and gives what pytest prints."""
    (folder / "test_theirs.py").write_text(WORK + text)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "CORRAL_"))}
    environment.pop("PYTHONPATH", None)
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "--strict-markers", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    return done.stdout + done.stderr


def test_plain_tests_use_the_fixture(tmp_path: Path) -> None:
    said = _pytest(
        tmp_path,
        """
def test_it(corral_fleet):
    assert corral_fleet.sync.run_and_wait(greet, "Ada") == "Hello Ada"

@pytest.mark.corral_fleet(hubs=2, lease_ms=2000)
def test_two(corral_fleet):
    assert len(corral_fleet.hubs) == 2

def test_a_coroutine_is_needed_for(corral_fleet):
    with pytest.raises(corral.CorralError, match="fleet.sync"):
        corral_fleet.client()
""",
    )
    assert "3 passed" in said, said


# One after the other, each on an event loop of its own: what a test has left open on its loop
# ends with it, and hurts no later one.
COROUTINES = """
@pytest.mark.parametrize("n", range(4))
async def test_it(corral_fleet, n):
    assert await corral_fleet.run_and_wait(greet, "Ada") == "Hello Ada"

async def test_a_handler_that_never_ends_is_left_behind(corral_fleet):
    held = asyncio.Event()

    async def hang():
        held.set()
        await asyncio.sleep(3600)

    await corral_fleet.submit(hang)
    await held.wait()
"""


def test_coroutines_of_anyio_use_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    )
    said = _pytest(tmp_path, "pytestmark = pytest.mark.anyio\n" + COROUTINES)
    assert "5 passed" in said, said


def test_coroutines_of_pytest_asyncio_use_the_fixture(tmp_path: Path) -> None:
    packages = installed("pytest-asyncio", "pytest-asyncio>=1")
    said = _pytest(tmp_path, COROUTINES, *ASYNCIO, path=packages)
    assert "5 passed" in said, said


def test_who_does_not_ask_for_a_fleet_imports_no_hub(tmp_path: Path) -> None:
    said = _pytest(
        tmp_path,
        """
import sys

def test_it():
    assert "corral.testing.plugin" in sys.modules
    assert not {"corral_hub", "corral_store", "redis"} & sys.modules.keys()
""",
    )
    assert "1 passed" in said, said


def test_a_killed_test_run_leaves_no_process(tmp_path: Path) -> None:
    said = _pytest(
        tmp_path,
        """
import os, signal

def test_it(corral_fleet):
    corral_fleet.sync.run_and_wait(greet, "Ada")
    print("pids", *(hub.pid for hub in corral_fleet.hubs.values()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
""",
        "-s",
    )
    found = re.search(r"pids (\d+)", said)
    assert found, said
    _wait_gone(int(found[1]))


def _wait_gone(pid: int) -> None:
    """Returns when the process has ended; one that nobody has waited for yet counts as such."""
    until = time.monotonic() + GONE_SECONDS
    while time.monotonic() < until:
        done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
        if not done.stdout.strip() or done.stdout.startswith("Z"):
            return
    raise AssertionError(f"process {pid} lives on")
