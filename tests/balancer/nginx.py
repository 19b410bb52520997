"""One nginx process with the file of `deploy/`, in which nothing but places is changed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from tests.house.toolbox import ROOT
from tests.processes import free_port

SHIPPED = ROOT / "deploy/nginx.conf"
START_SECONDS = 10.0
# Temporary files go where a user without rights may write.
PLACES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def changed(text: str, changes: dict[str, str]) -> str:
    """The text with each of the changes, all of which must be about something in it."""
    for old, new in changes.items():
        assert old in text, f"deploy/nginx.conf no longer has {old!r}"
        text = text.replace(old, new)
    return text


@dataclass
class Nginx:
    """The balancer of some hubs; `scaled` changes limits of the file, by their text."""

    binary: str
    folder: Path
    hubs: list[str]
    certificate: Path
    key: Path
    authority: bytes
    scaled: dict[str, str] = field(default_factory=dict[str, str])
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"grpcs://localhost:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "nginx.log").read_text()

    def configuration(self) -> str:
        """The shipped file with the places of a test in it."""
        hubs = {
            f"server hub-{letter}:7445": f"server {address}"
            for letter, address in zip("abc", self.hubs, strict=True)
        }
        places = "".join(f"\n    {name}_temp_path {self.folder}/temp;" for name in PLACES)
        return changed(
            SHIPPED.read_text(),
            {
                **hubs,
                "listen 7445 ": f"listen 127.0.0.1:{self.port} ",
                "/etc/nginx/tls.crt": str(self.certificate),
                "/etc/nginx/tls.key": str(self.key),
                "\nhttp {": f"\nhttp {{{places}",
                **self.scaled,
            },
        )

    def start(self) -> Nginx:
        """Starts it and waits until it speaks TLS."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "nginx.conf").write_text(self.configuration())
        with (self.folder / "nginx.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    self.binary, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"),
                    "-g", f"daemon off; pid {self.folder}/pid;",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        credentials = grpc.ssl_channel_credentials(self.authority)
        until = time.monotonic() + START_SECONDS
        with grpc.secure_channel(f"localhost:{self.port}", credentials) as channel:
            while True:
                assert self.process.poll() is None, self.log
                try:
                    grpc.channel_ready_future(channel).result(timeout=1)
                    return self
                except grpc.FutureTimeoutError:
                    assert time.monotonic() < until, self.log

    def reload(self) -> None:
        """Reads its file again: new processes for what is new, the old ones for what goes on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGHUP)

    def stop(self) -> None:
        """Ends it at once, with the processes that it has started."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)
