"""Whether the store is away, from what the calls over all connections find.

Says each loss once and each return once, however many calls and connections have seen it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from corral_store.connection import Connection
from corral_store.errors import StoreUnavailable


class Outage:
    """Owns since when the store is away, and over which connections it has not answered since.

    `on_lost` gets the error that was seen first, `on_back` how many seconds it was until all
    connections had an answer: with replicas that do not confirm, one has none while another has.
    """

    def __init__(
        self,
        on_lost: Callable[[StoreUnavailable], None] | None,
        on_back: Callable[[float], None] | None,
    ) -> None:
        self._on_lost = on_lost
        self._on_back = on_back
        self._without: set[Connection] = set()
        self._since = 0.0

    def lost(self, connection: Connection, error: StoreUnavailable) -> None:
        """A call over the connection was not answered, or not confirmed."""
        first = not self._without
        self._without.add(connection)
        if first:
            self._since = time.monotonic()
            if self._on_lost is not None:
                self._on_lost(error)

    def answered(self, connection: Connection) -> None:
        """A call over the connection was answered."""
        if connection not in self._without:
            return
        self._without.discard(connection)
        if not self._without and self._on_back is not None:
            self._on_back(time.monotonic() - self._since)
