"""The page of keys is complete: for the code that names keys, and for a store that was used."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
import redis

import corral
from corral_hub.config import HubConfig
from corral_hub.hub import Hub
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs/valkey-keys.md"
PREFIX = "corral:{default}:"

pytestmark = pytest.mark.anyio


def _documented() -> dict[str, str]:
    """Pattern of a key -> its type."""
    return dict(re.findall(r"^\| `([^`]+)` \| (\w+) \|", PAGE.read_text(), re.M))


def _type_of(key: str) -> str | None:
    for pattern, kind in _documented().items():
        if re.fullmatch(re.sub(r"<\w+>", ".+", pattern), key):
            return kind
    return None


def test_every_name_that_the_code_makes_is_on_the_page() -> None:
    lua = "\n".join(path.read_text() for path in sorted((ROOT / "lua").rglob("*.lua")))
    made = (ROOT / "lua/corral_lua/parts/keys.lua").read_text()
    heads = set(re.findall(r"(?:u\.root \.\.|known\(u,) '([a-z_]+):'", made)) - {"due"}
    names = set(re.findall(r"keys\.at\(u, '([a-z:_]+)'\)", lua))
    due = set(re.findall(r"keys\.due\(u, '([a-z_]+)'\)", lua))
    documented = _documented()
    assert heads == {pattern.split(":")[0] for pattern in documented if "<" in pattern} - {"due"}
    assert names == {pattern for pattern in documented if "<" not in pattern}
    line = PAGE.read_text().split("`due:<what>`")[1].splitlines()[0]
    assert due == set(re.findall(r"`(\w+)`", line))


def test_every_field_of_meta_is_on_the_page() -> None:
    parts = ROOT / "lua/corral_lua"
    read = re.findall(r"local META = {(.*?)}", (parts / "parts/unit.lua").read_text(), re.S)
    made = re.findall(
        r"'HSET', meta(.*?)\)\nend", (parts / "transitions/enter.lua").read_text(), re.S
    )
    fields = set(re.findall(r"'([a-z_]+)'", "".join(read + made)))
    for path in parts.rglob("*.lua"):
        fields |= set(re.findall(r"u\.meta\.(\w+)", path.read_text()))
    section = PAGE.read_text().split("### Fields of `meta`")[1]
    rows = re.findall(r"^\| (`.*?`) \| ", section, re.M)
    assert fields == set(re.findall(r"`(\w+)`", " ".join(rows)))


async def test_every_key_of_a_used_store_is_on_the_page(valkey: str, tmp_path: Path) -> None:
    worker = corral.Worker("w", admission=corral.VramBudget([8000, 8000]), tags={"zone": "a"})
    busy, done = asyncio.Event(), asyncio.Event()

    @worker.workflow("hold")
    async def hold(ctx: corral.Context) -> None:
        await ctx.emit_event("progress", 1)
        busy.set()
        await done.wait()

    @worker.workflow("fail")
    async def fail() -> None:
        raise corral.Fail("as asked")

    async with (
        Hub(HubConfig(name="h", listen="127.0.0.1:0", valkey=valkey)) as hub,
        corral.Client(hub.address) as client,
    ):
        worker.hubs = hub.address
        worker.resident("llama", vram_mb=1000)
        async with worker:
            held = await client.submit_workflow(hold, vram_mb=4000, required_tags=["zone=a"])
            failed = await client.submit_workflow(fail, vram_mb=1, idempotency_key="k")
            await client.submit_workflow("later", start_delay_ms=60_000, deadline_ms=90_000)
            await client.submit_workflow("unknown", fairness_key="tenant", priority=3)
            with pytest.raises(corral.RunFailed):
                await failed.result(timeout=30)
            await busy.wait()
            _check(valkey)
            done.set()
            await held.result(timeout=30)
        _check(valkey)


def _check(valkey: str) -> None:
    store = redis.Redis.from_url(valkey, protocol=2, decode_responses=True)
    keys = [str(key) for key in store.scan_iter()]
    assert len(keys) > 20
    for key in keys:
        if key == "corral:namespaces":
            assert store.type(key) == "set"
            continue
        assert key.startswith(PREFIX), key
        assert store.type(key) == _type_of(key.removeprefix(PREFIX)), key
    store.close()
