"""Unary calls to whichever hub answers: the next hub, and the same request again.

Owns the channels of a client. Repeating is safe because every call of this API is; what a
call means is not known here.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel
import grpc
import grpc.aio
from google.protobuf.message import Message

from corral import refusals
from corral.addresses import Address
from corral.channel import MAX_SEND_BYTES, Metadata, open_aio_channel
from corral.errors import (
    ClientClosed,
    InvalidRequest,
    NoHub,
    PayloadTooLarge,
    Unavailable,
    WrongLoop,
)
from corral.shapes import check
from corral.terms import Backoff

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)

SERVICE = "/corral.v1.Orchestrator/"
# A hub that takes the connection and says nothing must not use up the caller's time.
ATTEMPT_SECONDS = 10.0
BACKOFF = Backoff(initial_ms=50, maximum_ms=1000)


@dataclass(frozen=True)
class Method(Generic[RequestT, ResponseT]):
    """One call of the wire contract."""

    name: str
    response: Callable[[bytes], ResponseT]


def check_timeout(seconds: Any) -> float:
    """Gives a time for calls back; raises `InvalidRequest` when nothing can be done in it."""
    if not (isinstance(seconds, int | float) and seconds > 0):
        check("timeout", seconds, float)
        raise InvalidRequest(
            f"timeout is {seconds:g} s; give more than 0, as a hub takes time to answer.",
            field="timeout",
        )
    return seconds


class Hubs:
    """The hubs of one client: their channels, and which one is asked first.

    All methods belong to one event loop, that of the first call; calls raise `WrongLoop` on
    another one.
    """

    def __init__(self, addresses: tuple[Address, ...], metadata: Metadata) -> None:
        self.addresses = addresses
        self.metadata = metadata
        self._channels: dict[Address, grpc.aio.Channel] = {}
        self._methods: dict[tuple[Address, str], Any] = {}
        self._current = 0
        self._closed = False
        # That of the first call: channels work on no other one.
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def current(self) -> Address:
        """The hub that is asked first."""
        return self.addresses[self._current]

    def channel(self) -> grpc.aio.Channel:
        """Gives the channel to the present hub, made on first use."""
        if self._closed:
            raise ClientClosed
        self.check_loop()
        address = self.current
        if address not in self._channels:
            self._channels[address] = open_aio_channel(address)
        return self._channels[address]

    def leave(self, address: Address) -> None:
        """Goes to the next hub, unless another call has done so already."""
        if self.current == address:
            self._current = (self._current + 1) % len(self.addresses)

    async def close(self) -> None:
        """Closes every channel; calls in flight end."""
        self._closed = True
        channels = list(self._channels.values())
        self._channels.clear()
        self._methods.clear()
        for channel in channels:
            await channel.close()

    async def call(
        self,
        method: Method[RequestT, ResponseT],
        request: RequestT,
        timeout: float,
        began: float | None = None,
    ) -> ResponseT:
        """Makes a call, on one hub after the other, for at most `timeout` seconds in all, which
        count from `began` by the monotonic clock (None: from now).

        Raises what the hub answered, `NoHub` when none could be reached and `Unavailable`
        when none gave a definite answer.
        """
        size = request.ByteSize()
        if size > MAX_SEND_BYTES - 1024:
            raise PayloadTooLarge(
                f"The request of {method.name} has {size} bytes, the limit is "
                f"{MAX_SEND_BYTES - 1024}. Store the input elsewhere and submit a reference.",
                limit=str(MAX_SEND_BYTES - 1024),
            )
        ends = (time.monotonic() if began is None else began) + timeout
        failed = 0
        while True:
            address = self.current
            remaining = ends - time.monotonic()
            try:
                return await self._once(method, request, min(ATTEMPT_SECONDS, remaining))
            except grpc.aio.AioRpcError as error:
                if self._closed or not refusals.repeatable(error):
                    raise refusals.from_rpc_error(error, hub=str(address)) from error
                self.leave(address)
                failed += 1
                delay = self.pause(failed)
                if time.monotonic() + delay >= ends:
                    raise self.given_up(error, address, method.name, timeout) from error
                await anyio.sleep(delay)

    def cut_by_close(self) -> bool:
        """Tells whether the cancellation that this task met is that of its call alone.

        A closed channel cancels its calls, which must not look like a cancelled task.
        """
        task = asyncio.current_task()
        return self._closed and task is not None and not task.cancelling()

    def check_open(self, what: str) -> None:
        """Raises Unavailable when the client was closed during a call."""
        if self._closed:
            raise Unavailable(
                f"The client was closed during {what}; its outcome is unknown. Repeat it with "
                "another client, a submit with the same ids."
            ) from None

    def pause(self, failed: int) -> float:
        """Gives the seconds to wait after so many failures in a row: none for the first round."""
        if failed < len(self.addresses):
            return 0.0
        step = failed - len(self.addresses)
        return BACKOFF.delay_ms(step, random.random()) / 1000

    def given_up(
        self, error: grpc.aio.AioRpcError, address: Address, what: str, seconds: float
    ) -> Unavailable:
        """Makes the error for a call that no hub answered in time."""
        last = refusals.from_rpc_error(error, hub=str(address))
        names = ", ".join(str(known) for known in self.addresses)
        if error.code() is grpc.StatusCode.UNAVAILABLE and not refusals.from_hub(error):
            return NoHub(
                f"No hub could be reached in {seconds:g} s at {names} ({error.details()}). "
                'Check the addresses, and that a hub runs there; "corral up" starts one here.',
                retryable=True,
            )
        return Unavailable(
            f"{what} has no definite answer after {seconds:g} s from {names}; the last was: {last}",
            retryable=True,
        )

    async def _once(
        self, method: Method[RequestT, ResponseT], request: RequestT, timeout: float
    ) -> ResponseT:
        call = self._method(method)
        try:
            return await call(request, timeout=max(timeout, 0.001), metadata=self.metadata)
        except asyncio.CancelledError:
            if self.cut_by_close():
                self.check_open(method.name)
            # gRPC raises a cancellation of its own in place of the one it was told of. asyncio
            # counts them; a scope of anyio knows only its own, and lets others pass: here it
            # raises that.
            await anyio.lowlevel.checkpoint_if_cancelled()
            raise

    def check_loop(self) -> None:
        """Raises WrongLoop on another loop than that of the first call."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None:
                raise WrongLoop
            self._loop = loop

    def _method(self, method: Method[RequestT, ResponseT]) -> Any:
        """What makes a call of the present hub; made once, as that takes as long as some calls."""
        self.check_loop()
        key = self.current, method.name
        if key not in self._methods:
            self._methods[key] = self.channel().unary_unary(
                SERVICE + method.name,
                request_serializer=serialize,
                response_deserializer=method.response,
            )
        return self._methods[key]


def serialize(message: Message) -> bytes:
    """The bytes of a message."""
    return message.SerializeToString()
