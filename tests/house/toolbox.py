"""Packages in other versions than ours, each in a folder of its own that later runs find again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTALL_SECONDS = 300
RUN_SECONDS = 120


def installed(folder: str, *requirements: str) -> Path:
    """The folder with these packages; installed by pip when it is not there yet."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = ROOT / ".venv-protobuf" / f"{folder}-py{version}"
    stamp = target / ".ready"
    wanted = "\n".join(requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return target
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--upgrade", "--target", str(target), *requirements],
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, (
        f"pip could not install {', '.join(requirements)}, which this test needs once; "
        f"is a package index in reach?\n{done.stderr}"
    )
    stamp.write_text(wanted)
    return target


def python(*arguments: str, path: list[Path], cwd: Path = ROOT) -> str:
    """Runs Python with these folders and the standard library only; gives what it prints."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(folder) for folder in path)}
    done = subprocess.run(
        # -S: without the site packages of our own environment.
        [sys.executable, "-S", *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout
