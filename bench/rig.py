"""What cases measure on: real processes of Valkey, hubs and workers, and their use of the machine.

Every case opens its own and leaves nothing behind. Hubs and workers are started by the command
line, as users start them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

import corral
from bench.alike import ROOM
from corral_hub.embedded import EmbeddedValkey

ROOT = Path(__file__).parent.parent
READY_SECONDS = 60.0
STOP_SECONDS = 10.0
WORKER = "bench"


class Rig:
    """Sizes and processes for cases; `folder` is theirs and is removed at the end."""

    def __init__(self, folder: Path, *, quick: bool, rounds: int | None) -> None:
        self.folder = folder
        self.quick = quick
        self.rounds = rounds or (3 if quick else 5)

    def size(self, quick: int, full: int) -> int:
        """A number that depends on how much time there is."""
        return quick if self.quick else full

    @contextlib.asynccontextmanager
    async def valkey(self, *, durable: bool = True) -> AsyncGenerator[EmbeddedValkey]:
        """A new Valkey as `corral up` has it; not durable: without its append-only file."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        async with EmbeddedValkey(folder) as valkey:
            if not durable:
                async with Redis.from_url(valkey.url) as client:
                    await client.config_set("appendonly", "no")
            yield valkey

    @contextlib.asynccontextmanager
    async def process(
        self, *words: str, ready: str, seconds: float = READY_SECONDS
    ) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
        """A process, once it has printed a line that matches; with what the pattern caught. Those
        that it has started end with it."""
        process = await asyncio.create_subprocess_exec(
            *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT,
            start_new_session=True,
        )  # fmt: skip
        said: list[str] = []
        drain: asyncio.Task[bytes] | None = None
        reader = process.stdout
        assert reader is not None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    line = (await reader.readline()).decode(errors="replace")
                    said.append(line)
                    if not line:
                        raise RuntimeError(f"{' '.join(words)} ended: {''.join(said)[-2000:]}")
                    if found := re.search(ready, line):
                        break
            # A process whose output nobody reads stops when the pipe is full.
            drain = asyncio.create_task(reader.read(), name="bench-drain")
            yield process, found[1] if found.groups() else ""
        finally:
            await _end(process)
            if drain is not None:
                await asyncio.wait([drain], timeout=STOP_SECONDS)
                drain.cancel()

    @contextlib.asynccontextmanager
    async def hub(
        self, valkey: str, name: str = "a", durability: str = "fsync"
    ) -> AsyncGenerator[tuple[int, str]]:
        """A hub process: its pid and its address."""
        words = (
            sys.executable, "-m", "corral", "hub", "--name", name, "--listen", "127.0.0.1:0",
            "--valkey", valkey, "--durability", durability,
        )  # fmt: skip
        async with self.process(*words, ready=r"listens on (\S+)") as (process, address):
            yield process.pid, address

    @contextlib.asynccontextmanager
    async def worker(self, address: str) -> AsyncGenerator[int]:
        """A worker process with the handlers of `bench.work`, when it has said Hello."""
        words = (
            sys.executable, "-m", "corral", "worker", "bench.work:worker", "--hub", address,
            "--worker-id", WORKER, "--max-in-flight", str(ROOM["corral"]),
        )  # fmt: skip
        async with (
            self.process(*words, ready="worker of the bench") as (process, _),
            corral.Client(address) as client,
        ):
            await _joined(client)
            yield process.pid


async def _joined(client: corral.Client) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            if WORKER in [worker.worker_id for worker in await client.list_workers()]:
                return
            await asyncio.sleep(0.02)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
    # Its children too, such as the worker of a peer whose program was ended before.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    total = 0.0
    for part in re.split("[:-]", _ps(pid, "time=")):
        total = total * 60 + float(part)
    return total


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        found = re.search(r"VmRSS:\s+(\d+)", status.read_text())
        return int(found[1]) * 1024 if found else 0
    return int(_ps(pid, "rss=")) * 1024


def _ps(pid: int, what: str) -> str:
    answer = subprocess.run(
        ["ps", "-o", what, "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


async def function_microseconds(client: Redis) -> float:
    """Time that Valkey has spent in functions, what they call included."""
    stats = cast("dict[str, dict[str, Any]]", await client.info("commandstats"))
    return float(stats.get("cmdstat_fcall", {}).get("usec", 0.0))
