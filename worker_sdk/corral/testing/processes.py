"""The processes of a test's fleet: its Valkey, its hubs, and workers that can be killed.

Owns each process from its start to its end. All of them end with the test run, also with one
that is killed: their stdin is a pipe whose other end it holds.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from corral.testing.child import READY
from corral.testing.errors import FleetError

START_SECONDS = 20.0
POLL_SECONDS = 0.005
CHILD = Path(__file__).with_name("child.py")
# The shortest limit among platforms, macOS's, with room for the name in the folder.
SOCKET_FOLDER_BYTES = 90
TAIL_LINES = 15
# Ends the server when stdin does; nothing else of the shell outlives it.
GUARD = '"$@" & child=$!; read -r _; kill -9 "$child"; wait "$child"'


class Process:
    """One process with its log; `pid` is its own once it was started."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id; raises `FleetError` before it was started."""
        return self._running().pid

    def kill(self) -> None:
        """SIGKILL; returns when it has ended. Nothing happens when it has already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def pause(self) -> None:
        """Freezes it (SIGSTOP): it holds its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def wait_ended(self, seconds: float) -> bool:
        """Waits at most so long for its end; tells whether it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._running().wait(seconds)
        return not self.alive

    def said(self) -> str:
        """The end of its log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        except OSError:
            lines = []
        return "\n".join([f"End of its log, {self.log}:", *(f"  {line}" for line in lines)])

    def _start(self, command: list[str], *, stdout: int | None = None) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log if stdout is None else stdout,
                stderr=log,
                # Ctrl-C is for the test run, which ends its processes itself.
                start_new_session=True,
            )

    def _start_child(self, wanted: dict[str, Any], *, stdout: int | None = None) -> None:
        text = json.dumps({"path": sys.path, **wanted})
        self._start([sys.executable, str(CHILD), text], stdout=stdout)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise FleetError(f"{self.name} was not started; start the fleet first.")
        return self._process

    def failed(self, what: str) -> FleetError:
        """The error of a process that did not do what it should, with the end of its log."""
        return FleetError(f"{self.name} {what}. {self.said()}")


class ValkeyServer(Process):
    """A Valkey on a unix socket in `folder`, which keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__("valkey", folder / "valkey.log")
        self._folder = folder
        self.socket = folder / "s"

    @property
    def url(self) -> str:
        """Address for hubs, `unix:///...`."""
        return f"unix://{self.socket}"

    def start(self) -> Self:
        """Starts it; `wait_ready` waits for it."""
        from corral_hub.errors import HubError
        from corral_hub.valkey_binary import find_binary

        try:
            binary = find_binary()
        except HubError as error:
            raise FleetError(error.message) from error
        settings = {
            "port": "0", "unixsocket": str(self.socket), "unixsocketperm": "600",
            "dir": str(self._folder), "save": "", "appendonly": "no", "daemonize": "no",
        }  # fmt: skip
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._start(["/bin/sh", "-c", GUARD, "sh", str(binary.path), *words])
        return self

    def wait_ready(self) -> None:
        """Returns when it answers; raises `FleetError` when it does not within 20 s."""
        import redis

        until = time.monotonic() + START_SECONDS
        with redis.Redis(unix_socket_path=str(self.socket), protocol=2) as client:
            while True:
                try:
                    client.ping()
                    return
                except (redis.RedisError, OSError) as error:
                    if self.wait_ended(POLL_SECONDS) or time.monotonic() > until:
                        raise self.failed("does not answer") from error

    def kill(self) -> None:
        """Ends the server, by way of its guard."""
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait()


class HubProcess(Process):
    """A hub on a free port of this machine, which it keeps over restarts."""

    def __init__(self, name: str, folder: Path, valkey: str, settings: dict[str, Any]) -> None:
        super().__init__(name, folder / f"{name}.log")
        self._settings = {
            "name": name,
            "valkey": valkey,
            "listen": "127.0.0.1:0",
            "durability": "memory",
            "tick_ms": 50,
            **settings,
        }
        if "lease_ms" in settings:
            # A hub wants at least three pings in a lease.
            self._settings.setdefault("ping_ms", max(1, min(3000, settings["lease_ms"] // 3)))

    @property
    def address(self) -> str:
        """Where it listens, `127.0.0.1:<port>`."""
        return str(self._settings["listen"])

    def start(self) -> Self:
        """Starts it; `wait_ready` waits for it."""
        wanted = {"what": "hub", "settings": self._settings}
        self._start_child(wanted, stdout=subprocess.PIPE)
        return self

    def wait_ready(self) -> None:
        """Returns when it serves; raises `FleetError` when it does not within 20 s."""
        stdout = self._running().stdout
        assert stdout is not None
        ready, _, _ = select.select([stdout], [], [], START_SECONDS)
        line = stdout.readline().decode() if ready else ""
        if not line.startswith(READY):
            raise self.failed("does not serve")
        self._settings["listen"] = line.removeprefix(READY).strip()


class WorkerProcess(Process):
    """A worker of a module, `module:object`, as a process."""

    def __init__(self, worker_id: str, folder: Path, target: str, hubs: list[str]) -> None:
        super().__init__(worker_id, folder / f"{worker_id}.log")
        self.worker_id = worker_id
        module, _, path = target.partition(":")
        if not module or not path:
            raise FleetError(f"{target!r} is no module:object, e.g. 'my_app.work:worker'.")
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            raise FleetError(
                f"There is no module {module!r} where this process looks; install it, or add its "
                "folder to pythonpath in the settings of pytest."
            )
        self._wanted = {
            "what": "worker",
            "target": target,
            "worker_id": worker_id,
            "hubs": hubs,
        }

    def start(self) -> Self:
        """Starts it; a hub knows when it is ready."""
        self._start_child(self._wanted)
        return self


def private_folder() -> Path:
    """A new folder, with a name that is short enough for a socket in it."""
    for base in (tempfile.gettempdir(), "/tmp"):
        if len(os.fsencode(base)) + 20 <= SOCKET_FOLDER_BYTES:
            return Path(tempfile.mkdtemp(prefix="corral-", dir=base))
    raise FleetError(f"{tempfile.gettempdir()} is too long for a socket path; set TMPDIR.")
