"""Streams of submits: each message is treated as a call of its own, and answered by its number.

For whoever submits often: a message is read in half the time of a call. Answers go out as they
are known. What one submit is refused with ends nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc.aio

from corral_hub.errors import HubError, InvalidRequest, Unavailable
from corral_hub.wires.grpc_v1.parsing import Malformed
from corral_hub.wires.grpc_v1.status import detail_of
from corral_proto.v1 import orchestrator_pb2 as pb

# Submits of one stream that are not answered yet; beyond, its submitter waits.
IN_FLIGHT = 32

# Fills the verdicts in; raises a HubError when there are none.
Submit = Callable[[pb.SubmitWorkflowsRequest, pb.SubmitWorkflowsResponse], Awaitable[None]]


class SubmitStreams:
    """The streams of submits of one hub."""

    def __init__(self) -> None:
        self._open: set[_Stream] = set()
        self._stopping = False

    def stop(self) -> None:
        """Ends each stream once what was read from it is answered; refuses new ones."""
        self._stopping = True
        for stream in self._open:
            stream.stop()

    async def serve(self, requests: AsyncIterator[Any], context: Any, submit: Submit) -> None:
        """One stream, to its end. Raises HubError for what no submit can be read from."""
        if self._stopping:
            raise Unavailable("this hub is stopping; go to another")
        stream = _Stream(requests, context, submit)
        self._open.add(stream)
        try:
            await stream.serve()
        finally:
            self._open.discard(stream)


class _Stream:
    """One stream. Whoever reads a submit goes on with it, and another task reads on: to hand it
    over would cost it a turn of the loop."""

    def __init__(self, requests: AsyncIterator[Any], context: Any, submit: Submit) -> None:
        self._requests = requests
        self._context = context
        self._submit = submit
        self._writing = asyncio.Lock()
        self._unanswered = 0
        self._reader: asyncio.Task[None] | None = None
        self._stopping = False
        self._refusal: HubError | None = None

    async def serve(self) -> None:
        await self._context.write(pb.SubmitStreamResponse())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take(group))
        if self._refusal is not None:
            raise self._refusal

    def stop(self) -> None:
        self._stopping = True
        if self._reader is not None:
            self._reader.cancel()

    async def _take(self, group: asyncio.TaskGroup) -> None:
        alone = True
        while alone and (request := await self._read()) is not None:
            self._unanswered += 1
            alone = self._unanswered >= IN_FLIGHT
            if not alone:
                group.create_task(self._take(group))
            await self._treat(request)
            self._unanswered -= 1

    async def _read(self) -> pb.SubmitStreamRequest | None:
        """The next submit; None when there is none to come, or none that could be answered."""
        if self._stopping:
            return None
        self._reader = asyncio.current_task()
        try:
            request = await anext(self._requests, None)
        except asyncio.CancelledError:
            if self._stopping:
                return None
            raise
        finally:
            self._reader = None
        self._refusal = _refusal(request)
        return request if self._refusal is None else None

    async def _treat(self, request: pb.SubmitStreamRequest) -> None:
        answer = pb.SubmitStreamResponse(number=request.number)
        try:
            await self._submit(request.submit, answer.submitted)
        except HubError as error:
            answer.failed.CopyFrom(detail_of(error))
        with contextlib.suppress(grpc.aio.InternalError):
            # Its submitter may be gone, and finds the run by its id.
            async with self._writing:
                await self._context.write(answer)


def _refusal(request: Any) -> HubError | None:
    """Why nothing can be answered to what was read."""
    if isinstance(request, Malformed):
        return InvalidRequest(request.detail)
    if request is not None and not request.number:
        return InvalidRequest(
            "number is 0, which no answer could carry; number submits from 1", field="number"
        )
    return None
