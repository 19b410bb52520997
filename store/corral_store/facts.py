"""What a Valkey says about itself, as far as it lets us ask. Judges nothing.

A server may hide INFO, CONFIG or CLIENT from a user; what it hides is told with the reason,
and the rest goes on.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from corral_store.connection import Connection
from corral_store.errors import StoreError

SETTINGS = (
    "appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "timeout",
)  # fmt: skip
PINGS = 5


@dataclass(slots=True)
class Facts:
    """`hidden`: command -> why it told nothing. None where nothing was told.

    `clock_off_ms`: the server's clock minus this machine's. `clients`: names of connections.
    """

    ping_ms: float = 0.0
    info: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    clock_off_ms: float | None = None
    libraries: list[str] | None = None
    clients: list[str] | None = None
    hidden: dict[str, str] = field(default_factory=dict[str, str])


async def gather(connection: Connection) -> Facts:
    """Asks the server. Raises StoreUnavailable and StoreRefused when it lets nobody in."""
    facts = Facts()
    facts.ping_ms = await _ping(connection)

    async def ask(what: str, *arguments: str) -> Any:
        try:
            return await connection.command(what, *arguments)
        except StoreError as error:
            facts.hidden[what] = str(error.__cause__ or error)
            return None

    facts.info = _lines(await ask("INFO", "everything"))
    settings = await ask("CONFIG", "GET", *SETTINGS)
    if settings is not None:
        facts.settings = _pairs(settings)
    before = time.time()
    told = await ask("TIME")
    if told is not None:
        here = (before + time.time()) / 2
        facts.clock_off_ms = (int(told[0]) + int(told[1]) / 1e6 - here) * 1000
    functions = await ask("FUNCTION", "LIST", "LIBRARYNAME", "corral_*")
    if functions is not None:
        facts.libraries = sorted(_pairs(one)["library_name"] for one in functions)
    clients = await ask("CLIENT", "LIST")
    if clients is not None:
        facts.clients = [
            word.removeprefix("name=")
            for line in bytes(clients).decode("utf-8", "replace").splitlines()
            for word in line.split()
            if word.startswith("name=")
        ]
    return facts


async def _ping(connection: Connection) -> float:
    """The median of some round trips in milliseconds, the first one aside, which connects."""
    spans: list[float] = []
    for _ in range(PINGS + 1):
        began = time.perf_counter()
        await connection.command("PING")
        spans.append((time.perf_counter() - began) * 1000)
    return statistics.median(spans[1:])


def _lines(raw: Any) -> dict[str, str]:
    if raw is None:
        return {}
    text = bytes(raw).decode("utf-8", "replace")
    return {
        name: value
        for name, sign, value in (line.partition(":") for line in text.splitlines())
        if sign and not name.startswith("#")
    }


def _pairs(flat: Any) -> dict[str, str]:
    def text(value: Any) -> str:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    return {text(flat[i]): text(flat[i + 1]) for i in range(0, len(flat), 2)}
