"""Real `corral` processes for tests: started, read line by line, ended by their own pid."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0


def environment(**extra: str) -> dict[str, str]:
    """The environment of a user who has set nothing of ours, and finds the tests' modules."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CORRAL_")}
    paths = [str(ROOT), *(p for p in kept.get("PYTHONPATH", "").split(os.pathsep) if p)]
    return kept | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"} | extra


def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "corral", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment(**extra),
    )


class Process:
    """A command that goes on; a context manager that ends it."""

    def __init__(self, *arguments: str, cwd: Path | None = None, **extra: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "corral", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env=environment(**extra),
        )
        self.seen: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "".join(self.seen)

    def expect(self, text: str) -> str:
        """Waits for a line with a text, and gives it."""
        until = time.monotonic() + SECONDS
        while True:
            line = self._lines.get(timeout=max(0.01, until - time.monotonic()))
            assert line is not None, f"ended without {text!r}:\n{self.output}"
            self.seen.append(line)
            if text in line:
                return line

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and gives the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Waits for the end by itself and gives the exit code."""
        code = self._process.wait(timeout=SECONDS)
        while (line := self._lines.get(timeout=SECONDS)) is not None:
            self.seen.append(line)
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Up(Process):
    """`corral up` on a free port; knows its address."""

    def __init__(self, data: Path, *arguments: str, listen: str = "127.0.0.1:0") -> None:
        super().__init__("up", "--listen", listen, "--data", str(data), *arguments)
        self.data = data
        line = self.expect("Corral is up")
        self.address = line.split(" on ")[1].split(",")[0]
        self.expect("Ctrl-C stops it")
