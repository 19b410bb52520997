"""Finds an nginx to run, or fetches the one of the distribution into a folder of our own.

Needs no rights and changes nothing outside that folder: the package is unpacked, not installed,
and its lists are fetched into the folder as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.house.toolbox import ROOT

CACHE = ROOT / ".cache" / "nginx"
# Where an nginx is that a user's PATH does not show.
FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin")
# Debian has the program in the first, older Ubuntu in the second.
PACKAGES = ("nginx", "nginx-core")
FETCH_SECONDS = 120
HOW = (
    "Install it (apt install nginx, brew install nginx, ...), or name the program in "
    "CORRAL_TEST_NGINX."
)


class NoNginx(Exception):
    """There is no nginx to test with, and none could be had; the text says what to do."""


def nginx() -> str:
    """The path of an nginx with TLS, HTTP/2 and gRPC. Raises NoNginx."""
    if named := os.environ.get("CORRAL_TEST_NGINX"):
        return named
    path = os.pathsep.join((os.environ.get("PATH", ""), *FOLDERS))
    if found := shutil.which("nginx", path=path):
        return found
    unpacked = CACHE / "usr/sbin/nginx"
    if not unpacked.exists():
        _fetch()
    return str(unpacked)


def _fetch() -> None:
    """Puts the package's files into the cache, all or none: tests may run side by side."""
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise NoNginx(f"There is no nginx on this machine, and no apt-get to fetch it. {HOW}")
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent, prefix="nginx-") as made:
        folder = Path(made)
        options = _private_lists(folder)
        _run("apt-get", "-qq", *options, "update", cwd=folder)
        for package in PACKAGES:
            _run("apt-get", "-qq", *options, "download", package, cwd=folder)
            (file,) = folder.glob(f"{package}_*.deb")
            _run("dpkg", "-x", str(file), "files", cwd=folder)
            if (folder / "files/usr/sbin/nginx").exists():
                break
        else:
            raise NoNginx(f"The packages {PACKAGES} have no usr/sbin/nginx. {HOW}")
        _run(str(folder / "files/usr/sbin/nginx"), "-V", cwd=folder)
        try:
            (folder / "files").rename(CACHE)
        except OSError:
            # Another process was first, with the same files.
            if not (CACHE / "usr/sbin/nginx").exists():
                raise


def _private_lists(folder: Path) -> list[str]:
    (folder / "state/lists/partial").mkdir(parents=True)
    (folder / "archives/partial").mkdir(parents=True)
    return [
        "-o", f"Dir::State={folder}/state",
        "-o", "Dir::State::status=/var/lib/dpkg/status",
        "-o", f"Dir::Cache={folder}",
        # As root, apt would fetch as a user who may not write here.
        "-o", "APT::Sandbox::User=",
    ]  # fmt: skip


def _run(*command: str, cwd: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=FETCH_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise NoNginx(f"{' '.join(command)} took more than {FETCH_SECONDS} s. {HOW}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise NoNginx(f"{' '.join(command)} failed: {said}. {HOW}")
