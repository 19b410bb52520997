"""Memory: of Valkey for a run that waits or has ended, of a hub for a session that does nothing."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc.aio
from redis.asyncio import Redis

from bench.cases.limits import ECHO, OPTIONS, READY
from bench.echo import SERVICE
from bench.figures import Figures
from bench.fleet import Fleet
from bench.rig import Rig, resident_bytes
from corral_proto.v1 import common_pb2, worker_pb2, worker_pb2_grpc

WARM = 50
ROOM = 512


async def memory(rig: Rig, figures: Figures) -> None:
    """Bytes of a waiting and of an ended run with 100 bytes of input, and of an idle session."""
    await _runs(rig, figures, rig.size(20_000, 100_000))
    count = rig.size(250, 1000)
    for _ in range(rig.rounds):
        async with rig.process(*ECHO, ready=READY) as (echo, address):
            spent = await _idle(echo.pid, address, count, _bare_stream)
            figures.add("memory.stream", spent, "bytes")
        async with rig.valkey() as valkey, rig.hub(valkey.url) as (pid, address):
            figures.add("memory.session", await _idle(pid, address, count, _session), "bytes")


async def _runs(rig: Rig, figures: Figures, count: int) -> None:
    async with (
        rig.valkey(durable=False) as valkey,
        Fleet(valkey.url, "waiting") as fleet,
        Redis.from_url(valkey.url) as client,
    ):
        await fleet.fill(1000)
        before = await _used(client)
        await fleet.fill(count)
        waiting = await _used(client)
        figures.add("memory.waiting_run", (waiting - before) / count, "bytes")
        await fleet.open(1, ROOM)
        # As many begin to wait as end, and the feed has its share.
        await fleet.turn(count)
        figures.add("memory.ended_run", (await _used(client) - waiting) / count, "bytes")


async def _used(client: Redis) -> int:
    info = await client.info("memory")
    return int(info["used_memory"])


Conversation = Callable[[grpc.aio.Channel, asyncio.Event], Any]


async def _idle(pid: int, address: str, count: int, converse: Conversation) -> float:
    """Bytes that each of some open streams, each on a connection of its own, adds to a process."""
    async with contextlib.AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(asyncio.TaskGroup())

        async def some(number: int) -> None:
            for _ in range(number):
                channel = grpc.aio.insecure_channel(address, OPTIONS)
                await stack.enter_async_context(channel)
                welcomed = asyncio.Event()
                open_tasks.append(tasks.create_task(converse(channel, welcomed)))
                async with asyncio.timeout(30):
                    await welcomed.wait()

        open_tasks: list[asyncio.Task[None]] = []
        await some(WARM)
        before = resident_bytes(pid)
        await some(count)
        spent = resident_bytes(pid) - before
        for task in open_tasks:
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
    return spent / count


async def _bare_stream(channel: grpc.aio.Channel, welcomed: asyncio.Event) -> None:
    async def say() -> AsyncIterator[bytes]:
        yield b"hello"
        await asyncio.Event().wait()

    async for _ in channel.stream_stream(f"/{SERVICE}/Stream")(say()):
        welcomed.set()


async def _session(channel: grpc.aio.Channel, welcomed: asyncio.Event) -> None:
    own = uuid.uuid4().hex
    answers: asyncio.Queue[worker_pb2.WorkerMessage] = asyncio.Queue()
    answers.put_nowait(
        worker_pb2.WorkerMessage(
            hello=worker_pb2.Hello(
                protocol=1,
                worker_id=f"idle-{own}",
                instance=own,
                session_id=own,
                capabilities=[common_pb2.Capability(kind="workflow:idle", version=1)],
                sdk="bench",
            )
        )
    )

    async def say() -> AsyncIterator[worker_pb2.WorkerFrame]:
        while True:
            yield worker_pb2.WorkerFrame(messages=[await answers.get()])

    stub: Any = worker_pb2_grpc.WorkerStub(channel)
    async for frame in stub.Session(say()):
        for message in frame.messages:
            if message.HasField("reject"):
                raise RuntimeError(f"the hub refused a session: {message.reject}")
            if message.HasField("welcome"):
                welcomed.set()
            if message.HasField("ping"):
                pong = worker_pb2.Pong(number=message.ping.number)
                answers.put_nowait(worker_pb2.WorkerMessage(pong=pong))
