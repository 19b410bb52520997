"""Workers on real streams: what they say over gRPC, and what they survive."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import threading
from typing import Any

import anyio
import grpc
import pytest

import corral
from corral_proto.v1 import common_pb2, worker_pb2
from tests.sdk.conftest import HubFactory
from tests.sdk.hubs import ScriptedHub

pytestmark = pytest.mark.anyio


@dataclasses.dataclass
class Picky:
    """A type whose own check raises what no library expects."""

    n: int

    def __post_init__(self) -> None:
        raise LookupError("never")


def make_worker(*hubs: ScriptedHub, **options: Any) -> corral.Worker:
    options.setdefault("admission", corral.Fixed(8))
    return corral.Worker("w", hubs=[hub.address for hub in hubs], **options)


def first_of(worker: corral.Worker, hubs: list[ScriptedHub]) -> list[ScriptedHub]:
    """The hubs in the order in which this worker dials them."""
    from zlib import crc32

    at = crc32(worker.worker_id.encode()) % len(hubs)
    return hubs[at:] + hubs[:at]


async def test_a_run_is_executed_and_reported(hub: ScriptedHub) -> None:
    worker = make_worker(hub, tags={"region": "eu"}, token="secret\n", namespace="team")

    @worker.workflow
    async def double(ctx: corral.Context, n: int) -> int:
        await ctx.emit_event("half-way", {"n": n})
        return n * 2

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        assert stream.metadata["authorization"] == "Bearer secret"
        assert stream.metadata["corral-namespace"] == "team"
        assert stream.hello.tags == ["region=eu"]
        assert [c.kind for c in stream.hello.capabilities] == ["workflow:double"]
        assert not stream.hello.resume
        stream.assign("r1", "double", b"21")
        event = await stream.expect("event")
        assert (event.type, event.payload, event.seq) == ("half-way", b'{"n":21}', 1)
        result = await stream.expect("result")
        assert (result.output, result.seq) == (b"42", 2)
        # A result says that its assignment has arrived.
        assert "mail_ack" not in stream.seen
        stream.ack(event)
        stream.ack(result)
        worker.stop()
        await stream.expect("draining")
        await stream.expect("goodbye")
        stream.end()


async def test_pongs_and_results_flow_while_a_handler_blocks_the_users_loop(
    hub: ScriptedHub,
) -> None:
    worker = make_worker(hub)
    blocked, release = threading.Event(), threading.Event()

    @worker.workflow
    async def rude() -> None:
        blocked.set()
        assert release.wait(10)

    @worker.workflow
    def polite() -> str:
        return "ok"

    def script() -> None:
        # On a thread of its own: the test's loop is the one that is blocked.
        stream = hub._next()
        stream.welcome()
        stream.assign("r1", "rude")
        assert blocked.wait(10)
        stream.say(ping=worker_pb2.Ping(number=7))
        assert stream._expect("pong").number == 7
        stream.assign("r2", "polite")
        result = stream._expect("result")
        assert result.output == b'"ok"'
        stream.ack(result)
        release.set()
        stream.ack(stream._expect("result"))
        worker.stop()
        stream._expect("goodbye")
        stream.end()

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        await anyio.to_thread.run_sync(script)


async def test_a_killed_hub_is_left_for_the_other_and_nothing_is_lost(
    make_hub: HubFactory,
) -> None:
    worker = corral.Worker("w", admission=corral.Fixed(8))
    a, b = first_of(worker, [make_hub("a"), make_hub("b")])
    worker.hubs = [hub.address for hub in sorted((a, b), key=lambda hub: hub.name)]
    go = asyncio.Event()
    started: list[str] = []

    @worker.workflow
    async def wait(ctx: corral.Context) -> str:
        started.append(ctx.run_id)
        await go.wait()
        return ctx.run_id

    @worker.workflow
    async def quick() -> str:
        return "done"

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await a.welcomed()
        stream.assign("long", "wait")
        stream.assign("short", "quick")
        unacknowledged = await stream.expect("result")
        session = stream.hello.session_id
        a.kill()

        stream = await b.stream()
        assert stream.hello.resume
        assert stream.hello.session_id == session
        assert {held.run_id for held in stream.hello.held} == {"long", "short"}
        stream.welcome(resumed=True)
        again = await stream.expect("result")
        assert again == unacknowledged
        stream.ack(again)
        # The hub sends what it thinks was not delivered; it is not executed twice.
        stream.assign("long", "wait")
        go.set()
        result = await stream.expect("result")
        assert result.output == b'"long"'
        assert started == ["long"]
        stream.ack(result)
        worker.stop()
        await stream.expect("goodbye")
        stream.end()


async def test_a_silent_hub_is_left_after_half_a_lease(make_hub: HubFactory) -> None:
    silent = make_hub("a", lease_ms=600)
    worker = make_worker(silent)
    worker.workflow("noop")(lambda: None)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await silent.welcomed()
        await stream.expect_end()
        stream = await silent.welcomed()
        assert stream.hello.resume
        worker.stop()
        await stream.expect("goodbye")
        stream.end()


async def test_reconnect_moves_to_the_other_hub_and_keeps_handlers(make_hub: HubFactory) -> None:
    worker = corral.Worker("w", admission=corral.Fixed(8))
    a, b = first_of(worker, [make_hub("a"), make_hub("b")])
    worker.hubs = [hub.address for hub in sorted((a, b), key=lambda hub: hub.name)]
    go = asyncio.Event()

    @worker.workflow
    async def wait() -> None:
        await go.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await a.welcomed()
        stream.assign("r1", "wait")
        await stream.expect("mail_ack")
        stream.say(reconnect=worker_pb2.Reconnect(reason="rebalance", after_ms=20))
        moved = await b.welcomed()
        await stream.expect_end()
        go.set()
        moved.ack(await moved.expect("result"))
        worker.stop()
        await moved.expect("goodbye")
        moved.end()


async def test_stop_cancels_a_coroutine_and_is_answered_when_it_has_ended(
    hub: ScriptedHub,
) -> None:
    worker = make_worker(hub)
    cleaned: list[str] = []

    @worker.workflow
    async def wait(ctx: corral.Context) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(ctx.cancel_reason)

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        stream.assign("r1", "wait")
        await stream.expect("mail_ack")
        stream.stop("r1", "deadline")
        stopped = await stream.expect("stopped")
        assert cleaned == ["deadline"]
        stream.ack(stopped)
        stream.stop("never-seen")
        stream.ack(await stream.expect("stopped"))
        worker.stop()
        await stream.expect("goodbye")
        stream.end()


async def test_a_plain_function_sees_that_it_was_cancelled(hub: ScriptedHub) -> None:
    worker = make_worker(hub)

    @worker.workflow
    def wait(ctx: corral.Context) -> str:
        assert ctx.wait_cancelled_sync(10)
        assert ctx.cancelled
        return "late"

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        stream.assign("r1", "wait")
        await stream.expect("mail_ack")
        stream.stop("r1")
        stopped = await stream.expect("stopped")
        assert "result" not in stream.seen
        stream.ack(stopped)
        worker.stop()
        await stream.expect("goodbye")
        stream.end()


async def test_an_immediate_drain_gives_runs_back(hub: ScriptedHub) -> None:
    worker = make_worker(hub)

    @worker.workflow
    async def wait() -> None:
        await asyncio.sleep(60)

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        stream.assign("r1", "wait")
        await stream.expect("mail_ack")
        stream.say(drain=worker_pb2.Drain(immediate=True))
        stream.ack(await stream.expect("give_back"))
        await stream.expect("goodbye")
        stream.end()


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (worker_pb2.REJECT_REASON_SUPERSEDED, corral.SessionSuperseded),
        (worker_pb2.REJECT_REASON_BAD_HELLO, corral.WorkerRejected),
        (worker_pb2.REJECT_REASON_UNSUPPORTED_VERSION, corral.WorkerRejected),
        (worker_pb2.REJECT_REASON_NOT_YOURS, corral.WorkerRejected),
    ],
)
async def test_a_final_reject_ends_the_worker(
    hub: ScriptedHub, reason: int, error: type[Exception]
) -> None:
    worker = make_worker(hub)
    worker.workflow("noop")(lambda: None)

    async def reject() -> None:
        (await hub.stream()).reject(reason)

    async with anyio.create_task_group() as group:
        group.start_soon(reject)
        with pytest.raises(error):
            await worker.run()


async def test_a_wrong_token_ends_the_worker(hub: ScriptedHub) -> None:
    worker = make_worker(hub)
    worker.workflow("noop")(lambda: None)

    async def refuse() -> None:
        (await hub.stream()).end(grpc.StatusCode.UNAUTHENTICATED)

    async with anyio.create_task_group() as group:
        group.start_soon(refuse)
        with pytest.raises(corral.Unauthenticated):
            await worker.run()


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("secret\nmore", r"Character 7 of the token \(from {source}\) is '\\n'"),
        ("s\u00e9cret", r"Character 2 of the token \(from {source}\) is '\\xe9'"),
    ],
)
@pytest.mark.parametrize("source", ["token=", "CORRAL_TOKEN"])
async def test_a_token_that_cannot_be_sent_ends_the_worker_at_once(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch, token: str, words: str, source: str
) -> None:
    monkeypatch.setenv("CORRAL_TOKEN", token)
    worker = make_worker(hub, token=token if source == "token=" else None)
    worker.workflow("noop")(lambda: None)
    with anyio.fail_after(10), pytest.raises(corral.BadMetadata) as refused:
        await worker.run()
    assert re.search(words.format(source=source), str(refused.value))
    assert "cret" not in str(refused.value)


async def test_a_worker_id_in_use_is_waited_for_and_then_given_up(hub: ScriptedHub) -> None:
    worker = make_worker(
        hub, in_use_seconds=0.3, backoff=corral.Backoff(initial_ms=50, maximum_ms=50)
    )
    worker.workflow("noop")(lambda: None)

    async def reject() -> None:
        while True:
            (await hub.stream()).reject(worker_pb2.REJECT_REASON_WORKER_ID_IN_USE)

    async with anyio.create_task_group() as group:
        group.start_soon(reject)
        with pytest.raises(corral.WorkerIdInUse, match="'w'"):
            await worker.run()
        group.cancel_scope.cancel()


async def test_a_lost_session_is_opened_anew_and_the_verdicts_decide(hub: ScriptedHub) -> None:
    worker = make_worker(hub)

    @worker.workflow
    async def wait() -> None:
        await asyncio.sleep(60)

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        stream.assign("r1", "wait")
        await stream.expect("mail_ack")
        stream.reject(worker_pb2.REJECT_REASON_SESSION_LOST)
        anew = await hub.stream()
        assert anew.hello.session_id != stream.hello.session_id
        assert anew.hello.instance == stream.hello.instance
        assert not anew.hello.resume
        assert [held.run_id for held in anew.hello.held] == ["r1"]
        anew.welcome(drop=("r1",))
        anew.ack(await anew.expect("stopped"), worker_pb2.REPORT_VERDICT_STALE)
        worker.stop()
        await anew.expect("goodbye")
        anew.end()


async def test_errors_of_handlers_have_their_codes(make_hub: HubFactory) -> None:
    hub = make_hub(max_payload_bytes=2000)
    worker = make_worker(hub)

    @worker.workflow
    async def typed(n: int) -> int:
        return n

    @worker.workflow
    async def picky(value: Picky) -> None: ...

    @worker.workflow
    async def huge() -> str:
        return "x" * 3000

    @worker.workflow
    async def odd() -> object:
        return object()

    @worker.workflow
    async def later() -> None:
        raise corral.Retry("busy", after_ms=70, details={"queue": 3})

    @worker.workflow
    def never() -> None:
        raise corral.Fail("hopeless") from KeyError("k")

    @worker.workflow
    def raises() -> None:
        raise ZeroDivisionError("by zero")

    cases: list[tuple[str, bytes, int, str, bool, str]] = [
        ("typed", b'"a"', common_pb2.ERROR_CODE_BAD_INPUT, "ValidationError", False, "int"),
        ("picky", b'{"n":1}', common_pb2.ERROR_CODE_HANDLER, "LookupError", True, "never"),
        ("huge", b"null", common_pb2.ERROR_CODE_BAD_OUTPUT, "PayloadTooLarge", False, "3002"),
        ("odd", b"null", common_pb2.ERROR_CODE_BAD_OUTPUT, "TypeError", False, "object"),
        ("later", b"null", common_pb2.ERROR_CODE_HANDLER, "Retry", True, "busy"),
        ("never", b"null", common_pb2.ERROR_CODE_HANDLER, "KeyError", False, "hopeless"),
        ("raises", b"null", common_pb2.ERROR_CODE_HANDLER, "ZeroDivisionError", True, "by zero"),
        ("unknown", b"null", common_pb2.ERROR_CODE_NO_HANDLER, "NoHandler", False, "unknown"),
    ]
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        for workflow, input, code, type_, retryable, text in cases:
            stream.assign(workflow, workflow, input)
            result = await stream.expect("result")
            error = result.error
            assert (error.code, error.type, error.retryable) == (code, type_, retryable)
            assert text in error.message
            stream.ack(result)
            if workflow == "later":
                assert (error.retry_after_ms, error.details) == (70, b'{"queue":3}')
        worker.stop()
        await stream.expect("goodbye")
        stream.end()


async def test_a_resident_model_is_told_at_once_and_in_the_next_hello(hub: ScriptedHub) -> None:
    worker = make_worker(hub)
    worker.workflow("noop")(lambda: None)
    worker.resident("bge", vram_mb=500)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        assert [(model.name, model.vram_mb) for model in stream.hello.resident] == [("bge", 500)]
        worker.resident("llama3", vram_mb=9000)
        update = await stream.expect("update")
        assert [(model.name, model.vram_mb) for model in update.resident] == [
            ("bge", 500),
            ("llama3", 9000),
        ]
        worker.evicted("bge")
        stream.end(grpc.StatusCode.UNAVAILABLE)
        stream = await hub.welcomed()
        assert [model.name for model in stream.hello.resident] == ["llama3"]
        worker.stop()
        await stream.expect("goodbye")
        stream.end()


async def test_the_lifespan_is_entered_once_and_its_state_reaches_handlers(
    hub: ScriptedHub,
) -> None:
    from contextlib import asynccontextmanager

    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(worker: corral.Worker) -> Any:
        steps.append("enter")
        yield {"model": "loaded"}
        steps.append("leave")

    worker = make_worker(hub, lifespan=lifespan)

    @worker.capability("inference:llm@1")
    async def infer(ctx: corral.Context, input: dict[str, str]) -> dict[str, str]:
        return {"workflow": ctx.workflow, "model": ctx.state["model"], **input}

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        assert steps == ["enter"]
        stream.assign("r1", "chat", b'{"q":"hi"}', kind="inference:llm")
        result = await stream.expect("result")
        assert result.output == b'{"workflow":"chat","model":"loaded","q":"hi"}'
        stream.ack(result)
        worker.stop()
        await stream.expect("goodbye")
        stream.end()
    assert steps == ["enter", "leave"]


async def test_a_cancelled_run_gives_back_what_it_holds(hub: ScriptedHub) -> None:
    worker = make_worker(hub)

    @worker.workflow
    async def wait() -> None:
        await asyncio.sleep(60)

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        stream.assign("r1", "wait")
        await stream.expect("mail_ack")
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            stream.ack(await stream.expect("give_back"))
            await stream.expect("goodbye")
            stream.end()
