"""The demo's processes: hubs and workers, started as a user would start them.

Owns them and ends each by its own process id. Their logs go to files in its folder.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import corral
from examples.demo.documents import repository

START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
HUBS: tuple[str, ...] = ("a", "b")
WORKERS = ("worker-1", "worker-2", "worker-3")


class FleetFailed(Exception):
    """A process did not start, or ended early; the message has the end of its log."""


class Fleet:
    """Two hubs and three workers on one Valkey."""

    def __init__(self, valkey: str, folder: Path, environment: dict[str, str]) -> None:
        self.addresses = dict(zip(HUBS, _free_addresses(len(HUBS)), strict=True))
        self._valkey = valkey
        self._folder = folder
        self._environment = os.environ | environment
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    @property
    def hubs(self) -> str:
        """Both addresses, as clients and workers take them."""
        return ",".join(self.addresses.values())

    async def __aenter__(self) -> Self:
        try:
            for name, address in self.addresses.items():
                await self._start(
                    f"hub-{name}",
                    ["hub", "--name", name, "--listen", address, "--valkey", self._valkey],
                )
            await self._all_up(self._hubs_up, "hubs")
            for number, name in enumerate(WORKERS):
                # Each knows both hubs, in turns in another order, so that both have workers.
                hubs = ",".join(list(self.addresses.values())[:: -1 if number % 2 else 1])
                await self._start(
                    name,
                    [
                        *("worker", "examples.summarize.worker:worker"),
                        *("--worker-id", name, "--hub", hubs),
                    ],
                )
            await self._all_up(self._workers_up, "workers")
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    def pid(self, hub: str) -> int:
        """Process id of a hub."""
        return self._processes[f"hub-{hub}"].pid

    def freeze(self, hub: str) -> None:
        """Stops a hub in its tracks: from now on it answers nobody and changes nothing."""
        os.kill(self.pid(hub), signal.SIGSTOP)

    def thaw(self, hub: str) -> None:
        """Lets a frozen hub go on."""
        os.kill(self.pid(hub), signal.SIGCONT)

    async def kill(self, hub: str) -> None:
        """Ends a hub with SIGKILL and returns when it is gone."""
        process = self._processes[f"hub-{hub}"]
        process.kill()
        await process.wait()

    def other(self, hub: str) -> str:
        """The hub that is left when this one dies."""
        (left,) = (name for name in HUBS if name != hub)
        return left

    async def _start(self, name: str, arguments: Sequence[str]) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "corral",
                *arguments,
                cwd=repository(),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C must reach the demo alone; the demo ends its processes in order.
                start_new_session=True,
            )

    async def _all_up(self, up: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await up():
                    self._check_alive()
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise FleetFailed(
                f"The {what} were not ready within {START_SECONDS:g} s; their logs are in "
                f"{self._folder}."
            ) from error

    async def _hubs_up(self) -> bool:
        for address in self.addresses.values():
            try:
                async with corral.Client(address, timeout=1.0) as client:
                    await client.stats()
            except corral.Unavailable:
                return False
        return True

    async def _workers_up(self) -> bool:
        async with corral.Client(self.hubs, timeout=2.0) as client:
            return len(await client.list_workers()) == len(WORKERS)

    def _check_alive(self) -> None:
        for name, process in self._processes.items():
            if process.returncode is not None:
                log = (self._folder / f"{name}.log").read_text(errors="replace")
                raise FleetFailed(
                    f"{name} ended with exit code {process.returncode}:\n"
                    + "\n".join(log.splitlines()[-15:])
                )

    async def _end(self) -> None:
        # Workers first: they say goodbye to a hub that still listens.
        for group in (WORKERS, tuple(f"hub-{name}" for name in HUBS)):
            await asyncio.gather(
                *(_end(self._processes[name]) for name in group if name in self._processes)
            )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        # A process that is frozen would not hear the other signal.
        process.send_signal(signal.SIGCONT)
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _free_addresses(count: int) -> list[str]:
    """Addresses on loopback that are free now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    finally:
        for one in sockets:
            one.close()
