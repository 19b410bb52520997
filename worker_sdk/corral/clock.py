"""The clock of leases and waits: steady, and it goes on while the machine is suspended.

A lease in the store runs out while a laptop sleeps. `time.monotonic` stands still then on Linux
and macOS, so a worker that wakes would take its lease for a fresh one.
"""

from __future__ import annotations

import time

# Linux has a clock of its own for it; the monotonic one of macOS goes on, but is not the one that
# Python takes. Windows has neither name, and its monotonic clock goes on.
_ID: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def now_ms() -> float:
    """Gives milliseconds since some moment; the same clock in all processes of a machine."""
    if _ID is None:
        return time.monotonic() * 1000
    return time.clock_gettime(_ID) * 1000
