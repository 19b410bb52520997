"""Handlers in processes: what they are given, how they stop, and what their deaths cost."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

import corral
from corral_proto.v1 import common_pb2, worker_pb2
from tests.sdk import process_handlers as handlers
from tests.sdk.hubs import ScriptedHub, Stream

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def serving(hub: ScriptedHub, *fns: Callable[..., Any], **options: Any) -> AsyncIterator[Any]:
    """A worker that runs functions in processes, and its welcomed stream."""
    worker = corral.Worker("w", hubs=hub.address, admission=corral.Fixed(options.pop("slots", 4)))
    for fn in fns:
        worker.workflow(fn.__name__, executor="process", **options)(fn)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        yield stream
        worker.stop()
        await stream.expect("goodbye")
        stream.end()


async def outcome(stream: Stream) -> Any:
    result = await stream.expect("result")
    stream.ack(result)
    return json.loads(result.output) if result.WhichOneof("outcome") == "output" else result.error


async def event(stream: Stream) -> Any:
    found = await stream.expect("event")
    stream.ack(found)
    return found


async def test_a_child_knows_its_run_and_begins_without_grpc(hub: ScriptedHub) -> None:
    async with serving(hub, handlers.where) as stream:
        stream.assign("r1", "where", fence="7", attempt=2, labels={"team": "a"}, device=3)
        assert (await event(stream)).payload == b'{"attempt":2}'
        found = await outcome(stream)
        assert (found["labels"], found["fence"], found["cuda"]) == ({"team": "a"}, "7", "3")
        assert not found["grpc"]


async def test_children_are_used_again_and_replaced_after_their_runs(hub: ScriptedHub) -> None:
    pids: list[int] = []
    async with serving(hub, handlers.where, recycle_after=2, slots=1) as stream:
        for number in range(3):
            stream.assign(f"r{number}", "where")
            await event(stream)
            pids.append((await outcome(stream))["pid"])
    assert pids[0] == pids[1] != pids[2]


async def test_a_child_has_the_device_that_the_assignment_names(hub: ScriptedHub) -> None:
    async with serving(hub, handlers.where, slots=1) as stream:
        seen: list[str | None] = []
        for number, device in enumerate((0, 1, -1)):
            stream.assign(f"r{number}", "where", device=device)
            await event(stream)
            seen.append((await outcome(stream))["cuda"])
    assert seen == ["0", "1", None]


async def test_types_and_errors_are_those_of_other_handlers(hub: ScriptedHub) -> None:
    async with serving(hub, handlers.typed, handlers.fail) as stream:
        stream.assign("r1", "typed", b"21")
        assert await outcome(stream) == 42
        stream.assign("r2", "typed", b'"x"')
        assert (await outcome(stream)).code == common_pb2.ERROR_CODE_BAD_INPUT
        stream.assign("r3", "fail")
        error = await outcome(stream)
        assert (error.type, error.retryable) == ("LookupError", True)


async def test_a_death_costs_that_run_alone(hub: ScriptedHub, tmp_path: Path) -> None:
    async with serving(hub, handlers.die, handlers.hold) as stream:
        stream.assign("r1", "hold", b"1.0")
        await event(stream)
        stream.assign("r2", "die")
        first = await stream.expect("result")
        stream.ack(first)
        assert (first.run_id, first.error.code) == ("r2", common_pb2.ERROR_CODE_EXECUTOR_DIED)
        assert first.error.retryable
        assert "SIGKILL" in first.error.message
        assert await outcome(stream) == "held"


async def test_a_stop_unwinds_the_handler(hub: ScriptedHub, tmp_path: Path) -> None:
    path = tmp_path / "state"
    async with serving(hub, handlers.clean_up) as stream:
        stream.assign("r1", "clean_up", json.dumps(str(path)).encode())
        await event(stream)
        stream.stop("r1")
        stream.ack(await stream.expect("stopped"))
    assert path.read_text() == "cleaned"


async def test_what_does_not_stop_is_killed_after_its_grace(hub: ScriptedHub) -> None:
    async with serving(hub, handlers.stubborn, stop_grace_ms=300) as stream:
        stream.assign("r1", "stubborn")
        await event(stream)
        began = time.monotonic()
        stream.stop("r1")
        stream.ack(await stream.expect("stopped"))
        assert 0.3 <= time.monotonic() - began < 5


async def test_pongs_flow_while_a_child_holds_its_gil(hub: ScriptedHub) -> None:
    async with serving(hub, handlers.hold) as stream:
        stream.assign("r1", "hold", b"5")
        await event(stream)
        ends = time.monotonic() + 4
        number = 0
        while time.monotonic() < ends:
            number += 1
            stream.say(ping=worker_pb2.Ping(number=number))
            said = time.monotonic()
            assert (await stream.expect("pong")).number == number
            assert time.monotonic() - said < 2
            await anyio.sleep(0.5)
        assert await outcome(stream) == "held"


async def test_a_module_that_cannot_be_imported_fails_the_run_and_says_why(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_TEST_IMPORT_EXITS", "1")
    async with serving(hub, handlers.typed) as stream:
        stream.assign("r1", "typed", b"1")
        error = await outcome(stream)
        assert error.type == "ImportError"
        assert "if __name__" in error.message


def test_what_cannot_run_in_a_process_is_refused_at_once() -> None:
    worker = corral.Worker("w")

    async def coroutine() -> None: ...

    with pytest.raises(corral.BadHandler, match="is a coroutine"):
        worker.workflow("a", executor="process")(coroutine)
    with pytest.raises(corral.BadHandler, match="inside of a function"):
        worker.workflow("b", executor="process")(lambda: None)
    with pytest.raises(corral.BadHandler, match="recycle_after=0"):
        worker.workflow("c", executor="process", recycle_after=0)(handlers.die)
    with pytest.raises(corral.BadHandler, match="only processes have"):
        worker.workflow("d", stop_grace_ms=10)(handlers.die)
