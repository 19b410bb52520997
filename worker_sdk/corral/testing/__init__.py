"""For tests of what users write: handlers without a fleet, and fleets of a test's own.

`FakeContext` executes a handler in memory; `Fleet` has real hubs and a real store, and needs
the extra `corral[testing]`. Production code has no use for it.
"""

from corral.testing.errors import FleetError, WorkerKilled
from corral.testing.fake import FakeContext
from corral.testing.fleet import Fleet
from corral.testing.said import LAPSED, Line, Progress, Question, RunParked, Said

__all__ = [
    "LAPSED",
    "FakeContext",
    "Fleet",
    "FleetError",
    "Line",
    "Progress",
    "Question",
    "RunParked",
    "Said",
    "WorkerKilled",
]
