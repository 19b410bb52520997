"""A stream of submits to the present hub, for a client that submits often.

A message is at the hub in half the time of a call. The stream is a shortcut of it and nothing
more: whatever is wrong with it is `ShortcutLost`, and whoever
hears that makes the call in its place, which goes from hub to hub and says what is wrong. A
submit that arrives twice for that is one run, as its id comes with it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from corral.calls import ATTEMPT_SECONDS, SERVICE, Hubs, serialize
from corral_proto.v1 import orchestrator_pb2 as pb

# So many calls, each at most so many seconds behind the one before, open a stream.
OFTEN = 8
OFTEN_SECONDS = 1.0
# What is larger goes by a call, and keeps nothing behind it waiting.
MOST_BYTES = 65_536
# A stream without submits ends, and each after a while, so that balancers have their say.
IDLE_SECONDS = 10.0
AGE_SECONDS = 60.0
# How long calls do, once a stream was lost or refused.
REST_SECONDS = 5.0


class ShortcutLost(Exception):
    """There is no answer by the stream; what became of the submit is unknown."""


class Shortcut:
    """The stream of one client, when it is worth one. All methods belong to one event loop."""

    def __init__(self, hubs: Hubs) -> None:
        self._hubs = hubs
        self._stream: Stream | None = None
        self._calls = 0
        self._called_at = 0.0
        self._rests_until = 0.0

    def takes(self, runs: Sequence[pb.SubmitWorkflowRequest]) -> bool:
        """Tells whether these can go by the stream now."""
        stream = self._stream
        return (
            stream is not None
            and stream.open
            and stream.address == self._hubs.current
            and sum(run.ByteSize() for run in runs) <= MOST_BYTES
        )

    def called(self) -> None:
        """A call is made in its place; when they come often, the stream is opened."""
        now = time.monotonic()
        self._calls = self._calls + 1 if now - self._called_at < OFTEN_SECONDS else 1
        self._called_at = now
        if self._calls >= OFTEN and self._stream is None and now >= self._rests_until:
            self._stream = Stream(self._hubs, self._ended)

    async def submit(
        self, runs: Sequence[pb.SubmitWorkflowRequest], seconds: float
    ) -> Sequence[pb.SubmitWorkflowsResponse.Item]:
        """Submits what it `takes`, for at most so many seconds; gives the verdicts, or none when
        a call is to say why.

        Raises ShortcutLost, WrongLoop.
        """
        self._hubs.check_loop()
        stream = self._stream
        if stream is None:
            raise ShortcutLost
        try:
            async with asyncio.timeout(min(seconds, ATTEMPT_SECONDS)):
                return await stream.ask(runs)
        except TimeoutError:
            # A hub that says nothing is left, as after a call.
            self._hubs.leave(stream.address)
            stream.cut()
            raise ShortcutLost from None

    async def close(self) -> None:
        """Ends the stream; submits on their way are lost."""
        if self._stream is not None:
            await self._stream.close()

    def _ended(self, *, lost: bool) -> None:
        self._stream = None
        if lost:
            self._rests_until = time.monotonic() + REST_SECONDS


class Stream:
    """One stream, from its opening to its end, which `ended` is told of."""

    def __init__(self, hubs: Hubs, ended: Callable[..., None]) -> None:
        self.address = hubs.current
        # A hub has said that it reads, and nobody that it ends.
        self.open = False
        self._old = False
        self._ended = ended
        self._call: Any = hubs.channel().stream_stream(
            SERVICE + "SubmitStream",
            request_serializer=serialize,
            response_deserializer=pb.SubmitStreamResponse.FromString,
        )(metadata=hubs.metadata)
        self._waiting: dict[int, asyncio.Future[pb.SubmitStreamResponse]] = {}
        self._number = 0
        self._leaving: deque[pb.SubmitStreamRequest] = deque()
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + AGE_SECONDS
        self._asked_before = 0
        self._look = self._loop.call_later(IDLE_SECONDS, self._grow_old)
        self._writer: asyncio.Task[None] | None = None
        self._reader = asyncio.create_task(self._read())

    async def ask(
        self, runs: Sequence[pb.SubmitWorkflowRequest]
    ) -> Sequence[pb.SubmitWorkflowsResponse.Item]:
        """Sends a submit and waits for its verdicts; there are none when it failed as a whole."""
        self._number += 1
        number = self._number
        request = pb.SubmitStreamRequest(number=number)
        request.submit.runs.extend(runs)
        answered = self._waiting[number] = self._loop.create_future()
        self._leaving.append(request)
        if self._writer is None:
            # A task of its own: gRPC ends a stream when who writes to it is cancelled.
            self._writer = asyncio.create_task(self._write())
        try:
            answer = await answered
        finally:
            del self._waiting[number]
            if not self.open and not self._waiting:
                self.cut()
        return answer.submitted.items

    def cut(self) -> None:
        """Ends it; what has no answer is lost."""
        self._call.cancel()

    async def close(self) -> None:
        """Ends it, and waits for that unless its event loop is another one."""
        self.cut()
        if self._loop is asyncio.get_running_loop():
            await asyncio.wait([task for task in (self._reader, self._writer) if task is not None])

    async def _write(self) -> None:
        try:
            while self._leaving:
                await self._call.write(self._leaving.popleft())
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The reader hears of it too, and tells everybody.
            self.cut()
        finally:
            self._writer = None

    async def _read(self) -> None:
        try:
            async for answer in self._call:
                if not answer.number:
                    self.open = True
                elif (asked := self._waiting.get(answer.number)) and not asked.done():
                    asked.set_result(answer)
        except grpc.aio.AioRpcError:
            # What is wrong with the hub is for calls to find out.
            pass
        finally:
            self.open = False
            self._look.cancel()
            self.cut()
            for asked in self._waiting.values():
                if not asked.done():
                    asked.set_exception(ShortcutLost())
            self._ended(lost=not self._old)

    def _grow_old(self) -> None:
        """Lets it end when nobody has used it for a while, or it is old."""
        now = self._loop.time()
        if now < self._ends_at and self._number > self._asked_before:
            self._asked_before = self._number
            self._look = self._loop.call_later(IDLE_SECONDS, self._grow_old)
            return
        self.open, self._old = False, True
        if not self._waiting:
            self.cut()
