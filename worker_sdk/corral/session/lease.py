"""Until when the session certainly lives, as the worker can know it.

The hub renews the lease by what the worker says, at any moment after it was said. So a lease
counts from when the worker said what has renewed it, and not from when it heard of that: what
stood still in between has heard old words.
"""

from __future__ import annotations

import math

from corral_proto.v1 import worker_pb2

# Part of a lease that is counted on. Clocks differ a little, and a session ends a lease after mail
# was sent that is not acknowledged, for which a worker takes up to 100 ms.
COUNTED_ON = 0.95


class Horizon:
    """Until when the lease certainly holds. Written by who has the session's turn, read by all."""

    def __init__(self, until_ms: float = 0.0) -> None:
        self.until_ms = until_ms


class Lease:
    """The arithmetic of one session's lease; `ms` is 0 until a hub has said how long it is."""

    def __init__(self) -> None:
        self.ms = 0
        self.grace_ms = 0
        self._hello_at = 0.0
        self._since = -math.inf
        self._cut = False
        self._said = self.until

    @property
    def until(self) -> float:
        """When it may be over at the earliest; minus infinity when that may have been already."""
        lives_ms = min(self.ms, self.grace_ms) if self._cut else self.ms
        return self._since + lives_ms * COUNTED_ON

    def news(self) -> float | None:
        """Gives `until` when it is another than last time."""
        if self.until == self._said:
            return None
        self._said = self.until
        return self._said

    def hello(self, now: float) -> None:
        """A Hello leaves: the store opens the session afterwards, if it does."""
        self._hello_at = now

    def welcomed(self, welcome: worker_pb2.Welcome) -> None:
        """The session is open since some moment after the Hello."""
        self.ms, self.grace_ms = welcome.lease_ms, welcome.grace_ms
        self._since = self._hello_at if self.ms else math.inf
        self._cut = False

    def pinged(self, ping: worker_pb2.Ping, now: float) -> None:
        """The hub says what has renewed the lease; one that never does is trusted."""
        said_at = float(ping.renewed_ms) if ping.HasField("renewed_ms") else now
        self._since = max(self._since, min(said_at, now))

    def cut(self) -> None:
        """The stream has ended: for the store the grace may have begun any time since."""
        self._cut = True

    def lost(self) -> None:
        """The session is over; what it held may be another worker's."""
        self._since = -math.inf

    def overslept(self, heard_at: float, frame: worker_pb2.HubFrame, now: float) -> bool:
        """True when nothing was looked at for a lease: the session may have been lost, so what
        its stream still carries, its Welcome too, may be another worker's by now. A new Hello
        tells."""
        lease_ms = self.ms or max((m.welcome.lease_ms for m in frame.messages), default=0)
        return 0 < lease_ms <= now - heard_at
