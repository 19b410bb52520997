"""The README and the guide do what they say: their files are written, their commands run.

One change is made: `corral up` listens on a free port, and `CORRAL_HUB` (or the address in a
file) names it, so that a fleet on the standard port is left alone.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks, commands, named_files

LIMIT_SECONDS = 60
STANDARD = "127.0.0.1:7445"


class Shell:
    """A shell in a directory; what runs in the background is ended with it."""

    def __init__(self, folder: Path, hub: str) -> None:
        self.folder = folder
        self.hub = hub
        self._background: list[subprocess.Popen[bytes]] = []
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = os.environ | {"PATH": path, "CORRAL_HUB": hub, "COLUMNS": "120"}

    def run(self, command: str) -> str:
        if command.endswith(" &"):
            self._start(command.removesuffix(" &"))
            return ""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{self._logs()}"
        return done.stdout

    def end(self) -> None:
        for process in reversed(self._background):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(LIMIT_SECONDS)

    def _start(self, command: str) -> None:
        if command.startswith("corral up"):
            command = f"{command} --listen {self.hub}"
        log = self.folder / f"{len(self._background)}.log"
        with log.open("wb") as output:
            self._background.append(
                subprocess.Popen(
                    f"exec {command}",
                    shell=True,
                    cwd=self.folder,
                    env=self._environment,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )
        if command.startswith("corral up"):
            self._wait_for_hub()

    def _wait_for_hub(self) -> None:
        host, _, port = self.hub.rpartition(":")
        until = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < until:
            assert self._background[-1].poll() is None, self._logs()
            try:
                socket.create_connection((host, int(port)), 1).close()
                return
            except ConnectionRefusedError:
                # Waits for the process's end, which is not to come: a pause that can fail early.
                try:
                    self._background[-1].wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
        raise AssertionError(f"no hub on {self.hub}: {self._logs()}")

    def _logs(self) -> str:
        return "\n".join(log.read_text() for log in sorted(self.folder.glob("*.log")))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        hub = f"127.0.0.1:{free.getsockname()[1]}"
    shell = Shell(tmp_path, hub)
    yield shell
    shell.end()


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md"])
def test_every_command_of_the_page_prints_what_the_page_says(page: str, shell: Shell) -> None:
    for name, body in named_files(ROOT / page).items():
        (shell.folder / name).write_text(body.replace(STANDARD, shell.hub))
    ran = commands(ROOT / page)
    assert len(ran) >= 4
    for command in ran:
        printed = shell.run(command.text).splitlines()
        assert printed == command.output, command.text


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_is_named_exists(page: str) -> None:
    named = [
        line.split()
        for body in blocks(ROOT / page, "sh")
        for line in body.splitlines()
        if line.startswith("make ")
    ]
    assert named
    for words in named:
        done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_example_is_the_worker_of_the_readme() -> None:
    shown = named_files(ROOT / "README.md")["hello.py"]
    example = (ROOT / "examples/hello/worker.py").read_text()
    handler = shown[shown.index("@worker.workflow") :].strip()
    assert handler in example
