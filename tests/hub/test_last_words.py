"""What a worker says right before its stream ends counts, and what the store makes of reports
reaches it though no frame waits for that."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import grpc
import pytest

from corral_proto.v1 import worker_pb2 as wk
from corral_store.errors import StoreUnavailable
from corral_store.transitions import Transitions
from tests.hub.peers import SECONDS, Peer, Session

pytestmark = pytest.mark.anyio


async def at_work(peer: Peer) -> tuple[Session, wk.WorkerMessage]:
    """A session that has a run, and its result, which is not said yet."""
    session = await peer.session(kind="workflow:last")
    run = (await peer.submit(workflow="last")).run.run_id
    fence = (await session.hear("assignment")).assignment.fence
    result = wk.Result(run_id=run, fence=fence, output=b"1", seq=1)
    return session, wk.WorkerMessage(result=result)


async def test_a_result_counts_that_comes_together_with_goodbye(peer: Peer) -> None:
    session, said = await at_work(peer)
    await session.frame(said, wk.WorkerMessage(goodbye=wk.Goodbye()))
    assert await session.verdicts() == ["OK"]
    with anyio.fail_after(SECONDS):
        assert await session.call.read() is grpc.aio.EOF
    assert (await peer.describe(said.result.run_id)).output == b"1"


async def test_a_result_counts_behind_which_the_worker_hangs_up(peer: Peer) -> None:
    session, said = await at_work(peer)
    await session.frame(said)
    await session.call.done_writing()
    assert await session.verdicts() == ["OK"]
    assert (await peer.describe(said.result.run_id)).output == b"1"


async def test_of_a_stream_that_is_gone_nothing_waits_for_the_store(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: asyncio.Future[asyncio.Task[Any] | None] = asyncio.Future()

    async def wait(*_: Any) -> None:
        called.set_result(asyncio.current_task())
        await asyncio.Event().wait()

    session, said = await at_work(peer)
    monkeypatch.setattr(Transitions, "report", wait)
    await session.frame(said)
    call = await called
    assert call is not None
    session.call.cancel()
    await asyncio.wait({call}, timeout=SECONDS)
    assert call.cancelled()


async def test_a_store_that_refuses_reports_sends_the_worker_to_another_hub(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise StoreUnavailable("no")

    session, said = await at_work(peer)
    monkeypatch.setattr(Transitions, "report", refuse)
    await session.frame(said)
    reject = await session.rejected()
    assert reject.reason == wk.REJECT_REASON_UNAVAILABLE
    assert reject.detail == "the store of this hub refuses: no"


async def test_a_fault_of_ours_in_treating_reports_ends_the_stream_and_no_other(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise KeyError("a fault of ours")

    session, said = await at_work(peer)
    with monkeypatch.context() as faulty:
        faulty.setattr(Transitions, "report", fail)
        await session.frame(said)
        with anyio.fail_after(SECONDS), pytest.raises(grpc.aio.AioRpcError) as raised:
            await session.call.read()
    assert raised.value.code() is grpc.StatusCode.UNKNOWN
    other, well = await at_work(peer)
    await other.frame(well)
    assert await other.verdicts() == ["OK"]
