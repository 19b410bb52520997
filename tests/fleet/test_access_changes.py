"""What changes while hubs serve: tokens, certificates, and the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

import corral
from tests.fleet.guarded import Guarded, entries
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def guarded(own_valkey: ValkeyServer, tmp_path: Path) -> AsyncIterator[Guarded]:
    guarded = Guarded(own_valkey.url, tmp_path)
    for name, namespace, *roles in (
        ("a-worker", "team-a", "worker"),
        ("a-caller", "team-a", "orchestrator"),
        ("a-admin", "team-a", "admin"),
    ):
        guarded.token(name, namespace, *roles)
    try:
        yield guarded
    finally:
        await guarded.close()


async def test_a_token_that_is_taken_away_ends_what_it_has_open(guarded: Guarded) -> None:
    guarded.both()
    client = await guarded.client("a-caller")
    running = asyncio.create_task(guarded.worker("w", "a-worker").run())

    async def joined() -> bool:
        return bool(await client.list_workers())

    await guarded.until(joined)
    run = await client.submit_workflow("nobody-offers-this")

    async def follow_for_ever() -> None:
        async for _ in run.events():
            pass

    following = asyncio.create_task(follow_for_ever())
    kept = [
        one for one in entries(guarded.access) if "a-worker" not in one and "a-caller" not in one
    ]
    guarded.access.write_text("".join(kept))
    with pytest.raises(corral.Unauthenticated):
        await asyncio.wait_for(running, 20)
    with pytest.raises(corral.Unauthenticated):
        await asyncio.wait_for(following, 20)
    with pytest.raises(corral.Unauthenticated):
        await client.stats()


async def test_two_tokens_of_a_name_are_good_until_one_is_taken_away(guarded: Guarded) -> None:
    guarded.both()
    old = guarded.tokens["a-caller"]
    guarded.token("a-caller", "team-a", "orchestrator")
    before, after = await guarded.client(old), await guarded.client("a-caller")

    async def known(client: corral.Client) -> bool:
        try:
            await client.stats()
        except corral.Unauthenticated:
            return False
        return True

    await guarded.until(lambda: known(after))
    assert await known(before)
    first = next(one for one in entries(guarded.access) if "a-caller" in one)
    guarded.access.write_text(guarded.access.read_text().replace(first, "", 1))

    async def gone() -> bool:
        return not await known(before)

    await guarded.until(gone)
    assert await known(after)


async def test_a_certificate_says_who_one_is(guarded: Guarded) -> None:
    guarded.access.write_text(
        '[[certificate]]\nname = "gpu-7.example"\nnamespace = "team-a"\nroles = ["worker"]\n'
        '[[certificate]]\nname = "ci.example"\nnamespace = "team-a"\nroles = ["orchestrator"]\n'
    )
    guarded.both("--tls-client-ca", guarded.path("ca.pem"))
    async with guarded.worker("w", tls=guarded.tls("gpu-7.example")) as worker:
        client = await guarded.client(tls=guarded.tls("ci.example"))
        assert await (await client.submit_workflow("echo", 7)).result(timeout=20) == 7
        worker.stop()
    stranger = await guarded.client(tls=guarded.tls("stranger.example"))
    with pytest.raises(corral.Unauthenticated):
        await stranger.stats()
    with pytest.raises(corral.PermissionDenied):
        await guarded.worker("w", tls=guarded.tls("ci.example")).run()


async def test_a_renewed_certificate_is_served_without_a_restart(guarded: Guarded) -> None:
    guarded.both()
    renewed = trustme.CA()
    trusting = corral.Tls(ca=renewed.cert_pem.bytes())
    stranger = await guarded.client("a-caller", tls=trusting, timeout=2.0)
    with pytest.raises((corral.NoHub, corral.Unavailable)):
        await stranger.stats()
    server = renewed.issue_cert("localhost", "127.0.0.1")
    server.private_key_pem.write_to_path(guarded.path("hub.key"))
    server.cert_chain_pems[0].write_to_path(guarded.path("hub.pem"))
    client = await guarded.client("a-caller", tls=trusting)
    assert (await client.stats()).sessions == 0


async def test_a_token_ends_at_its_time(guarded: Guarded) -> None:
    guarded.token("brief", "team-a", "orchestrator")
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6))
    guarded.access.write_text(guarded.access.read_text().rstrip() + f"\nexpires = {ends}\n")
    guarded.both()
    client = await guarded.client("brief")
    run = await client.submit_workflow("nobody-offers-this")

    async def follow_for_ever() -> None:
        async for _ in run.events():
            pass

    with pytest.raises(corral.Unauthenticated, match="expired"):
        await asyncio.wait_for(follow_for_ever(), 20)
