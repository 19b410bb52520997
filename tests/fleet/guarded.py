"""Two hubs with TLS, an access file and an enrolment file, started by the command line."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import secrets
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import trustme

import corral
from tests.processes import free_port

READY = re.compile(r"listens on (\S+)")


class Guarded:
    """Hubs, certificates and tokens of one test. `tokens` has the secret of each name."""

    def __init__(self, valkey: str, folder: Path) -> None:
        self.valkey = valkey
        self.folder = folder
        self.authority = trustme.CA()
        self.access = folder / "access.toml"
        self.enrolment = folder / "enrolment.toml"
        self.tokens: dict[str, str] = {}
        self.hubs: list[tuple[subprocess.Popen[str], str]] = []
        self.stack = AsyncExitStack()
        self.authority.cert_pem.write_to_path(self.path("ca.pem"))
        server = self.authority.issue_cert("localhost", "127.0.0.1")
        server.private_key_pem.write_to_path(self.path("hub.key"))
        server.cert_chain_pems[0].write_to_path(self.path("hub.pem"))

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def token(self, name: str, namespace: str, *roles: str) -> str:
        """Adds a token to the access file, as `corral token` does."""
        made = "corral_" + secrets.token_urlsafe(32)
        listed = ", ".join(f'"{role}"' for role in roles)
        before = self.access.read_text() if self.access.exists() else ""
        self.access.write_text(
            f'{before}[[token]]\nname = "{name}"\nnamespace = "{namespace}"\nroles = [{listed}]\n'
            f'sha256 = "{hashlib.sha256(made.encode()).hexdigest()}"\n'
        )
        self.tokens[name] = made
        return made

    def hub(self, name: str, *options: str, port: int = 0) -> str:
        """Starts a hub and gives its address."""
        listen = f"127.0.0.1:{port or free_port()}"
        words = [
            sys.executable, "-m", "corral", "hub", "--name", name, "--valkey", self.valkey,
            "--listen", listen, "--lease-ms", "3000", "--grace-ms", "2500",
            "--tls-cert", self.path("hub.pem"), "--tls-key", self.path("hub.key"), *options,
        ]  # fmt: skip
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert READY.search(line), line + (self.folder / f"{name}.log").read_text()
        self.hubs.append((process, f"grpcs://{listen}"))
        return f"grpcs://{listen}"

    def both(self, *options: str) -> None:
        """Two hubs with these options and the access file."""
        for name in ("a", "b"):
            self.hub(name, "--access-file", str(self.access), *options)

    @property
    def addresses(self) -> list[str]:
        return [address for _, address in self.hubs]

    def tls(self, *names: str, authority: trustme.CA | None = None) -> corral.Tls:
        """What a client trusts, and its own certificate when names are given."""
        if not names:
            return corral.Tls(ca=self.path("ca.pem"))
        own = (authority or self.authority).issue_cert(*names)
        return corral.Tls(
            ca=self.path("ca.pem"),
            cert=own.cert_chain_pems[0].bytes(),
            key=own.private_key_pem.bytes(),
        )

    async def client(self, token: str = "", **given: Any) -> corral.Client:
        """A client with the token of this name; "" for none."""
        client = corral.Client(
            given.pop("hubs", self.addresses),
            token=self.tokens.get(token, token),
            tls=given.pop("tls", self.tls()),
            timeout=given.pop("timeout", 10.0),
            **given,
        )
        return await self.stack.enter_async_context(client)

    def worker(self, name: str, token: str = "", **given: Any) -> corral.Worker:
        """A worker with one workflow, `echo`; not started."""
        worker = corral.Worker(
            name,
            hubs=given.pop("hubs", self.addresses),
            token=self.tokens.get(token, token),
            tls=given.pop("tls", self.tls()),
            backoff=corral.Backoff(initial_ms=50, maximum_ms=300),
            **given,
        )

        @worker.workflow("echo")
        async def echo(value: Any) -> Any:
            return value

        return worker

    async def until(self, truth: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
        """Asks again and again until it is so."""
        async with asyncio.timeout(seconds):
            for pause in itertools.repeat(0.05):
                if await truth():
                    return
                await asyncio.sleep(pause)

    async def close(self) -> None:
        await self.stack.aclose()
        for process, _ in self.hubs:
            process.terminate()
        for process, _ in self.hubs:
            process.wait(15)


def entries(file: Path) -> Sequence[str]:
    """The entries of an access file, as text."""
    return [f"[[{part}" for part in file.read_text().split("[[") if part.strip()]
