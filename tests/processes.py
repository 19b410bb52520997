"""Hubs as real processes, to be killed by real signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

READY_SECONDS = 30.0

_MAIN = """
import json, sys
from pathlib import Path
from corral_hub.config import HubConfig, TlsFiles
from corral_hub.main import run_hub
settings = json.loads(sys.argv[1])
settings["tokens"] = tuple(settings.get("tokens", ()))
for name in ("token_file", "access_file", "enrolment_file"):
    settings[name] = Path(settings[name]) if name in settings else None
settings["tls"] = TlsFiles(*map(Path, settings["tls"])) if "tls" in settings else None
sys.exit(run_hub(HubConfig(**settings)))
"""


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class HubProcess:
    """One hub process on a port that it keeps over restarts."""

    name: str
    valkey: str
    log: Path
    settings: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    # For a hub that serves with TLS: what asks it whether it is ready.
    credentials: grpc.ChannelCredentials | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, *, wait: bool = True) -> HubProcess:
        settings = {
            "name": self.name, "valkey": self.valkey, "listen": self.address, **self.settings
        }  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _MAIN, json.dumps(settings)], stdout=log, stderr=log
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        assert self.process is not None
        until = time.monotonic() + READY_SECONDS
        options = (("grpc.enable_http_proxy", 0),)
        with (
            grpc.secure_channel(self.address, self.credentials, options)
            if self.credentials is not None
            else grpc.insecure_channel(self.address, options)
        ) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while time.monotonic() < until:
                assert self.process.poll() is None, self.log.read_text()
                with contextlib.suppress(grpc.RpcError):
                    stub.Check(health_pb2.HealthCheckRequest(), timeout=1, wait_for_ready=True)
                    return
        raise AssertionError(f"{self.name} is not ready\n{self.log.read_text()}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=30)

    def pause(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.alive:
            self.resume()
            self.kill()
