"""What can go wrong with a fleet of a test."""

from __future__ import annotations

from corral.errors import CorralError


class FleetError(CorralError):
    """The fleet of a test cannot do what was asked; the message ends with the next step."""


class WorkerKilled(CorralError):
    """How a worker ends that `Fleet.kill_worker` has killed."""
