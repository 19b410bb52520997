"""Pub/sub hints: only speed. Everything works, slower, with every message lost.

Owns one connection that listens; whenever the server confirms a channel, anew after each
reconnect, those whom it concerns are woken, as hints may have been missed before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Generator
from typing import Any, cast

from redis import exceptions as redis_errors
from redis.asyncio.client import PubSub

from corral_store.connection import Connection, root_of
from corral_store.ending import give_up

log = logging.getLogger("corral.hints")

Listener = Callable[[str], None]
RECONNECT_SECONDS = 0.5
LOOK_SECONDS = 1.0
# After so long without a change, channels that nobody needs are left: who waits for one run
# after the other does not make a hub subscribe for each.
LINGER_SECONDS = 5.0


class Hints:
    """Listens to the channels of namespaces for one hub.

    `on_mail(namespace)`: a session of this hub may have mail. `on_events(namespace,
    words)`: runs have new events; words is lines of "<run> <number>", "" when some may have been
    missed. `on_chunks(namespace, batches)`: ephemeral events of runs that this hub follows, as a
    JSON list; "" when some may have been missed.
    """

    def __init__(
        self,
        connection: Connection,
        hub: str,
        on_mail: Listener,
        on_events: Callable[[str, str], None],
        on_chunks: Callable[[str, bytes], None],
    ) -> None:
        self._connection = connection
        self._hub = hub
        self._on_mail = on_mail
        self._on_events = on_events
        self._on_chunks = on_chunks
        self._namespaces: set[str] = set()
        self._following: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def listen(self, namespace: str) -> None:
        """Also listens to this namespace."""
        if namespace not in self._namespaces:
            self._namespaces.add(namespace)
            self._changed.set()

    def leave(self, namespace: str) -> None:
        """Listens to it no more."""
        self._namespaces.discard(namespace)

    def is_followed(self, namespace: str) -> bool:
        """True while someone is inside of `following`."""
        return namespace in self._following

    @contextlib.contextmanager
    def following(self, namespace: str) -> Generator[None]:
        """Also listens to what happens to runs, as long as someone is inside.

        Each call of a function says it, so a hub that nobody asks does not hear it.
        """
        self._following[namespace] += 1
        self._changed.set()
        try:
            yield
        finally:
            self._following[namespace] -= 1
            if not self._following[namespace]:
                del self._following[namespace]

    async def run(self) -> None:
        """Listens forever; the owner cancels it."""
        while True:
            try:
                await self._session()
            except (redis_errors.RedisError, OSError, TimeoutError) as error:
                log.debug("hints are away: %s", error)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _session(self) -> None:
        pubsub = self._connection.redis.pubsub()
        keeping: asyncio.Task[None] | None = None
        try:
            await pubsub.subscribe("corral:hints")
            keeping = asyncio.create_task(self._keep_subscribed(pubsub))
            while not keeping.done():
                message = await pubsub.get_message(timeout=LOOK_SECONDS)
                if message is not None:
                    self._take(cast("dict[str, Any]", message))
            keeping.result()
        finally:
            if keeping is not None:
                # It has failed too, when the connection of both has.
                await give_up([keeping])
            await cast("Any", pubsub).aclose()

    async def _keep_subscribed(self, pubsub: PubSub) -> None:
        subscribed: set[str] = set()
        while True:
            self._changed.clear()
            if more := self._wanted() - subscribed:
                await pubsub.subscribe(*more)
                subscribed |= more
            try:
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                if idle := subscribed - self._wanted():
                    await pubsub.unsubscribe(*idle)
                    subscribed -= idle

    def _wanted(self) -> set[str]:
        channels = {f"{root_of(namespace)}events" for namespace in self._following}
        for namespace in self._namespaces:
            root = root_of(namespace)
            channels |= {f"{root}hints:{self._hub}", f"{root}chunks:{self._hub}"}
        return channels

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "unsubscribe":
            return
        # A confirmation says nothing itself: hints may have been missed before it.
        data = b"" if message["type"] == "subscribe" else bytes(message["data"])
        channel = bytes(message["channel"]).decode()
        namespace = channel[channel.index("{") + 1 : channel.index("}")] if "{" in channel else ""
        if channel.endswith("}:events"):
            self._on_events(namespace, data.decode())
        elif "}:chunks:" in channel:
            self._on_chunks(namespace, data)
        elif namespace:
            self._on_mail(namespace)
