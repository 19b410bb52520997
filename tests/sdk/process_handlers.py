"""Handlers for processes, in a module that children can import."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

if sys.argv[0].endswith("child.py") and os.environ.get("CORRAL_TEST_IMPORT_EXITS"):
    sys.exit("run as a program")

# What the child had loaded before this module asked for anything.
BEFORE = "grpc" in sys.modules


def where(ctx: Any) -> dict[str, Any]:
    ctx.emit_event_sync("here", {"attempt": ctx.attempt})
    return {
        "pid": os.getpid(),
        "grpc": BEFORE,
        "cuda": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "labels": dict(ctx.labels),
        "fence": ctx.fence,
    }


def typed(n: int) -> int:
    return n * 2


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise LookupError("not there")


def clean_up(ctx: Any, path: str) -> None:
    try:
        ctx.emit_event_sync("began")
        time.sleep(60)
    finally:
        Path(path).write_text("cleaned")


def hold(ctx: Any, seconds: float) -> str:
    """Holds the GIL in native code."""
    ctx.emit_event_sync("holding")
    ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))
    return "held"


def stubborn(ctx: Any) -> int:
    """Holds the GIL in native code that no signal interrupts."""
    # Nor before it gets there, on a machine that has much to do.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctx.emit_event_sync("holding")
    return sum(range(10**12))
