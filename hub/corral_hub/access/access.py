"""The door of a hub: who a caller is, kept up to date with the files that say so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from corral_hub.access import credentials
from corral_hub.access.enrolment import Enrolment
from corral_hub.access.guards import Guards
from corral_hub.access.roles import Identity
from corral_hub.errors import Misconfigured

POLL_SECONDS = 1.0

T = TypeVar("T")

log = structlog.get_logger("corral.access")


class Access:
    """Credentials, enrolment and open streams of one hub.

    Reads its files when it is made, and raises Misconfigured for what is wrong in them; later a
    wrong file changes nothing and is logged. `look_again` ends the workers' streams that the
    enrolment in force would not let in any more, and tells how many.
    """

    def __init__(
        self,
        tokens: Sequence[str] = (),
        *,
        token_file: Path | None = None,
        access_file: Path | None = None,
        enrolment_file: Path | None = None,
        look_again: Callable[[], int] = lambda: 0,
    ) -> None:
        self.guards = Guards()
        self._tokens = tuple(tokens)
        self._token_file = token_file
        self._access_file = access_file
        self._enrolment_file = enrolment_file
        self._look_again = look_again
        self._stamps = self._look()
        self.credentials = self._load_credentials()
        self.enrolment = self._load_enrolment()
        self._expiry = self.credentials.next_expiry(time.time())

    def identify(self, authorization: str | None, names: Sequence[str]) -> Identity:
        """Who calls. Raises Unauthenticated."""
        return self.credentials.identify(authorization, names)

    async def run(self) -> None:
        """Watches the files and the clock, forever; the owner cancels it."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.refresh()

    def refresh(self) -> None:
        """Reads files that have changed, and ends the streams of who may no longer have them."""
        now, stamps = time.time(), self._look()
        changed = stamps != self._stamps
        if changed:
            self._stamps = stamps
            self.credentials = self._read(self._load_credentials, self.credentials)
            self.enrolment = self._read(self._load_enrolment, self.enrolment)
        if changed or now >= self._expiry:
            self._expiry = self.credentials.next_expiry(now)
            ended = self.guards.recheck() + self._look_again()
            log.info("access is looked at again", files_changed=changed, streams_ended=ended)

    def _read(self, load: Callable[[], T], present: T) -> T:
        try:
            return load()
        except Misconfigured as error:
            log.error("a file is wrong: what was read before still holds", error=error.message)
            return present

    def _load_credentials(self) -> credentials.Credentials:
        return credentials.load(self._tokens, self._token_file, self._access_file)

    def _load_enrolment(self) -> Enrolment:
        return Enrolment.load(self._enrolment_file) if self._enrolment_file else Enrolment("open")

    def _look(self) -> list[tuple[int, int, int] | None]:
        stamps: list[tuple[int, int, int] | None] = []
        for path in (self._token_file, self._access_file, self._enrolment_file):
            try:
                found = path.stat() if path else None
            except OSError:
                found = None
            stamps.append((found.st_mtime_ns, found.st_size, found.st_ino) if found else None)
        return stamps
