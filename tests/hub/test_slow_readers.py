"""Readers of the feed that are slower than its bound: they are told what is gone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import nullcontext

import pytest
import redis

from corral_hub.subscriptions import Gap, Quiet, Subscriptions
from corral_store import Store
from corral_store.digests import plain_class
from corral_store.records import NewRun

pytestmark = pytest.mark.anyio

FEED = "corral:{n}:feed"


def new_run(run: str) -> NewRun:
    class_id, class_json = plain_class("workflow:x", 0)
    return NewRun(run, "{}", "q", "workflow:x", "x", class_id, class_json)


async def test_a_subscriber_that_the_feed_has_overtaken_is_told(valkey: str) -> None:
    client = redis.Redis.from_url(valkey, protocol=2)
    async with Store(valkey, "a") as store:
        t = store.namespace("n")
        await t.submit([new_run("r0")])
        stream = Subscriptions(60_000, lambda _: nullcontext()).all(t, "")
        assert isinstance(stream, AsyncGenerator)
        assert isinstance(await anext(stream), Quiet)
        for i in range(1, 4):
            await t.submit([new_run(f"r{i}")])
        client.xtrim(FEED, maxlen=1, approximate=False)
        gap = await anext(stream)
        assert isinstance(gap, Gap)
        assert gap.reason == "trimmed"
        found = await anext(stream)
        assert isinstance(found, tuple)
        assert found[0].run == "r3"
        await stream.aclose()
