"""Streams that are open, and whether those who opened them still may.

A stream may live for weeks. When an access file changes, or a token expires, every open one is
looked at again, and ended with the answer that a new call would get.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import anyio

from corral_hub.errors import HubError


@dataclass(eq=False)
class Guard:
    """One open stream. `check` raises what its caller would be told now; `ended` is that."""

    check: Callable[[], object]
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: HubError | None = None


class Guards:
    """All open streams of a hub."""

    def __init__(self) -> None:
        self._open: set[Guard] = set()

    @contextlib.contextmanager
    def watch(self, check: Callable[[], object]) -> Generator[Guard]:
        """Guards what is done inside: it is cancelled when the check fails, and raises that."""
        guard = Guard(check)
        self._open.add(guard)
        try:
            with guard.scope:
                yield guard
        finally:
            self._open.discard(guard)
        if guard.ended is not None:
            raise guard.ended

    def recheck(self) -> int:
        """Ends the streams of those who may no longer have them; tells how many."""
        ended = 0
        for guard in list(self._open):
            try:
                guard.check()
            except HubError as error:
                guard.ended = error
                guard.scope.cancel()
                ended += 1
        return ended
