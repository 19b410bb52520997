"""Brings mail to the sessions of this hub.

Letters come with the replies of the hub's own calls; what other hubs caused is found in
the store's news, after a hint or at the latest a second later. All that the sessions are still to
acknowledge is looked at after replies may have been lost, and now and then without a reason, as
nobody can know of every way in which one is lost.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import structlog

from corral_hub.session.registry import Registry
from corral_store.errors import StoreError
from corral_store.records import Letter
from corral_store.store import Store

POLL_SECONDS = 1.0
# Between two looks at all that is to be acknowledged, on average.
LOOK_SECONDS = 300.0
SESSIONS_PER_CALL = 64

log = structlog.get_logger("corral.delivery")


class Delivery:
    """Owns the fetching of mail; `take` and `wake` may be called from anywhere in the loop."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._woken: set[str] = set()
        self._wake = asyncio.Event()
        self._all: set[str] = set()

    def take(self, namespace: str, letters: list[Letter]) -> None:
        """Letters that came with a reply."""
        by_session: dict[str, list[Letter]] = defaultdict(list)
        for letter in letters:
            by_session[letter.session].append(letter)
        for session, mine in by_session.items():
            for driver in self._registry.all_of(namespace, session):
                driver.deliver(mine)

    def wake(self, namespace: str) -> None:
        """There may be news in the namespace."""
        self._woken.add(namespace)
        self._wake.set()

    def wake_all(self, namespace: str) -> None:
        """The connection to the store was new: fetches the mail of every session."""
        self._all.add(namespace)
        self.wake(namespace)

    async def run(self, store: Store) -> None:
        """Fetches forever; the owner cancels it."""
        clock = asyncio.get_running_loop().time
        look_at = clock() + LOOK_SECONDS * random.random()
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                self._woken.update(store.names())
            if clock() >= look_at:
                # Not at the same time as other hubs.
                look_at = clock() + LOOK_SECONDS * random.uniform(0.5, 1.5)
                self._all.update(store.names())
                self._woken.update(store.names())
            self._wake.clear()
            woken, self._woken, whole = self._woken, set(), set(self._all)
            for namespace in woken:
                try:
                    await self._fetch(store, namespace)
                except StoreError as error:
                    self._all |= whole & {namespace}
                    log.warning("mail cannot be fetched", namespace=namespace, error=str(error))

    async def _fetch(self, store: Store, namespace: str) -> None:
        transitions = store.namespace(namespace)
        if namespace in self._all:
            self._all.discard(namespace)
            left = [(d.core.session, d.core.stream) for d in self._registry.of(namespace)]
            while left:
                part, left = left[:SESSIONS_PER_CALL], left[SESSIONS_PER_CALL:]
                verdicts, _ = await transitions.fetch_mail(part)
                later = {session for session, verdict in verdicts if verdict == "later"}
                left += [one for one in part if one[0] in later]
                self._end(namespace, [told for told in verdicts if told[0] not in later])
        news = 1
        while news:
            verdicts, news = await transitions.fetch_mail()
            self._end(namespace, verdicts)

    def _end(self, namespace: str, verdicts: list[tuple[str, str]]) -> None:
        for session, verdict in verdicts:
            driver = self._registry.get(namespace, session)
            if driver is not None and driver.core.open and verdict != "ok":
                driver.refuse(verdict)
