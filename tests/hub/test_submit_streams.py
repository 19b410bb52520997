"""Streams of submits: each message has an answer of its own, and an end loses nothing."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import grpc
import pytest

from corral_hub.access import access as access_module
from corral_hub.config import HubConfig
from corral_hub.hub import Hub
from corral_hub.wires.grpc_v1.submitting import IN_FLIGHT
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.hub.peers import SECONDS, Peer, Place, detail_of, place_of, settings
from tests.hub.test_access import ROOT, entry
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio


class Submits:
    """A peer's stream of submits."""

    def __init__(self, peer: Peer) -> None:
        self.call: Any = peer.calls.SubmitStream(metadata=peer.metadata)

    async def opened(self) -> Submits:
        assert (await self.answer()) == pb.SubmitStreamResponse()
        return self

    async def say(self, number: int, *runs: pb.SubmitWorkflowRequest) -> None:
        submit = pb.SubmitWorkflowsRequest(runs=runs)
        await self.call.write(pb.SubmitStreamRequest(number=number, submit=submit))

    async def answer(self) -> pb.SubmitStreamResponse:
        with anyio.fail_after(SECONDS):
            answer = await self.call.read()
        assert answer is not grpc.aio.EOF
        return answer

    async def ended(self) -> tuple[grpc.StatusCode, pb.ErrorDetail]:
        """How it ended, and what was said of it; nothing comes before that."""
        with anyio.fail_after(SECONDS):
            try:
                assert await self.call.read() is grpc.aio.EOF
                return await self.call.code(), pb.ErrorDetail()
            except grpc.aio.AioRpcError as error:
                return error.code(), detail_of(error)


def run(name: str = "", workflow: str = "waits", **more: Any) -> pb.SubmitWorkflowRequest:
    return pb.SubmitWorkflowRequest(run_id=name, workflow=workflow, **more)


def ids(answer: pb.SubmitStreamResponse) -> list[str]:
    assert answer.WhichOneof("outcome") == "submitted", answer
    return [item.accepted.run.run_id for item in answer.submitted.items]


@asynccontextmanager
async def stream_of(config: HubConfig) -> AsyncIterator[tuple[Place, Submits]]:
    async with place_of(config) as place:
        yield place, await Submits(place.peer).opened()


async def test_each_submit_has_an_answer_of_its_own(valkey: str) -> None:
    async with stream_of(settings(valkey)) as (place, submits):
        await submits.say(7, run("a"))
        answer = await submits.answer()
        assert (answer.number, ids(answer)) == (7, ["a"])
        accepted = answer.submitted.items[0].accepted
        assert accepted.run.workflow == "waits"
        assert accepted.durability
        await submits.say(8, run("a"))
        assert (await submits.answer()).submitted.items[0].accepted.deduplicated
        await submits.say(9, run("b"), run("c", "no such name!"), run("d"))
        good, bad, other = (await submits.answer()).submitted.items
        assert (good.accepted.run.run_id, other.accepted.run.run_id) == ("b", "d")
        assert (bad.refused.name, bad.refused.field) == ("InvalidRequest", "workflow")
        await submits.say(10, run("e", "no such name!"))
        (lone,) = (await submits.answer()).submitted.items
        assert (lone.refused.name, lone.refused.field) == ("InvalidRequest", "workflow")
        assert (await place.peer.describe("d")).run_id == "d"


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_submit_that_fails_ends_no_other(valkey: str, count: int) -> None:
    async with stream_of(settings(valkey)) as (_, submits):
        await submits.say(1, *(run(f"r{n}") for n in range(count)))
        await submits.say(2, run("after"))
        answers = {answer.number: answer for answer in [await submits.answer() for _ in "12"]}
        assert (answers[1].failed.name, answers[1].failed.limit) == ("InvalidRequest", "1000")
        assert ids(answers[2]) == ["after"]


async def test_a_store_that_does_not_answer_fails_the_submit_alone(
    own_valkey: ValkeyServer,
) -> None:
    async with stream_of(settings(own_valkey.url, unary_seconds=0.5)) as (_, submits):
        own_valkey.pause()
        try:
            await submits.say(1, run("late"))
            answer = await submits.answer()
        finally:
            own_valkey.resume()
        assert (answer.failed.name, answer.failed.retryable) == ("Unavailable", True)
        assert "send the same call again" in answer.failed.message
        for number in range(2, 40):
            await submits.say(number, run("late"))
            answer = await submits.answer()
            if not answer.HasField("failed"):
                break
        assert ids(answer) == ["late"]


async def test_a_hub_reads_no_further_than_it_answers(own_valkey: ValkeyServer) -> None:
    async with stream_of(settings(own_valkey.url)) as (place, submits):
        other = await Submits(place.peer).opened()
        # The second time shows that what is answered counts no longer.
        for numbers in (range(1, 2 * IN_FLIGHT + 1), range(1001, 1001 + IN_FLIGHT)):
            own_valkey.pause()
            try:
                for number in numbers:
                    await submits.say(number, run(f"r{number}"))
                await at(IN_FLIGHT)
                # What comes later on another stream is read, so all of the first has come.
                await other.say(numbers[0], run())
                await at(IN_FLIGHT + 1)
            finally:
                own_valkey.resume()
            assert sorted([(await submits.answer()).number for _ in numbers]) == list(numbers)
            assert (await other.answer()).number == numbers[0]


async def at(submits: int) -> None:
    """Waits until hubs of this process are at so many submits; they must not be at more."""
    found = 0
    with anyio.fail_after(SECONDS):
        for pause in itertools.repeat(0.01):
            found = sum(map(_treats, asyncio.all_tasks()))
            if found >= submits:
                break
            await anyio.sleep(pause)
    assert found == submits


def _treats(task: asyncio.Task[Any]) -> bool:
    coroutine: Any = task.get_coro()
    names: list[str] = []
    while coroutine is not None and hasattr(coroutine, "cr_code"):
        names.append(coroutine.cr_code.co_name)
        coroutine = coroutine.cr_await
    return "_treat" in names


async def test_a_submit_without_a_number_ends_the_stream_behind_the_others(valkey: str) -> None:
    async with stream_of(settings(valkey)) as (place, submits):
        await submits.say(1, run("a"))
        await submits.say(0, run("b"))
        assert ids(await submits.answer()) == ["a"]
        code, detail = await submits.ended()
        assert (code, detail.field) == (grpc.StatusCode.INVALID_ARGUMENT, "number")
        await place.prove_healthy()


async def test_bytes_that_are_no_submit_end_the_stream(valkey: str) -> None:
    async with place_of(settings(valkey)) as place:
        raw: Any = place.peer.channel.stream_stream("/corral.v1.Orchestrator/SubmitStream")()
        await raw.read()
        await raw.write(b"\xff\xff")
        with anyio.fail_after(SECONDS), pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw.read()
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "SubmitStreamRequest" in detail_of(caught.value).message
        await place.prove_healthy()


async def test_who_says_that_nothing_more_comes_has_all_answers(valkey: str) -> None:
    async with stream_of(settings(valkey)) as (_, submits):
        for number in range(1, 5):
            await submits.say(number, run(f"r{number}"))
        await submits.call.done_writing()
        assert sorted([(await submits.answer()).number for _ in range(4)]) == [1, 2, 3, 4]
        assert (await submits.ended())[0] is grpc.StatusCode.OK


async def test_who_goes_away_disturbs_nobody(
    own_valkey: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with stream_of(settings(own_valkey.url)) as (place, submits):
        async with Peer(place.hub.address) as leaving:
            gone = await Submits(leaving).opened()
            own_valkey.pause()
            for number in range(1, 20):
                await gone.say(number, run(f"r{number}"))
            await at(19)
        own_valkey.resume()
        await submits.say(1, run("a"))
        assert ids(await submits.answer()) == ["a"]
        await place.prove_healthy()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_hub_that_stops_answers_what_it_has_read(own_valkey: ValkeyServer) -> None:
    async with stream_of(settings(own_valkey.url, stop_seconds=20)) as (place, submits):
        idle = await Submits(place.peer).opened()
        own_valkey.pause()
        try:
            await submits.say(1, run("a"))
            await submits.say(2, run("b"))
            await at(2)
            stopping = asyncio.create_task(place.hub.stop())
            assert (await idle.ended())[0] is grpc.StatusCode.OK
            code, detail = await Submits(place.peer).ended()
            assert code is grpc.StatusCode.UNAVAILABLE
            assert "go to another" in detail.message
        finally:
            own_valkey.resume()
        assert sorted([(await submits.answer()).number for _ in "ab"]) == [1, 2]
        assert (await submits.ended())[0] is grpc.StatusCode.OK
        await place.healthy.call.done_writing()
        with anyio.fail_after(SECONDS):
            await stopping


async def test_a_stream_ends_with_the_token_that_opened_it(
    valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "POLL_SECONDS", 0.05)
    access = tmp_path / "access"
    access.write_text(entry("one", "one", roles='"orchestrator"') + ROOT)
    async with (
        Hub(settings(valkey, access_file=access)) as hub,
        Peer(hub.address, token="one") as peer,
    ):
        submits = await Submits(peer).opened()
        await submits.say(1, run("a"))
        assert ids(await submits.answer()) == ["a"]
        access.write_text(ROOT)
        assert (await submits.ended())[0] is grpc.StatusCode.UNAUTHENTICATED
