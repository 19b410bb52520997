"""The connection to one Valkey: pipelines of function calls, entering, loading, errors.

Owns the redis-py client. Every new connection may lead to another server than the one
before, so a namespace is entered again after each; that is how a restart is noticed.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import hiredis
from redis import exceptions as redis_errors
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.connection import Connection as PlainConnection

from corral_store.errors import (
    StoreError,
    StoreFormat,
    StoreFull,
    StoreReadOnly,
    StoreRefused,
    StoreRepairing,
    StoreTooOld,
    StoreUnavailable,
)
from corral_store.library import Library, packaged
from corral_store.pipe import Pipe

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
POOL_CONNECTIONS = 16
JUST_USED_SECONDS = 0.01
LEAST_VERSION = (7, 0)


@dataclass(slots=True, frozen=True)
class Call:
    """One function call: the transition, the key that routes it, its arguments."""

    transition: str
    root: str
    arguments: tuple[bytes | str | int, ...]


@dataclass(slots=True, frozen=True)
class Barrier:
    """What must have happened behind a pipeline before it counts: replicas, local fsync."""

    replicas: int = 0
    local: bool = False
    timeout_ms: int = 2000

    @property
    def needed(self) -> bool:
        """False when an answer of the server is enough."""
        return self.replicas > 0 or self.local


def root_of(namespace: str) -> str:
    """Prefix of all keys of a namespace; the braces keep them in one slot."""
    return f"corral:{{{namespace}}}:"


def explain(error: Exception) -> StoreError:
    """The typed error for what redis-py raised."""
    text = str(error)
    if isinstance(error, StoreError):
        return error
    if isinstance(error, redis_errors.OutOfMemoryError) or text.startswith("OOM"):
        return StoreFull(f"the store is at its memory limit ({text}); raise maxmemory or wait")
    if isinstance(error, redis_errors.ReadOnlyError) or text.startswith("READONLY"):
        return StoreReadOnly(f"the store refuses writes ({text}); connect to the primary")
    if text.startswith(("MISCONF", "NOREPLICAS")):
        return StoreReadOnly(f"the store refuses writes ({text}); see its log")
    if isinstance(
        error, redis_errors.AuthenticationError | redis_errors.NoPermissionError
    ) or text.startswith(
        ("NOAUTH", "WRONGPASS", "NOPERM", "invalid username-password", "Authentication required")
    ):
        return StoreRefused(f"the store refuses the connection ({text}); check user and password")
    if text.startswith("REPAIRING"):
        return StoreRepairing(text.removeprefix("REPAIRING "))
    if text.startswith("FORMAT"):
        return StoreFormat(text)
    if "unknown command" in text.lower() and "FUNCTION" in text.upper():
        return StoreTooOld(f"the server has no functions ({text}); Valkey 7.2 or Redis 7.0 has")
    if isinstance(
        error, redis_errors.ConnectionError | redis_errors.TimeoutError | OSError | TimeoutError
    ) or text.startswith(("LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY")):
        return StoreUnavailable(f"the store cannot be reached, outcome unknown ({text or error!r})")
    return StoreError(text)


class Connection:
    """A client of one store with its library.

    `url`: `redis://`, `rediss://`, `valkey://`, `valkeys://` or `unix://` address.
    """

    def __init__(self, url: str, *, barrier: Barrier | None = None, name: str = "corral") -> None:
        self.url = url
        self.library: Library = packaged()
        self.barrier = barrier or Barrier()
        self.generation = 0
        # What a new connection says before anything else, so that no call can reach a
        # server that was restarted before the new epoch has begun.
        self.greetings: Callable[[], list[Call]] = list
        self._redis = _client(url, name, self._connected)
        # Connections that were open and had no reply on its way, and since when.
        self._idle: list[tuple[AbstractConnection, float]] = []

    @property
    def redis(self) -> Redis:
        """The client underneath, for pub/sub and for reading settings."""
        return self._redis

    async def close(self) -> None:
        """Closes every connection."""
        await self._redis.aclose()

    async def _connected(self, connection: AbstractConnection) -> None:
        await connection.on_connect()
        self.generation += 1
        for call in self.greetings():
            await self._greet(connection, call)

    async def _greet(self, connection: AbstractConnection, call: Call) -> None:
        name = self.library.function(call.transition)
        for _ in range(2):
            await connection.send_command("FCALL", name, 1, call.root, *call.arguments)
            try:
                await connection.read_response()
                return
            except redis_errors.ResponseError as error:
                # Any other refusal is seen, and explained, when the namespace is entered.
                if not _missing(error):
                    return
            await connection.send_command("FUNCTION", "LOAD", self.library.source)
            with contextlib.suppress(redis_errors.ResponseError):
                await connection.read_response()

    async def run(self, calls: Sequence[Call], pipe: Pipe | None = None) -> list[Any]:
        """Runs the calls as one pipeline with the barrier behind it, over a connection of its
        own or over a pipe.

        Gives a reply or an exception for each, in order. Raises StoreUnavailable when the
        connection or the barrier failed: then the outcome of all is unknown.
        """
        pipe = pipe or self.pipe()
        replies = await self._pipeline(calls, pipe)
        if any(_missing(reply) for reply in replies):
            await self.load()
            late = [i for i, reply in enumerate(replies) if _missing(reply)]
            again = await self._pipeline([calls[i] for i in late], pipe)
            for i, reply in zip(late, again, strict=True):
                replies[i] = reply
        return replies

    async def _pipeline(self, calls: Sequence[Call], pipe: Pipe) -> list[Any]:
        commands: list[tuple[Any, ...]] = [
            ("FCALL", self.library.function(call.transition), 1, call.root, *call.arguments)
            for call in calls
        ]
        if self.barrier.local:
            commands.append(("WAITAOF", 1, self.barrier.replicas, self.barrier.timeout_ms))
        elif self.barrier.replicas:
            commands.append(("WAIT", self.barrier.replicas, self.barrier.timeout_ms))
        try:
            replies = await pipe.exchange(commands)
        except (redis_errors.RedisError, OSError, TimeoutError) as error:
            raise explain(error) from error
        if self.barrier.needed:
            self._confirm(replies.pop())
        return replies

    def pipe(self) -> Pipe:
        """Where pipelines may follow each other over one connection, in their order."""
        return Pipe(self._link, self._give, self._drop)

    def _give(self, link: AbstractConnection) -> None:
        self._idle.append((link, time.monotonic()))

    async def _drop(self, link: AbstractConnection) -> None:
        await link.disconnect(nowait=True)
        await self._redis.connection_pool.release(link)

    async def _link(self) -> AbstractConnection:
        """A connection with nothing on its way. One that has not just been used is looked at:
        the server may have closed it meanwhile, and a call would be lost to find that out."""
        pool = self._redis.connection_pool
        if not self._idle:
            return await pool.get_connection()
        link, since = self._idle.pop()
        if time.monotonic() - since > JUST_USED_SECONDS:
            try:
                await pool.ensure_connection(link)
            except BaseException:
                await pool.release(link)
                raise
        return link

    def _confirm(self, reply: Any) -> None:
        if isinstance(reply, Exception):
            raise StoreUnavailable(f"the durability barrier failed, outcome unknown ({reply})")
        if self.barrier.local:
            local, replicas = int(reply[0]), int(reply[1])
        else:
            local, replicas = 0, int(reply)
        if (self.barrier.local and local < 1) or replicas < self.barrier.replicas:
            raise StoreUnavailable(
                f"the durability barrier was not met within {self.barrier.timeout_ms} ms "
                f"(fsync {local}, replicas {replicas} of {self.barrier.replicas}), outcome unknown"
            )

    async def command(self, *arguments: bytes | str | int) -> Any:
        """One plain command, for looking and for repairs; the reply as the server wrote it.

        Raises what `explain` makes of a refusal, with the refusal itself as its cause.
        """
        try:
            (reply,) = await self.pipe().exchange([arguments])
            if isinstance(reply, Exception):
                raise reply
        except (redis_errors.RedisError, OSError, TimeoutError) as error:
            raise explain(error) from error
        return reply

    async def load(self) -> None:
        """Loads the library; a server that has it already says so, and that is well."""
        try:
            await self._redis.function_load(self.library.source)
        except redis_errors.ResponseError as error:
            if "already exists" not in str(error):
                raise explain(error) from error
        except (redis_errors.RedisError, OSError, TimeoutError) as error:
            raise explain(error) from error

    async def probe(self) -> dict[str, str]:
        """Version, policy and append settings of the server.

        Raises StoreTooOld for a server without functions, StoreUnavailable, StoreRefused.
        """
        try:
            info = await self._redis.info("server")
            facts = {
                "version": str(info.get("valkey_version") or info["redis_version"]),
                "server": "valkey" if "valkey_version" in info else "redis",
            }
            found = tuple(int(part) for part in re.findall(r"\d+", facts["version"])[:2])
            if found < LEAST_VERSION:
                raise StoreTooOld(
                    f"the store is {facts['server']} {facts['version']}, which has no functions; "
                    "Valkey 7.2 or Redis 7.0 is the least"
                )
            for setting in ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy"):
                values = cast("dict[str, str]", await self._redis.config_get(setting))
                facts[setting] = str(values.get(setting, ""))
        except redis_errors.ResponseError as error:
            known = explain(error)
            if isinstance(known, StoreRefused) and "CONFIG" not in str(error).upper():
                raise known from error
            return {"version": "", "server": ""}
        except (redis_errors.RedisError, OSError, TimeoutError) as error:
            raise explain(error) from error
        return facts


def _missing(reply: Any) -> bool:
    return isinstance(reply, Exception) and "Function not found" in str(reply)


# Its stub wants a tuple of one argument.
pack = cast("Callable[[tuple[Any, ...]], bytes]", hiredis.pack_command)


def _packing(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """The kind of connection, writing commands in C: redis-py does so in its synchronous
    connections only, and a call here has thousands of arguments."""

    def pack_command(self: AbstractConnection, name: str, *arguments: Any) -> list[bytes]:
        # Some commands have names of two words.
        return [pack((*name.split(), *arguments))]

    send = kind.send_packed_command

    async def send_packed_command(self: AbstractConnection, *given: Any, **named: Any) -> None:
        try:
            await send(self, *given, **named)
        except RuntimeError as error:
            # What uvloop says where asyncio has an OSError: the server has closed it.
            raise redis_errors.ConnectionError(f"the connection is closed ({error})") from error

    methods = {"pack_command": pack_command, "send_packed_command": send_packed_command}
    return type(f"Packing{kind.__name__}", (kind,), methods)


def _client(url: str, name: str, connected: Any) -> Redis:
    scheme = urlsplit(url).scheme
    plain = {"valkey": "redis", "valkeys": "rediss"}.get(scheme, scheme)
    if plain not in ("redis", "rediss", "unix"):
        raise ValueError(
            f"{url!r} is no address of a store: use redis://host:port/0, rediss://, valkey://, "
            "valkeys:// or unix:///path/to/socket"
        )
    options = cast("dict[str, Any]", dict(parse_url(plain + url[len(scheme) :])))
    options["connection_class"] = _packing(options.get("connection_class", PlainConnection))
    pool = BlockingConnectionPool(
        max_connections=POOL_CONNECTIONS,
        timeout=ANSWER_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        client_name=name,
        redis_connect_func=connected,
        retry=None,
        protocol=2,
        **options,
    )
    return Redis.from_pool(pool)
