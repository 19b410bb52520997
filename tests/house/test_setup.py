"""A fresh machine is told in one sentence what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.toolbox import ROOT

TOOLS = ("sh", "rm", "mkdir")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with a shell and nothing to run Python with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (found,) = [p for p in ("/bin", "/usr/bin") if (Path(p) / name).exists()][:1]
        (folder / name).symlink_to(Path(found) / name)
    return folder


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _make_venv(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / ".ci/venv", path.parent / "venv"],
        env={"PATH": str(path), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
    )


def test_without_python_it_says_what_to_install(bare: Path) -> None:
    done = _make_venv(bare)
    assert done.returncode == 1
    assert "No Python of 3.11 or later" in done.stderr


def test_an_old_python_is_no_python(bare: Path) -> None:
    _program(bare / "python3", "exit 1")
    assert "No Python of 3.11 or later" in _make_venv(bare).stderr


def test_without_the_venv_module_it_says_what_to_install(bare: Path) -> None:
    _program(
        bare / "python3",
        'case "$*" in *"import venv"*) exit 1;; --version) echo Python 3.12.1;; esac',
    )
    done = _make_venv(bare)
    assert done.returncode == 1
    assert "Python 3.12.1 has no venv module" in done.stderr


def test_without_the_venv_module_uv_makes_it(bare: Path) -> None:
    _program(
        bare / "python3.12",
        'case "$*" in *"import venv"*) exit 1;; --version) echo Python 3.12.1;; esac',
    )
    _program(bare / "uv", 'echo "uv $*"')
    done = _make_venv(bare)
    assert done.returncode == 0, done.stderr
    assert "uv venv --quiet --seed --python python3.12" in done.stdout


def test_a_working_environment_is_left_alone(bare: Path) -> None:
    venv = bare.parent / "venv" / "bin"
    venv.mkdir(parents=True)
    _program(venv / "python", f'exec {sys.executable} "$@"')
    assert _make_venv(bare).returncode == 0
    assert (venv / "python").exists()
