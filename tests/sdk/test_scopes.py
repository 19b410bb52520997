"""Calls of a client within scopes of anyio and timeouts of asyncio: who ends them hears of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

import corral
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.sdk.hubs import ScriptedHub

pytestmark = pytest.mark.anyio

Call = Callable[[corral.Client], Awaitable[object]]
CALLS: dict[str, Call] = {
    "stats": lambda client: client.stats(),
    "submit": lambda client: client.submit_workflow("w", run_id="r1"),
    "submits": lambda client: client.submit_workflows([corral.Submit("w", run_id="r1")]),
}


class Silent:
    """A hub that has the call and does not answer it; `asked` is set when it has."""

    def __init__(self, hub: ScriptedHub) -> None:
        self.asked = threading.Event()
        for method in ("GetStats", "SubmitWorkflow", "SubmitWorkflows"):
            hub.calls[method] = self._call

    def _call(self, request: Any, context: Any) -> Any:
        given_up = threading.Event()
        context.add_callback(given_up.set)
        self.asked.set()
        given_up.wait()
        return pb.GetStatsResponse()


@pytest.fixture
async def client(hub: ScriptedHub) -> AsyncIterator[corral.Client]:
    async with corral.Client(hub.address) as client:
        yield client


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_scope_whose_time_is_over_ends_the_call_and_no_more(
    hub: ScriptedHub, client: corral.Client, call: Call
) -> None:
    async def late() -> bool:
        with anyio.move_on_after(0.05) as scope:
            await call(client)
        return scope.cancelled_caught

    Silent(hub)
    for _ in range(5):
        # In a task of its own, or a cancellation that goes too far ends the one of the tests.
        (task,), _ = await asyncio.wait([asyncio.create_task(late())])
        assert not task.cancelled()
        assert task.result()


async def test_what_asyncio_ends_is_still_asyncios(hub: ScriptedHub, client: corral.Client) -> None:
    silent = Silent(hub)
    with anyio.fail_after(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.stats()
        task = asyncio.create_task(client.stats())
        assert await anyio.to_thread.run_sync(silent.asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
