"""A worker process whose handlers ask, wait, keep and remember, and note what they did.

Run as `python -m tests.fleet.asking_worker HUBS NAME ROOM NOTES`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import msgspec

import corral

worker = corral.Worker()


class Decision(msgspec.Struct):
    ok: bool
    by: str = "somebody"


def note(ctx: corral.Context, what: str) -> None:
    with Path(os.environ["CORRAL_TEST_NOTES"]).open("a") as notes:
        notes.write(f"{ctx.run_id} {what}\n")


@worker.workflow
async def approve(ctx: corral.Context, terms: dict[str, Any]) -> dict[str, Any]:
    """Asks for a decision on the terms that the run names."""
    note(ctx, "begins")
    try:
        decision = await ctx.request_input("Ship it?", schema=Decision, key="ship", **terms)
    finally:
        note(ctx, "leaves")
    return {"ok": decision.ok, "by": decision.by, "attempt": ctx.attempt}


@worker.workflow
def approve_in_thread(ctx: corral.Context, terms: dict[str, Any]) -> dict[str, Any]:
    note(ctx, "begins")
    try:
        decision = ctx.request_input_sync("Ship it?", schema=Decision, key="ship", **terms)
    finally:
        note(ctx, "leaves")
    return {"ok": decision.ok, "by": decision.by, "attempt": ctx.attempt}


@worker.workflow(executor="process")
def approve_in_process(ctx: corral.Context, terms: dict[str, Any]) -> dict[str, Any]:
    note(ctx, "begins")
    try:
        charged = ctx.step_sync("charge", charge, ctx)
        decision = ctx.request_input_sync("Ship it?", schema=Decision, key="ship", **terms)
    finally:
        note(ctx, "leaves")
    ctx.checkpoint_sync({"charged": charged})
    return {"ok": decision.ok, "charged": ctx.last_checkpoint()["charged"]}


@worker.workflow
async def two_questions(ctx: corral.Context, terms: dict[str, Any]) -> list[Any]:
    note(ctx, "begins")
    first = await ctx.request_input("First?", **terms)
    second = await ctx.request_input("Second?", **terms)
    return [first, second]


@worker.workflow
async def timely(ctx: corral.Context, terms: dict[str, Any]) -> str:
    try:
        return await ctx.request_input("Quick?", key="quick", **terms)
    except corral.InputTimedOut:
        note(ctx, "timed out")
    return await ctx.request_input("Slow?", schema=str, key="slow")


def charge(ctx: corral.Context) -> str:
    note(ctx, "charges")
    return f"receipt of {ctx.run_id}"


async def announce(ctx: corral.Context, receipt: str) -> int:
    note(ctx, "announces")
    return len(receipt)


@worker.workflow
async def order(ctx: corral.Context) -> dict[str, Any]:
    """Two steps, a question between them and the end."""
    receipt = await ctx.step("charge", charge, ctx)
    length = await ctx.step("announce", announce, ctx, receipt)
    note(ctx, "waits")
    await ctx.request_input("Done?", key="done")
    return {"receipt": receipt, "length": length, "attempt": ctx.attempt}


def stand_still(ctx: corral.Context) -> None:
    """Stops all of the worker here and now in the first attempt, as a suspended machine does."""
    if ctx.attempt > 1:
        return
    note(ctx, f"stands still {os.getpid()}")
    if sys.argv[0].endswith("child.py"):
        os.kill(os.getppid(), signal.SIGSTOP)
    # This very thread: the process must not get any further.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


@worker.workflow
async def pay(ctx: corral.Context) -> int:
    """Stands still between two steps."""
    try:
        receipt = await ctx.step("charge", charge, ctx)
        stand_still(ctx)
        return await ctx.step("announce", announce, ctx, receipt)
    finally:
        note(ctx, "leaves")


@worker.workflow
async def pay_in_step(ctx: corral.Context) -> str:
    """The same, and the later step is a plain function, which is called in a thread."""
    try:
        await ctx.step("nothing", str)
        stand_still(ctx)
        return await ctx.step("charge", charge, ctx)
    finally:
        note(ctx, "leaves")


def pay_by_hand(ctx: corral.Context) -> str:
    try:
        ctx.step_sync("nothing", str)
        stand_still(ctx)
        return ctx.step_sync("charge", charge, ctx)
    finally:
        note(ctx, "leaves")


@worker.workflow
def pay_in_thread(ctx: corral.Context) -> str:
    return pay_by_hand(ctx)


@worker.workflow(executor="process")
def pay_in_process(ctx: corral.Context) -> str:
    return pay_by_hand(ctx)


@worker.workflow
def count(ctx: corral.Context) -> dict[str, Any]:
    """Counts to five and keeps where it is; the first attempt waits at three."""
    began_at = ctx.last_checkpoint(0, int)
    for n in range(began_at + 1, 6):
        note(ctx, f"counts {n}")
        ctx.checkpoint_sync(n)
        if n == 3 and began_at == 0:
            note(ctx, "waits")
            if ctx.wait_cancelled_sync(60):
                raise corral.Retry(ctx.cancel_reason)
    return {"began_at": began_at}


@worker.workflow
async def fill(ctx: corral.Context, sizes: list[int]) -> list[str]:
    """Keeps results of these sizes, and says what became of each."""
    said: list[str] = []
    for number, size in enumerate(sizes):
        try:
            await ctx.step(f"fill-{number}", str.__mul__, "x", size)
            said.append("kept")
        except corral.CorralError as error:
            said.append(type(error).__name__)
    return said


@worker.workflow
async def ask_much(ctx: corral.Context, count: int) -> str:
    """Asks so many questions at once, and says how the first refusal is called."""
    try:
        async with anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(ctx.request_input, "And now?")
    except BaseExceptionGroup as errors:
        return type(errors.exceptions[0]).__name__
    return "none"


@worker.workflow
async def nap(ctx: corral.Context, seconds: float) -> str:
    await anyio.sleep(seconds)
    return "rested"


if __name__ == "__main__":
    # Children that execute handlers find it there too.
    os.environ["CORRAL_TEST_NOTES"] = sys.argv[4]
    worker.hubs = sys.argv[1].split(",")
    worker.worker_id = sys.argv[2]
    worker.admission = corral.Fixed(int(sys.argv[3]))
    worker.backoff = corral.Backoff(initial_ms=50, maximum_ms=300)
    worker.run_forever()
