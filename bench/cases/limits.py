"""What the machine and the parts underneath can do: each by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator

import grpc.aio
from redis.asyncio import Redis

from bench.alike import CALLERS
from bench.echo import SERVICE
from bench.figures import Figures
from bench.rig import Rig, function_microseconds
from bench.spin import Spinners

ECHO = (sys.executable, "-m", "bench.echo")
READY = r"listens on (\S+)"
PAYLOAD = b"x" * 150
OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))
LIBRARY = (
    "#!lua name=bench\nserver.register_function('bench', function(k, a) "
    "return server.call('INCR', k[1]) end)"
)
PIPELINE = 128
CORES = 2


async def limits(rig: Rig, figures: Figures) -> None:
    """Rates of bare gRPC calls and messages, of Valkey functions, of fsync, of a plain loop."""
    count = rig.size(4000, 20_000)
    async with (
        contextlib.AsyncExitStack() as stack,
        rig.process(*ECHO, ready=READY) as (_, address),
        # What functions take, without what the disk does.
        rig.valkey(durable=False) as valkey,
        Redis.from_url(valkey.url) as client,
    ):
        spinners = await asyncio.to_thread(stack.enter_context, Spinners(CORES))
        await client.function_load(LIBRARY)
        for _ in range(rig.rounds):
            figures.add("limits.unary", await echo_calls(address, count), "/s")
            figures.add("limits.stream", await _messages(address, count), "/s")
            before = await function_microseconds(client)
            began = time.perf_counter()
            called = await call_functions(client, count)
            figures.add("limits.fcall", called / (time.perf_counter() - began), "/s")
            spent = await function_microseconds(client) - before
            figures.add("limits.fcall_inside", spent / called, "µs")
            figures.add("limits.fsync", await asyncio.to_thread(_fsyncs, rig, 200), "/s")
            slower, faster = sorted(await asyncio.to_thread(spinners.loops))
            figures.add("limits.loops, slower core", slower, "/s")
            figures.add("limits.loops, faster core", faster, "/s")


async def echo_calls(address: str, count: int) -> float:
    """Bare unary calls per second, as many in flight as submits have."""
    numbers = iter(range(count))
    async with grpc.aio.insecure_channel(address, OPTIONS) as channel:
        call = channel.unary_unary(f"/{SERVICE}/Unary")

        async def caller() -> None:
            for _ in numbers:
                await call(PAYLOAD)

        await call(PAYLOAD)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CALLERS):
                tasks.create_task(caller())
        return count / (time.perf_counter() - began)


async def _messages(address: str, count: int) -> float:
    async def say() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield PAYLOAD

    async with grpc.aio.insecure_channel(address, OPTIONS) as channel:
        began = time.perf_counter()
        async for _ in channel.stream_stream(f"/{SERVICE}/Stream")(say()):
            pass
        return count / (time.perf_counter() - began)


async def call_functions(client: Redis, least: int) -> int:
    """Calls the function in full pipelines until it was called so often; gives how often it was."""
    called = 0
    while called < least:
        pipe = client.pipeline(transaction=False)
        for _ in range(PIPELINE):
            pipe.execute_command("FCALL", "bench", 1, "count")
        called += len(await pipe.execute())
    return called


def _fsyncs(rig: Rig, count: int) -> float:
    with (rig.folder / "fsync").open("ab", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(count):
            file.write(PAYLOAD)
            os.fsync(file.fileno())
        return count / (time.perf_counter() - began)
