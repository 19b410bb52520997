"""A worker as a process: signals, exit codes, and being run in the background."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

import anyio
import pytest

import corral
from corral.identity import signals
from corral_proto.v1 import worker_pb2
from tests.sdk.hubs import ScriptedHub

pytestmark = pytest.mark.anyio

SCRIPT = """
import asyncio, sys, time
import corral

worker = corral.Worker("w", hubs=sys.argv[1], admission=corral.Fixed(4))

@worker.workflow
async def wait():
    await asyncio.sleep(60)

@worker.workflow
async def interrupt():
    raise KeyboardInterrupt("by itself")

@worker.workflow
def nap(ctx):
    ctx.wait_cancelled_sync(0.3)
    return "rested"

worker.run_forever()
print("after")
"""


async def start(tmp_path: Path, hub: ScriptedHub, text: str = SCRIPT) -> asyncio.subprocess.Process:
    script = tmp_path / "script.py"
    script.write_text(text)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        hub.address,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_signal_that_another_thread_gets_wakes_the_loop() -> None:
    heard = asyncio.Event()
    before = signal.getsignal(signal.SIGTERM)

    def get_one() -> None:
        # So that the loop sleeps by then; when it does not, nothing is shown and nothing fails.
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with signals(heard.set):
        threading.Thread(target=get_one).start()
        async with asyncio.timeout(10):
            await heard.wait()
    assert signal.getsignal(signal.SIGTERM) is before


async def test_sigterm_finishes_what_runs_and_exits_with_zero(
    tmp_path: Path, hub: ScriptedHub
) -> None:
    process = await start(tmp_path, hub)
    stream = await hub.welcomed()
    stream.assign("r1", "nap")
    await stream.expect("mail_ack")
    process.send_signal(signal.SIGTERM)
    await stream.expect("draining")
    result = await stream.expect("result")
    assert result.output == b'"rested"'
    stream.ack(result)
    await stream.expect("goodbye")
    stream.end()
    with anyio.fail_after(10):
        out, err = await process.communicate()
    assert (process.returncode, out) == (0, b"after\n"), err


async def test_an_interrupt_of_a_handlers_own_fails_its_run_alone(
    tmp_path: Path, hub: ScriptedHub
) -> None:
    process = await start(tmp_path, hub)
    stream = await hub.welcomed()
    stream.assign("r1", "interrupt")
    result = await stream.expect("result")
    assert (result.error.type, result.error.message) == ("KeyboardInterrupt", "by itself")
    stream.ack(result)
    process.send_signal(signal.SIGINT)
    await stream.expect("goodbye")
    stream.end()
    with anyio.fail_after(10):
        out, err = await process.communicate()
    assert (process.returncode, out) == (0, b"after\n"), err


async def test_a_second_signal_gives_back_what_runs(tmp_path: Path, hub: ScriptedHub) -> None:
    process = await start(tmp_path, hub)
    stream = await hub.welcomed()
    stream.assign("r1", "wait")
    await stream.expect("mail_ack")
    process.send_signal(signal.SIGINT)
    await stream.expect("draining")
    process.send_signal(signal.SIGINT)
    stream.ack(await stream.expect("give_back"))
    await stream.expect("goodbye")
    stream.end()
    with anyio.fail_after(10):
        await process.communicate()
    assert process.returncode == 0


async def test_a_worker_in_the_background_is_there_for_the_block(hub: ScriptedHub) -> None:
    worker = corral.Worker("w", hubs=hub.address)
    worker.workflow("noop")(lambda: None)
    seen: list[str] = []

    async def script() -> None:
        stream = await hub.welcomed()
        await stream.expect("goodbye")
        seen.extend(stream.seen)
        stream.end()

    async with anyio.create_task_group() as group:
        group.start_soon(script)
        async with worker:
            with pytest.raises(corral.CorralError, match="runs already"):
                await worker.run()
    assert seen == ["hello", "draining", "goodbye"]


HOLD = """
import ctypes, sys, time
import corral

worker = corral.Worker("w", hubs=sys.argv[1])

@worker.workflow
def hold(seconds: float) -> str:
    ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))
    return "held"

@worker.workflow(executor="process")
def forever(ctx) -> None:
    ctx.emit_event_sync("up")
    while True:
        time.sleep(1)

@worker.workflow(executor="process")
def elsewhere(n: int) -> int:
    return n + 1

worker.run_forever()
"""


async def test_a_thread_that_holds_the_gil_for_five_seconds_keeps_its_session(
    tmp_path: Path, hub: ScriptedHub
) -> None:
    process = await start(tmp_path, hub, HOLD)
    stream = await hub.welcomed()
    stream.assign("r1", "hold", b"5")
    stream.say(ping=worker_pb2.Ping(number=1))
    result = await stream.expect("result")
    assert result.output == b'"held"'
    stream.ack(result)
    await stream.expect("pong") if "pong" not in stream.seen else None
    process.send_signal(signal.SIGTERM)
    await stream.expect("goodbye")
    stream.end()
    with anyio.fail_after(10):
        await process.communicate()


async def test_a_script_without_a_guard_has_handlers_in_processes(
    tmp_path: Path, hub: ScriptedHub
) -> None:
    process = await start(tmp_path, hub, HOLD)
    stream = await hub.welcomed()
    stream.assign("r1", "elsewhere", b"1")
    result = await stream.expect("result")
    assert result.output == b"2", result
    stream.ack(result)
    process.send_signal(signal.SIGTERM)
    await stream.expect("goodbye")
    stream.end()
    with anyio.fail_after(10):
        await process.communicate()
    assert process.returncode == 0


async def test_a_second_signal_gives_back_what_runs_in_a_process(
    tmp_path: Path, hub: ScriptedHub
) -> None:
    process = await start(tmp_path, hub, HOLD)
    stream = await hub.welcomed()
    stream.assign("r1", "forever")
    stream.ack(await stream.expect("event"))
    process.send_signal(signal.SIGTERM)
    await stream.expect("draining")
    process.send_signal(signal.SIGTERM)
    stream.ack(await stream.expect("give_back"))
    await stream.expect("goodbye")
    stream.end()
    with anyio.fail_after(10):
        await process.communicate()
    assert process.returncode == 0


async def test_children_end_with_a_worker_that_is_killed(tmp_path: Path, hub: ScriptedHub) -> None:
    process = await start(tmp_path, hub, HOLD)
    stream = await hub.welcomed()
    stream.assign("r1", "forever")
    await stream.expect("event")
    process.kill()
    # The pipes of the worker end when its child, which has them too, is gone.
    with anyio.fail_after(10):
        await process.communicate()
