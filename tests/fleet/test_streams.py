"""Streamed answers over several hubs: in order, each part once, or said to be gone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

import corral
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import orchestrator_pb2_grpc
from tests.fleet.conftest import Fleet
from tests.processes import HubProcess

pytestmark = pytest.mark.anyio


class Streamer:
    """A worker whose handler counts: `said` is how far each run has come, `ahead` how many parts it
    may still say; whoever reads them gives them back. None: as many as it likes. A run goes on from
    the part that its input `waits_at` when `go` is set."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.said: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.ahead: asyncio.Semaphore | None = None
        self.go = asyncio.Event()

    async def start(self, name: str, room: int = 100, **given: Any) -> None:
        worker = await self.fleet.worker(name, room, started=False, **given)

        @worker.workflow("count")
        async def count(
            ctx: corral.Context, input: dict[str, Any]
        ) -> AsyncIterator[Any | corral.Result[int]]:
            self.attempts[ctx.run_id] += 1
            for number in range(input["chunks"]):
                if self.ahead is not None:
                    await self.ahead.acquire()
                if number == input.get("waits_at"):
                    await self.go.wait()
                yield [number, "x" * input.get("bytes", 0)] if "bytes" in input else number
                self.said[ctx.run_id] += 1
                if number == input.get("fails_at") and self.attempts[ctx.run_id] == 1:
                    raise corral.Retry("once", after_ms=1)
                await asyncio.sleep(input.get("pause", 0))
            yield corral.Result(input["chunks"])

        await self.fleet.start(worker)


@pytest.fixture
async def streamer(fleet: Fleet) -> Streamer:
    return Streamer(fleet)


async def read(run: corral.Run[Any]) -> list[Any]:
    return [part async for part in run.stream()]


def seen(parts: list[Any]) -> list[int]:
    """The numbers that came, or are in a gap; a part is a number here and its own number less
    one."""
    numbers: list[int] = []
    for part in parts:
        if isinstance(part, corral.ChunkGap):
            numbers.extend(range(part.first - 1, part.last))
        else:
            numbers.append(part)
    return numbers


async def test_100_runs_stream_at_once_over_two_hubs(fleet: Fleet, streamer: Streamer) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    await streamer.start("w", hubs=[a.address])
    client = await fleet.client(hubs=[b.address])
    runs = [
        await client.submit_workflow("count", {"chunks": 200, "pause": 0.005}) for _ in range(100)
    ]
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(read(run) for run in runs))
    assert answers == [list(range(200))] * 100
    assert [await run.result() for run in runs] == [200] * 100
    assert await fleet.check() == []


async def test_nothing_is_lost_or_doubled_when_the_subscribers_hub_is_killed(
    fleet: Fleet, streamer: Streamer
) -> None:
    a, b, c = fleet.hub("a"), fleet.hub("b"), fleet.hub("c")
    await streamer.start("w", hubs=[a.address])
    client = await fleet.client(hubs=[b.address, c.address])
    # Half of each answer is there for the second hub's death, however slowly the first comes back.
    asked = {"chunks": 400, "pause": 0.01, "waits_at": 200}
    runs = [await client.submit_workflow("count", asked) for _ in range(10)]
    reading = [asyncio.create_task(read(run)) for run in runs]
    for hub, other in ((b, c), (c, b)):
        already = min(streamer.said[run.run_id] for run in runs)
        await fleet.eventually(lambda to=already + 80: _all_beyond(streamer, runs, to))
        hub.kill()
        await asyncio.to_thread(hub.start)
        assert other.alive
        streamer.go.set()
    async with asyncio.timeout(60):
        assert await asyncio.gather(*reading) == [list(range(400))] * 10


async def test_a_kill_of_the_workers_hub_leaves_at_most_a_gap(
    fleet: Fleet, streamer: Streamer
) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    await streamer.start("w", hubs=[a.address, b.address])
    (row,) = await (await fleet.client(hubs=[b.address])).list_workers()
    first, second = (a, b) if row.hub == "a" else (b, a)
    client = await fleet.client(hubs=[second.address])
    runs = [
        await client.submit_workflow("count", {"chunks": 400, "pause": 0.01}) for _ in range(10)
    ]
    reading = [asyncio.create_task(read(run)) for run in runs]
    await fleet.eventually(lambda: _all_beyond(streamer, runs, 100))
    first.kill()
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*reading)
    for parts in answers:
        assert seen(parts) == list(range(400))
        assert sum(isinstance(part, corral.ChunkGap) for part in parts) <= 1
    assert [streamer.attempts[run.run_id] for run in runs] == [1] * 10
    assert [await run.result() for run in runs] == [400] * 10


async def test_parts_wait_while_there_is_no_hub_and_hold_the_handler_back(
    fleet: Fleet, streamer: Streamer
) -> None:
    a = fleet.hub("a")
    await streamer.start("w", hubs=[a.address])
    client = await fleet.client()
    large = await client.submit_workflow("count", {"chunks": 300, "bytes": 2000, "pause": 0.01})
    small = await client.submit_workflow("count", {"chunks": 300, "pause": 0.01})
    reading = [asyncio.create_task(read(run)) for run in (large, small)]
    await fleet.eventually(lambda: _all_beyond(streamer, [large, small], 20))
    a.kill()
    before = streamer.said[large.run_id]
    await fleet.eventually(lambda: _all_beyond(streamer, [small], 300))
    # 256 KiB wait, and some were on their way; the other run has gone on.
    assert before + 100 <= streamer.said[large.run_id] <= before + 200
    await asyncio.to_thread(a.start)
    async with asyncio.timeout(60):
        of_large, of_small = await asyncio.gather(*reading)
    assert of_small == list(range(300))
    # The subscriber came back to the hub, too, and perhaps later than what it keeps.
    assert seen([p[0] if isinstance(p, list) else p for p in of_large]) == list(range(300))
    assert {p.reason for p in of_large if isinstance(p, corral.ChunkGap)} <= {"slow"}


async def test_another_attempt_begins_anew_and_says_so(fleet: Fleet, streamer: Streamer) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    await streamer.start("w", hubs=[a.address])
    client = await fleet.client(hubs=[b.address])
    policy = corral.RetryPolicy(max_attempts=3)
    run = await client.submit_workflow(
        "count", {"chunks": 10, "fails_at": 4, "pause": 0.05}, retry=policy
    )
    parts = await read(run)
    assert parts == [*range(5), corral.StreamRestarted(attempt=2), *range(10)]
    assert await run.result() == 10


async def test_a_run_that_wants_no_second_answer_fails_with_the_first(
    fleet: Fleet, streamer: Streamer
) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    await streamer.start("w", hubs=[a.address])
    client = await fleet.client(hubs=[b.address])
    policy = corral.RetryPolicy(max_attempts=3)
    run = await client.submit_workflow(
        "count", {"chunks": 10, "fails_at": 4, "pause": 0.05}, retry=policy,
        no_retry_after_chunk=True,
    )  # fmt: skip
    assert await read(run) == list(range(5))
    with pytest.raises(corral.RunFailed) as failed:
        await run.result()
    assert (failed.value.type, failed.value.attempt) == ("Retry", 1)


def _rss(hub: HubProcess) -> int:
    assert hub.process is not None
    status = Path(f"/proc/{hub.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


async def test_who_reads_nothing_holds_up_nobody_and_no_memory(
    fleet: Fleet, streamer: Streamer
) -> None:
    a, b = fleet.hub("a"), fleet.hub("b")
    await streamer.start("w", hubs=[a.address])
    client = await fleet.client(hubs=[b.address])
    # No more than is kept for who comes late or falls behind, so that no machine is too slow.
    streamer.ahead = asyncio.Semaphore(10)
    run = await client.submit_workflow("count", {"chunks": 2000, "bytes": 10_000})
    channel = grpc.aio.insecure_channel(b.address, (("grpc.enable_http_proxy", 0),))
    calls = orchestrator_pb2_grpc.OrchestratorStub(channel)
    request = pb.SubscribeRunEventsRequest(run_id=run.run_id, ephemeral=True)
    sleepers: list[Any] = [calls.SubscribeRunEvents(request) for _ in range(10)]
    for sleeper in sleepers:
        await sleeper.initial_metadata()
    before = _rss(b)
    parts: list[Any] = []
    async with asyncio.timeout(60):
        async for part in run.stream():
            parts.append(part)
            streamer.ahead.release()
    assert [part[0] for part in parts] == list(range(2000))
    # 20 MB went by each of ten; one may hold a queue of 1 MiB, and what gRPC has of it.
    assert _rss(b) - before < 40_000_000
    gaps, last = [], None
    async for message in sleepers[0]:
        last = message.WhichOneof("message")
        if last == "gap":
            gaps.append((message.gap.reason, message.gap.ephemeral))
    assert last == "end"
    assert ("slow", True) in gaps
    for sleeper in sleepers:
        sleeper.cancel()
    await channel.close()


async def _all_beyond(streamer: Streamer, runs: list[corral.Run[Any]], number: int) -> bool:
    return all(streamer.said[run.run_id] >= number for run in runs)
