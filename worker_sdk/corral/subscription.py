"""Subscriptions that outlive hubs: from the cursor of what was seen, on the next hub.

Keeps the cursor and watches for signs of life; events go to the caller in order, each once.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import grpc
import grpc.aio
from google.protobuf.message import Message

from corral import refusals
from corral.addresses import Address
from corral.calls import SERVICE, Hubs
from corral.errors import CorralError, Unavailable
from corral.records import Event, GapInEvents, RunSnapshot, event_from_wire, run_from_wire
from corral_proto.v1 import orchestrator_pb2

# Hubs ping every 15 s: three missing ones are a dead stream.
SILENCE_SECONDS = 50.0


class RunEvents:
    """The events of one run, until it has ended.

    Iterate over it for `Event` and `GapInEvents`; afterwards `ended` is the run as it ended.
    `cursor` is where another subscription goes on.
    """

    def __init__(self, hubs: Hubs, run_id: str, cursor: str, timeout: float) -> None:
        self.run_id = run_id
        self.cursor = cursor
        self.ended: RunSnapshot | None = None
        self._hubs = hubs
        self._timeout = timeout

    async def __aiter__(self) -> AsyncIterator[Event | GapInEvents]:
        stream = Messages(
            self._hubs,
            "SubscribeRunEvents",
            lambda: orchestrator_pb2.SubscribeRunEventsRequest(
                run_id=self.run_id, cursor=self.cursor
            ),
            orchestrator_pb2.SubscribeRunEventsResponse.FromString,
            self._timeout,
        )
        try:
            async for message in stream.messages():
                match message.WhichOneof("message"):
                    case "event":
                        event = event_from_wire(message.event)
                        self.cursor = event.cursor or self.cursor
                        yield event
                    case "gap":
                        yield GapInEvents(
                            run_id=self.run_id,
                            first=message.gap.first,
                            last=message.gap.last,
                            reason=message.gap.reason,
                            cursor=self.cursor,
                        )
                    case "end":
                        self.ended = run_from_wire(message.end.run)
                        return
                    case _:
                        pass
        finally:
            stream.cancel()


class AllEvents:
    """The events of all runs of the namespace, without an end.

    Iterate over it for `Event` and `GapInEvents`; `cursor` is where another one goes on.
    """

    def __init__(
        self, hubs: Hubs, cursor: str, workflow: str, status_only: bool, timeout: float
    ) -> None:
        self.cursor = cursor
        self._hubs = hubs
        self._workflow = workflow
        self._status_only = status_only
        self._timeout = timeout

    async def __aiter__(self) -> AsyncIterator[Event | GapInEvents]:
        stream = Messages(
            self._hubs,
            "SubscribeAll",
            lambda: orchestrator_pb2.SubscribeAllRequest(
                cursor=self.cursor, workflow=self._workflow, status_only=self._status_only
            ),
            orchestrator_pb2.SubscribeAllResponse.FromString,
            self._timeout,
        )
        try:
            async for message in stream.messages():
                match message.WhichOneof("message"):
                    case "event":
                        event = event_from_wire(message.event)
                        self.cursor = event.cursor or self.cursor
                        yield event
                    case "gap":
                        self.cursor = message.gap.cursor or self.cursor
                        yield GapInEvents(
                            run_id="",
                            first=0,
                            last=0,
                            reason=message.gap.reason,
                            cursor=self.cursor,
                        )
                    case "ping":
                        self.cursor = message.ping.cursor or self.cursor
                    case _:
                        pass
        finally:
            stream.cancel()


class Messages:
    """Messages of a server stream, from one hub after the other.

    Gives up when no hub has said anything for `timeout` seconds.
    """

    def __init__(
        self,
        hubs: Hubs,
        name: str,
        request: Callable[[], Message],
        response: Callable[[bytes], Any],
        timeout: float,
    ) -> None:
        self._hubs = hubs
        self._name = name
        self._request = request
        self._response = response
        self._timeout = timeout
        self._call: Any = None

    async def messages(self) -> AsyncIterator[Any]:
        failed = 0
        ends = time.monotonic() + self._timeout
        while True:
            address = self._hubs.current
            try:
                self._call = self._open()
                received = aiter(self._call)
                while True:
                    message = await self._read(received, ends if failed else None)
                    failed = 0
                    yield message
            except (_Interrupted, grpc.aio.AioRpcError) as error:
                self.cancel()
                if isinstance(error, grpc.aio.AioRpcError) and not refusals.repeatable(error):
                    raise refusals.from_rpc_error(error, hub=str(address)) from error
                if failed == 0:
                    ends = time.monotonic() + self._timeout
                failed += 1
                self._hubs.leave(address)
                delay = self._hubs.pause(failed)
                if time.monotonic() + delay >= ends:
                    raise self._given_up(error, address) from error
            await anyio.sleep(delay)

    def cancel(self) -> None:
        """Ends the present stream, if there is one."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _open(self) -> Any:
        stream: Any = self._hubs.channel().unary_stream(
            SERVICE + self._name,
            request_serializer=_serialize,
            response_deserializer=self._response,
        )
        return stream(self._request(), metadata=self._hubs.metadata)

    async def _read(self, received: AsyncIterator[Any], ends: float | None) -> Any:
        limit = SILENCE_SECONDS
        if ends is not None:
            limit = min(limit, max(ends - time.monotonic(), 0.001))
        with anyio.move_on_after(limit):
            try:
                return await anext(received)
            except StopAsyncIteration:
                pass
        raise _Interrupted

    def _given_up(self, error: Exception, address: Address) -> CorralError:
        if isinstance(error, grpc.aio.AioRpcError):
            return self._hubs.given_up(error, address, self._name, self._timeout)
        names = ", ".join(str(known) for known in self._hubs.addresses)
        return Unavailable(
            f"{self._name} ended early on every hub for {self._timeout:g} s ({names}). "
            "Subscribe again from the last cursor.",
            retryable=True,
        )


class _Interrupted(Exception):
    """The stream ended before its end, or fell silent."""


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
