"""docs/operating.md: its commands run, its user is enough and not more, its limits are read."""

from __future__ import annotations

import asyncio
import itertools
import re
import shlex
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

import corral
from corral.cli.valkey import ask
from corral_hub.limits import Limits, LimitsOf
from tests.cli.conftest import invoke
from tests.cli.processes import Up
from tests.docs.blocks import ROOT, blocks, commands
from tests.processes import HubProcess
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio

PAGE = ROOT / "docs/operating.md"
# What hubs send beside what functions call, each for the reason behind it.
OWN = {
    "fcall", "function|load", "client|setname", "client|setinfo", "subscribe", "wait", "waitaof",
    "config|get",
}  # fmt: skip
SHORT = {"lease_ms": 3000, "grace_ms": 2500, "ping_ms": 300, "stop_seconds": 4.0}


def _lines() -> list[list[str]]:
    """The valkey-cli lines of the page, as the words behind the program's name."""
    text = "".join(blocks(PAGE, "sh")).replace("\\\n", " ")
    found = [shlex.split(line) for line in text.splitlines()]
    assert found
    assert all(words[0] == "valkey-cli" for words in found)
    return [words[1:] for words in found]


def _user() -> list[str]:
    (line,) = [words for words in _lines() if words[:2] == ["ACL", "SETUSER"]]
    return line


@pytest.fixture
def acl_valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    (tmp_path / "users.acl").write_text("user default on nopass ~* &* +@all\n")
    server = ValkeyServer("--aclfile", str(tmp_path / "users.acl")).start()
    yield server
    server.stop()


def test_the_user_of_the_page_may_do_what_hubs_do_and_nothing_else() -> None:
    lua = "".join(path.read_text() for path in sorted((ROOT / "lua").rglob("*.lua")))
    called = {name.lower() for name in re.findall(r"(?:call|pcall_redis)\('([A-Z]+)'", lua)}
    # `prune` of relining.lua is handed these.
    assert {"srem", "zrem"} <= called
    allowed = {word[1:] for word in _user() if word.startswith("+")}
    assert allowed == called | OWN


async def test_hubs_workers_and_subscribers_live_with_the_user_of_the_page(
    acl_valkey: ValkeyServer, tmp_path: Path
) -> None:
    admin = acl_valkey.client()
    name, password = _user()[2], next(w[1:] for w in _user() if w.startswith(">"))
    for words in _lines():
        if words[0] == "ACL":
            assert admin.execute_command(*words) in (b"OK", True)
    url = acl_valkey.url.replace("unix://", f"unix://{name}:{password}@")
    hubs = [HubProcess(h, url, tmp_path / f"{h}.log", SHORT).start() for h in ("a", "b")]
    addresses = [hub.address for hub in hubs]
    worker = corral.Worker("w", hubs=addresses, admission=corral.Fixed(4))
    going = asyncio.Event()

    @worker.workflow("talk")
    async def talk(ctx: corral.Context, input: dict[str, Any]) -> str:
        await ctx.emit_event("began", 1)
        await going.wait()
        return str(await ctx.request_input("Go on?"))

    try:
        async with AsyncExitStack() as stack, asyncio.timeout(90):
            await stack.enter_async_context(worker)
            client = await stack.enter_async_context(corral.Client(addresses))
            run = await client.submit_workflow(talk, {}, idempotency_key="k", deadline_ms=80_000)
            await client.submit_workflow("waits", priority=3, fairness_key="x", run_id="other")
            await client.submit_workflow("later", start_delay_ms=60_000)
            seen: list[str] = []

            async def follow() -> None:
                async for event in run.events():
                    seen.append(event.type)

            following = asyncio.create_task(follow())
            hubs[0].kill()
            hubs[0].start()
            going.set()
            for pause in itertools.repeat(0.05):
                if questions := await run.inputs():
                    break
                await asyncio.sleep(pause)
            acl_valkey.kill()
            acl_valkey.restart()
            hubs[1].kill()
            hubs[1].start()
            await client.respond(run.run_id, questions[0].request_id, "yes")
            assert await run.result(timeout=60) == "yes"
            await following
            assert seen[0] == "status.pending"
            assert seen[-1] == "status.completed"
            assert {"began", "input.request", "input.answered"} <= set(seen)
            await client.explain("other")
            await client.queues()
            await client.pause("workflow:waits")
            await client.resume("workflow:waits")
            await client.cancel_workflow("other")
            await client.retry_runs(["other"])
            await client.drain_worker("w")
            await client.stats()
        refused = [entry["object"] for entry in acl_valkey.client().acl_log()]
        assert refused == []
    finally:
        for hub in hubs:
            hub.stop()


async def _busy() -> None:
    await asyncio.Event().wait()


async def test_the_page_reads_the_store_as_it_is(valkey: str, tmp_path: Path) -> None:
    hub = HubProcess("a", valkey, tmp_path / "hub.log", SHORT).start()
    worker = corral.Worker("w", hubs=hub.address)
    worker.workflow("summarize")(_busy)
    try:
        async with corral.Client(hub.address) as client, worker:
            for run in ("doc-16", "doc-17"):
                await client.submit_workflow("summarize", {}, run_id=run)
            await client.cancel_workflow("doc-16")
            await client.submit_workflow("summarize", {}, run_id="doc-18")
            for words in _lines():
                if words[0] == "ACL":
                    continue
                reply = await asyncio.to_thread(ask, valkey, words)
                assert not isinstance(reply, redis.ResponseError), (words, reply)
                assert reply, f"nothing to see: {words}"
            worker.stop(immediate=True)
    finally:
        hub.stop()


def test_the_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Up(tmp_path / ".corral") as up:
        monkeypatch.setenv("CORRAL_HUB", up.address)
        found = commands(PAGE)
        assert len(found) >= 6
        for command in found:
            program, *words = shlex.split(command.text)
            assert program == "corral"
            answer = invoke(*words)
            assert answer.code == 0, f"{command.text}: {answer.out}{answer.err}"
        assert up.end() == 0, up.output


def test_the_limits_of_the_page_are_read(tmp_path: Path) -> None:
    (text,) = blocks(PAGE, "toml")
    file = tmp_path / "limits.toml"
    file.write_text(text)
    limits = LimitsOf(Limits(), file)
    limits.load()
    assert limits.of("team-a") == Limits(100_000, 65_536, 50, 200)
    assert limits.of("other") == Limits(100_000)


def test_the_limits_that_are_on_are_those_of_the_page() -> None:
    text = PAGE.read_text()
    assert f"| runs that wait for one kind | {Limits().max_waiting:,} |" in text
