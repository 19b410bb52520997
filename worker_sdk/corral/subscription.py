"""Subscriptions that outlive hubs: from the cursor of what was seen, on the next hub.

Keeps the cursor and watches for signs of life; events go to the caller in order, each once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import grpc
import grpc.aio
from google.protobuf.message import Message

from corral import refusals
from corral.addresses import Address
from corral.calls import SERVICE, Hubs, serialize
from corral.errors import ClientClosed, CorralError, Unavailable
from corral.filters import RunFilter
from corral.records import Event, GapInEvents, RunSnapshot, event_from_wire, run_from_wire
from corral.silence import Silence
from corral_proto.v1 import orchestrator_pb2

# Hubs ping every 15 s: three missing ones are a dead stream.
SILENCE_SECONDS = 50.0
# A cursor that stands before everything that the feed still has.
START_OF_FEED = "0-0"


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
                        gap = gap_from_wire(self.run_id, message.gap)
                        self.cursor = gap.cursor
                        yield gap
                    case "end":
                        self.ended = run_from_wire(message.end.run)
                        return
                    case _:
                        pass
        finally:
            stream.cancel()


class AllEvents:
    """The events of all runs of the namespace that match, without an end when it follows.

    Iterate over it for `Event` and `GapInEvents`; `cursor` is where another one goes on.
    """

    def __init__(
        self,
        hubs: Hubs,
        cursor: str,
        filter: RunFilter,
        status_only: bool,
        follow: bool,
        timeout: float,
    ) -> None:
        self.cursor = cursor
        self._hubs = hubs
        self._filter = filter.to_wire()
        self._status_only = status_only
        self._follow = follow
        self._timeout = timeout

    async def __aiter__(self) -> AsyncIterator[Event | GapInEvents]:
        end = None
        if not self._follow:
            end = await self._newest()
            self.cursor = self.cursor or START_OF_FEED
        stream = self._messages(lambda: self.cursor)
        try:
            async for message in stream.messages():
                if end is not None and _is_beyond(message, end):
                    return
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
                        if end is not None and _entry(self.cursor) >= end:
                            return
                    case _:
                        pass
        finally:
            stream.cancel()

    async def _newest(self) -> tuple[int, int]:
        """Where the feed ends: the first thing that a subscription from now on is told."""
        stream = self._messages(lambda: "")
        try:
            async for message in stream.messages():
                return _entry(message.ping.cursor)
        finally:
            stream.cancel()
        return 0, 0

    def _messages(self, cursor: Callable[[], str]) -> Messages:
        return Messages(
            self._hubs,
            "SubscribeAll",
            lambda: orchestrator_pb2.SubscribeAllRequest(
                cursor=cursor(), filter=self._filter, status_only=self._status_only
            ),
            orchestrator_pb2.SubscribeAllResponse.FromString,
            self._timeout,
        )


def gap_from_wire(run_id: str, gap: orchestrator_pb2.SubscribeRunEventsResponse.Gap) -> GapInEvents:
    """A gap in a run's events; what is gone is not asked for again from its cursor on."""
    return GapInEvents(
        run_id=run_id,
        first=gap.first,
        last=gap.last,
        reason=gap.reason,
        cursor=f"0-{gap.first - 1}" if gap.first > 1 else "",
    )


def _is_beyond(message: orchestrator_pb2.SubscribeAllResponse, end: tuple[int, int]) -> bool:
    return message.HasField("event") and _entry(message.event.cursor) > end


def _entry(cursor: str) -> tuple[int, int]:
    """The id of the entry of the feed that a cursor is in."""
    milliseconds, _, sequence = cursor.partition(".")[0].partition("-")
    return int(milliseconds or 0), int(sequence or 0)


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
            silence = Silence(self.cancel)
            try:
                self._call = self._open()
                received = aiter(self._call)
                while True:
                    message = await self._read(received, silence, ends if failed else None)
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
            finally:
                silence.close()
            await anyio.sleep(delay)

    def cancel(self) -> None:
        """Ends the present stream, if there is one."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _open(self) -> Any:
        stream: Any = self._hubs.channel().unary_stream(
            SERVICE + self._name,
            request_serializer=serialize,
            response_deserializer=self._response,
        )
        return stream(self._request(), metadata=self._hubs.metadata)

    async def _read(
        self, received: AsyncIterator[Any], silence: Silence, ends: float | None
    ) -> Any:
        limit = SILENCE_SECONDS
        if ends is not None:
            limit = min(limit, max(ends - time.monotonic(), 0.001))
        # A task that cleans up behind a cancellation counts it still.
        before = _cancellations()
        silence.begin(limit)
        try:
            return await anext(received)
        except StopAsyncIteration:
            raise _Interrupted from None
        except asyncio.CancelledError:
            if silence.broken and _cancellations() == before:
                raise _Interrupted from None
            if self._hubs.cut_by_close():
                raise ClientClosed from None
            raise
        finally:
            silence.end()

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


def _cancellations() -> int:
    """How often the running task was told to end."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
