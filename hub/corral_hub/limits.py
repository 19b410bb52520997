"""Limits of namespaces: the hub's own, and those that a file sets for some or for all.

Owns the file's meaning and notices when it changes; a file that cannot be read later leaves
the limits as they were. What they do is done where submits are accepted.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import structlog

from corral_hub.errors import Misconfigured, QueueFull, RateLimited
from corral_hub.names import NAMESPACE
from corral_store.errors import StoreError

LOOK_SECONDS = 1.0
RANGES: dict[str, tuple[float, float]] = {
    "max_waiting": (1, 100_000_000),
    "max_payload_bytes": (1, 3_000_000),
    "submits_per_second": (0, 1_000_000),
    "submit_burst": (1, 1_000_000),
}

log = structlog.get_logger("corral.limits")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one namespace.

    `max_waiting`: runs that wait for one kind. `max_payload_bytes`: of an input.
    `submits_per_second`: over all hubs, 0 for no limit; `submit_burst`: how many at once after
    a pause, by default those of a second, and at least 1.
    """

    max_waiting: int = 1_000_000
    max_payload_bytes: int = 1_048_576
    submits_per_second: float = 0.0
    submit_burst: int = 0

    @property
    def burst(self) -> int:
        """How many submits the bucket holds."""
        return self.submit_burst or max(1, round(self.submits_per_second))


def queue_full(kind: str, limits: Limits) -> QueueFull:
    """The refusal of a run for whose kind enough wait."""
    return QueueFull(
        f"{limits.max_waiting} runs wait for {kind} already, as many as this namespace may have "
        "(max_waiting): submit again when some have started, or add workers",
        limit=str(limits.max_waiting),
    )


def rate_limited(wait_ms: int, limits: Limits) -> RateLimited:
    """The refusal of a run that comes too soon."""
    rate = f"{limits.submits_per_second:g} per second"
    return RateLimited(
        f"this namespace may submit {rate}, {limits.burst} at once (submits_per_second, "
        f"submit_burst): try again in {wait_ms / 1000:g} s",
        limit=rate,
    )


NAMES = {field.name for field in fields(Limits)}


class LimitsOf:
    """The limits of each namespace. `common`: of those that the file does not name."""

    def __init__(self, common: Limits, path: Path | None = None) -> None:
        self._common = common
        self._path = path
        self._default = common
        self._named: dict[str, Limits] = {}
        self._seen: bytes | None = None

    def of(self, namespace: str) -> Limits:
        """Limits of a namespace as they are now."""
        return self._named.get(namespace, self._default)

    def load(self) -> bool:
        """Reads the file, if there is one; true when it differs from what was read before.

        Raises Misconfigured, naming what is wrong, and leaves the limits as they were.
        """
        if self._path is None:
            return False
        try:
            raw = self._path.read_bytes()
            if raw == self._seen:
                return False
            tables = tomllib.loads(raw.decode())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise Misconfigured(
                f"limits file {self._path}: {why}; write [default] and [namespace.NAME] tables",
                field="limits_file",
            ) from error
        self._default, self._named = self._read(tables)
        self._seen = raw
        return True

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Looks at the file forever and tells of changes, until the store has taken them; the
        owner cancels it."""
        complaint, told = "", True
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if self.load():
                    log.info("limits have changed", file=str(self._path))
                    told = False
                if not told:
                    await changed()
                    told = True
                complaint = ""
            except (Misconfigured, StoreError) as error:
                if str(error) != complaint:
                    complaint = str(error)
                    log.warning("limits stay as they were", error=complaint)

    def _read(self, tables: dict[str, Any]) -> tuple[Limits, dict[str, Limits]]:
        odd = set(tables) - {"default", "namespace"}
        if odd:
            raise self._wrong(
                f"there is a table {sorted(odd)[0]!r}; [default] and [namespace.NAME] are possible"
            )
        default = self._limits("default", tables.get("default", {}), self._common)
        named: dict[str, Limits] = {}
        for name, table in self._table("namespace", tables.get("namespace", {})).items():
            if not NAMESPACE.fullmatch(name):
                raise self._wrong(f"namespace {name!r} does not match {NAMESPACE.pattern}")
            named[name] = self._limits(f"namespace.{name}", table, default)
        return default, named

    def _limits(self, where: str, table: object, base: Limits) -> Limits:
        given = self._table(where, table)
        for name, value in given.items():
            if name not in NAMES:
                raise self._wrong(
                    f"{where}.{name} is no limit; {', '.join(sorted(NAMES))} are possible"
                )
            low, high = RANGES[name]
            kinds = (int, float) if name == "submits_per_second" else (int,)
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                raise self._wrong(
                    f"{where}.{name} is {value!r}; a number from {low:g} to {high:g} is possible"
                )
        return replace(base, **given)

    def _table(self, where: str, table: object) -> dict[str, Any]:
        if not isinstance(table, dict):
            raise self._wrong(f"{where} is {table!r}; write it as a table, [{where}]")
        return cast("dict[str, Any]", table)

    def _wrong(self, what: str) -> Misconfigured:
        return Misconfigured(f"limits file {self._path}: {what}", field="limits_file")
