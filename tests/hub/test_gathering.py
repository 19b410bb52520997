"""Frames that come while others are treated are taken together, in order, within a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from corral_hub.wires.grpc_v1.gathering import GATHERED_BYTES, Gathering
from corral_hub.wires.grpc_v1.parsing import Malformed
from corral_proto.v1 import worker_pb2 as wk


def _frame(number: int, size: int = 0) -> wk.WorkerFrame:
    event = wk.EventReport(run_id=str(number), payload=b"x" * size)
    return wk.WorkerFrame(messages=[wk.WorkerMessage(event=event)])


def _numbers(frames: list[wk.WorkerFrame]) -> list[int]:
    return [int(frame.messages[0].event.run_id) for frame in frames]


async def _stream(frames: list[object]) -> AsyncIterator[object]:
    for frame in frames:
        yield frame


async def test_what_has_come_is_taken_together_and_in_order() -> None:
    gathering = Gathering()
    await gathering.fill(_stream([_frame(n) for n in range(5)]))
    assert _numbers(await gathering.take()) == [0, 1, 2, 3, 4]
    assert await gathering.take() == []


async def test_a_lone_frame_does_not_wait_for_others() -> None:
    gathering, more = Gathering(), asyncio.Event()

    async def frames() -> AsyncIterator[object]:
        yield _frame(1)
        await more.wait()
        yield Malformed("no frame")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gathering.fill(frames()))
        assert _numbers(await gathering.take()) == [1]
        more.set()
        assert await gathering.take() == [Malformed("no frame")]


async def test_a_worker_is_not_read_from_beyond_the_bound() -> None:
    gathering, read = Gathering(), list[int]()

    async def frames() -> AsyncIterator[object]:
        for number in range(6):
            read.append(number)
            yield _frame(number, GATHERED_BYTES // 2)

    async with asyncio.TaskGroup() as tasks:
        filling = tasks.create_task(gathering.fill(frames()))
        seen: list[int] = []
        while taken := await gathering.take():
            assert len(taken) <= 2
            seen += _numbers(taken)
    assert filling.done()
    assert seen == read == list(range(6))


async def test_what_reading_raises_reaches_the_owner_and_ends_the_taker() -> None:
    gathering = Gathering()

    async def frames() -> AsyncIterator[object]:
        yield _frame(1)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await gathering.fill(frames())
    assert _numbers(await gathering.take()) == [1]
    assert await gathering.take() == []
