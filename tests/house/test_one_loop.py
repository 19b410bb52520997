"""What is left of a loop that a test closed fails no other test."""

from __future__ import annotations

import asyncio
import socket

import grpc
import grpc.aio
import pytest

pytestmark = pytest.mark.anyio
CALL = "/nobody/Answers"
NO_PROXY = (("grpc.enable_http_proxy", 0),)


def leave_a_call_behind(port: int) -> object:
    """Closes a loop with a call on its way, whose end gRPC will tell of."""

    async def begin() -> object:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", NO_PROXY)
        call = channel.unary_unary(CALL)(b"", timeout=0.5)
        # The call has left once this one has ended.
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary(CALL)(b"", timeout=0.2)
        return channel, call

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(begin())
    finally:
        loop.close()


async def test_an_event_for_a_loop_that_was_closed_fails_no_test() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", NO_PROXY) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(CALL)(b"", timeout=0.2)
            left = await asyncio.to_thread(leave_a_call_behind, port)
            # Ends behind the call that was left, so its event has come by then.
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(CALL)(b"", timeout=1.0)
    assert left
