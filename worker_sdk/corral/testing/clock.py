"""The time of a test's store: moved ahead, and leases that run out at once.

Writes the few fields of the store that decide about time; hubs do all that follows from it.
Leases are not touched by a move, so no live worker is lost.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from corral.testing.errors import FleetError

TICK_SECONDS = 30.0
POLL_SECONDS = 0.005


class StoreClock:
    """Calls that wait, for threads. One connection for its life as a context manager."""

    def __init__(self, socket: Path) -> None:
        import redis

        # Its replies are of whatever type the command gives.
        self._redis: Any = redis.Redis(
            unix_socket_path=str(socket), protocol=2, decode_responses=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._redis.close()

    def advance(self, ms: int) -> None:
        """Moves the clock of every namespace."""
        for root in self._roots():
            hubs = self._redis.zrange(f"{root}hubs", 0, -1)
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.hincrby(f"{root}meta", "ahead_ms", ms)
                # Lease time goes on as if nothing had happened, and so do the hubs' own lives.
                pipe.hincrby(f"{root}meta", "lease_at", ms)
                for hub in hubs:
                    pipe.zincrby(f"{root}hubs", ms, hub)
                pipe.execute()

    def wait_ticked(self) -> None:
        """Returns when hubs have done what is due by now; raises `FleetError` after 30 s."""
        for root in self._roots():
            now = self._now(root)
            self._wait(
                lambda root=root, now=now: (
                    int(self._redis.hget(f"{root}meta", "ticked") or 0) >= now
                ),
                "no hub has looked at the time; is one alive?",
            )

    def expire(self, worker_id: str, *, wait: bool) -> None:
        """Lets the lease of a worker that is dead run out; `wait` for a hub to see it."""
        for root in self._roots():
            session = self._redis.get(f"{root}worker:{worker_id}")
            if session is None:
                continue

            def gone(root: str = root, session: str = session) -> bool:
                # Again and again: the hub that sees the stream end gives the session a grace.
                self._redis.zadd(f"{root}due:leases", {session: 0}, xx=True)
                return self._redis.zscore(f"{root}due:leases", session) is None

            if wait:
                self._wait(gone, f"no hub has seen that the lease of {worker_id} ran out")
            else:
                gone()

    def _wait(self, truth: Any, failed: str) -> None:
        until = time.monotonic() + TICK_SECONDS
        while not truth():
            if time.monotonic() > until:
                raise FleetError(f"After {TICK_SECONDS:g} s {failed}")
            # The store's own way of waiting: nothing ever comes on this key.
            self._redis.blpop("corral:testing:never", timeout=POLL_SECONDS)

    def _now(self, root: str) -> int:
        seconds, micros = self._redis.time()
        ahead, clock = self._redis.hmget(f"{root}meta", "ahead_ms", "clock")
        return max(seconds * 1000 + micros // 1000 + int(ahead or 0), int(clock))

    def _roots(self) -> list[str]:
        names = sorted(self._redis.smembers("corral:namespaces"))
        roots = [f"corral:{{{name}}}:" for name in names]
        return [root for root in roots if self._redis.exists(f"{root}meta")]
