"""Which hub next, and after what delay.

After a loss every other hub is tried once at once, since the grace of the session runs;
then delays grow. A worker that is asked to move picks any other hub, so that those who
are asked together do not all go to the same one. Knows no clock and no randomness of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from corral.terms import Backoff

# While the hub still waits for the session, no delay is longer than this.
GRACE_DELAY_MS = 1000


class Route:
    """The order of hubs of one worker; `random` gives numbers in [0, 1)."""

    def __init__(
        self, hubs: int, first: int, backoff: Backoff, random: Callable[[], float]
    ) -> None:
        self._hubs = hubs
        self._hub = first % hubs
        self._backoff = backoff
        self._random = random
        self.tries = 0

    @property
    def hub(self) -> int:
        """The hub that was chosen last."""
        return self._hub

    @property
    def worth_saying(self) -> bool:
        """Tells whether a log needs the latest failure: of each hub at first, then at a thinning
        rate, as hubs may be away for a night, but always of all hubs in turn."""
        rounds = (self.tries - 1) // self._hubs
        return rounds & (rounds - 1) == 0

    def settle(self) -> None:
        """A stream has lived: the next loss is a new one."""
        self.tries = 0

    def next(self, *, in_grace: bool, anywhere: bool = False) -> tuple[int, int]:
        """Gives the next hub and the delay in milliseconds before it is dialled.

        `anywhere` picks one of the others at random instead of the next in turn.
        """
        step = 1 + int(self._random() * (self._hubs - 1)) if anywhere else 1
        self._hub = (self._hub + step) % self._hubs
        late = self.tries - self._hubs
        self.tries += 1
        if late < 0:
            return self._hub, 0
        delay = self._backoff.delay_ms(late, self._random())
        return self._hub, min(delay, GRACE_DELAY_MS) if in_grace else delay
