"""Loads that several cases put on hubs: submits in batches and one by one, and whole runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio

import corral
from bench.alike import BATCH, BATCHES, CALLERS, TEXT
from corral_proto.v1 import orchestrator_pb2 as pb

Submit = Callable[[], Awaitable[object]]


def through(client: corral.Client) -> Submit:
    """Gives what submits one run through the SDK, which sends together what is asked together."""
    return lambda: client.submit_workflow("nothing", TEXT)


def calling(channel: grpc.aio.Channel) -> Submit:
    """Gives what submits one run in a gRPC call of its own, as a program in any language does."""
    call: Any = channel.unary_unary(
        "/corral.v1.Orchestrator/SubmitWorkflow",
        request_serializer=pb.SubmitWorkflowRequest.SerializeToString,
        response_deserializer=pb.SubmitWorkflowResponse.FromString,
    )
    return lambda: call(corral.Submit("nothing", TEXT).request)


async def one_by_one(client: corral.Client, submit: Submit, count: int) -> tuple[float, float]:
    """Submits runs one by one, some at once, and waits for all results; gives the submits and
    the whole runs per second."""
    numbers = iter(range(count))

    async def caller() -> None:
        for _ in numbers:
            await submit()

    before = await _completed(client)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CALLERS):
            tasks.create_task(caller())
    submitted = time.perf_counter() - began
    await _until_completed(client, before + count)
    return count / submitted, count / (time.perf_counter() - began)


async def _in_batches(client: corral.Client, count: int) -> None:
    starts = iter(range(0, count, BATCH["corral"]))

    async def caller() -> None:
        for start in starts:
            size = min(BATCH["corral"], count - start)
            outcomes = await client.submit_workflows(
                [corral.Submit("nothing", TEXT) for _ in range(size)]
            )
            refused = [one for one in outcomes if isinstance(one, corral.HubError)]
            if refused:
                raise refused[0]

    async with asyncio.TaskGroup() as tasks:
        for _ in range(BATCHES["corral"]):
            tasks.create_task(caller())


async def whole_runs(client: corral.Client, count: int) -> float:
    """Submits in batches and waits for all results; gives runs per second."""
    before = await _completed(client)
    began = time.perf_counter()
    await _in_batches(client, count)
    await _until_completed(client, before + count)
    return count / (time.perf_counter() - began)


async def _until_completed(client: corral.Client, count: int) -> None:
    while True:
        if await _completed(client) >= count:
            return
        await asyncio.sleep(0.02)


async def _completed(client: corral.Client) -> int:
    return (await client.stats()).totals.get("completed", 0)
