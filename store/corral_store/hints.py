"""Pub/sub hints: only speed. Everything works, slower, with every message lost.

Owns one connection that listens; after each reconnect every listener is woken, as hints
may have been missed meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from redis import exceptions as redis_errors

from corral_store.connection import Connection, root_of

log = logging.getLogger("corral.hints")

Listener = Callable[[str], None]
RECONNECT_SECONDS = 0.5


class Hints:
    """Listens to the channels of namespaces for one hub.

    `on_mail(namespace)`: a session of this hub may have mail. `on_events(namespace,
    words)`: runs have new events; words is lines of "<run> <number>", "" after a
    reconnect. `on_chunks(namespace, batches)`: ephemeral events of runs that this hub follows,
    as a JSON list; "" after a reconnect.
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
        self._changed = asyncio.Event()

    def listen(self, namespace: str) -> None:
        """Also listens to this namespace."""
        if namespace not in self._namespaces:
            self._namespaces.add(namespace)
            self._changed.set()

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
        try:
            await pubsub.subscribe("corral:hints")
            subscribed: set[str] = set()
            while True:
                if subscribed != self._namespaces:
                    self._changed.clear()
                    for namespace in self._namespaces - subscribed:
                        root = root_of(namespace)
                        await pubsub.subscribe(
                            f"{root}hints:{self._hub}", f"{root}chunks:{self._hub}", f"{root}events"
                        )
                    subscribed = set(self._namespaces)
                    for namespace in subscribed:
                        self._on_mail(namespace)
                        self._on_events(namespace, "")
                        self._on_chunks(namespace, b"")
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.25)
                if message is not None:
                    self._take(cast("dict[str, Any]", message))
        finally:
            await cast("Any", pubsub).aclose()

    def _take(self, message: dict[str, Any]) -> None:
        channel = bytes(message["channel"]).decode()
        namespace = channel[channel.index("{") + 1 : channel.index("}")] if "{" in channel else ""
        if channel.endswith("}:events"):
            self._on_events(namespace, bytes(message["data"]).decode())
        elif "}:chunks:" in channel:
            self._on_chunks(namespace, bytes(message["data"]))
        elif namespace:
            self._on_mail(namespace)
