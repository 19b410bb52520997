"""What figures are of: the tree and the machine, noted before anything is measured."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from corral_hub.allocator import preload
from corral_hub.valkey_binary import NoValkeyBinary, find_binary

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Tree:
    """The commit, and whether anything is not as it says; "" outside of a repository."""

    commit: str
    dirty: bool

    @classmethod
    def now(cls, folder: Path = HERE) -> Self:
        """The tree that a folder belongs to. New files count too, unless git ignores them."""
        return cls(_git(folder, "rev-parse", "HEAD"), bool(_git(folder, "status", "--porcelain")))

    def __str__(self) -> str:
        changes = " with changes that are not committed" if self.dirty else ""
        return f"commit {self.commit[:12]}{changes}" if self.commit else "no repository"


@dataclass(frozen=True, slots=True)
class Origin:
    """The tree and the machine as the bench begins; `load` is the machine's before it."""

    tree: Tree
    began: str
    load: tuple[float, float, float]
    cores: int | None
    system: str
    python: str
    # With what gives it its memory, e.g. `valkey 9.1.2, libjemalloc.so.2`.
    valkey: str

    @classmethod
    def now(cls) -> Self:
        """As it is."""
        return cls(
            Tree.now(),
            time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            os.getloadavg(),
            os.cpu_count(),
            platform.platform(),
            platform.python_version(),
            _valkey(),
        )


def _valkey() -> str:
    try:
        found = find_binary()
    except NoValkeyBinary:
        return ""
    return f"{found.product} {found.version}, {preload(found.allocator) or found.allocator}"


def _git(folder: Path, *words: str) -> str:
    try:
        found = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()
