"""Stores that are wrong, away, full or read-only: what a hub says, and what goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from corral_hub.errors import Misconfigured, Unavailable
from corral_hub.hub import Hub
from corral_hub.main import EXIT_CONFIG, EXIT_UNAVAILABLE, run_hub
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from corral_store.connection import Connection
from corral_store.errors import StoreTooOld
from tests.hub.peers import Peer, Place, hello, numbers, place_of, refused, settings
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio


def test_a_store_that_is_away_at_the_start_ends_with_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("corral_hub.hub.START_SECONDS", 0.2)
    monkeypatch.setattr("corral_hub.logs.configure", lambda json: None)
    assert run_hub(settings(f"unix://{tmp_path}/nobody")) == EXIT_UNAVAILABLE
    said = capsys.readouterr().err
    assert f"no store answers at unix://{tmp_path}/nobody" in said
    assert "start Valkey, or correct --valkey" in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"listen": "0.0.0.0:0"}, "set CORRAL_TOKEN, --token-file or --access-file"),
        ({"listen": "example.com:7445"}, "can be reached from other machines"),
        ({"listen": "[::]:7445"}, "say --insecure"),
        ({"listen": "127.0.0.1"}, "has no port: write host:port"),
        ({"name": "a b"}, "name 'a b'"),
        ({"lease_ms": 100}, "500 to 600000"),
        ({"ping_ms": 5000}, "at most a third of lease_ms"),
        ({"ping_ms": 0}, "at least 50"),
        ({"grace_ms": -1}, "0 to 600000"),
        ({"max_payload_bytes": 4_000_000}, "below 4 MiB"),
        ({"durability": "replica:0"}, "memory, fsync or replica:N"),
        ({"durability": "best"}, "memory, fsync or replica:N"),
        ({"valkey": "http://127.0.0.1:6379"}, "is no address of a store"),
        ({"valkey": "redis://127.0.0.1:port"}, "valkey"),
    ],
)
def test_settings_that_cannot_be_end_with_2(
    given: dict[str, Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("corral_hub.logs.configure", lambda json: None)
    assert run_hub(settings(**{"valkey": "unix:///nobody", **given})) == EXIT_CONFIG
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("given", [{"insecure": True}, {"tokens": ("t",)}])
async def test_any_address_may_be_listened_on_by_wish_or_with_a_token(
    valkey: str, given: dict[str, Any]
) -> None:
    config = settings(valkey, listen="0.0.0.0:0", **given)
    async with Hub(config) as hub, Peer(f"127.0.0.1:{hub.address.rpartition(':')[2]}") as peer:
        if "tokens" in given:
            await refused(peer.submit(), "UNAUTHENTICATED")
        else:
            assert (await peer.submit()).run.run_id


async def test_an_address_that_is_taken_is_named(place: Place, valkey: str) -> None:
    async with place.unchanged():
        with pytest.raises(Misconfigured, match="the address is taken"):
            await Hub(settings(valkey, "b", listen=place.hub.address)).__aenter__()


@pytest.mark.parametrize(
    ("option", "value", "given", "said"),
    [
        ("appendfsync", "everysec", {}, r"CONFIG SET appendfsync always.*--durability memory"),
        ("maxmemory-policy", "allkeys-lru", {}, r"allkeys-lru.*set it to noeviction"),
        ("requirepass", "right", {"url": "?password=wrong"}, r"check user and password"),
        ("requirepass", "right", {}, r"check user and password"),
    ],
)
async def test_a_store_set_up_wrongly_is_refused_with_the_remedy(
    own_valkey: ValkeyServer, option: str, value: str, given: dict[str, str], said: str
) -> None:
    own_valkey.client().config_set(option, value)
    with pytest.raises(Misconfigured, match=said):
        await Hub(settings(own_valkey.url + given.get("url", ""))).__aenter__()


async def test_a_store_set_up_otherwise_is_well_where_its_level_allows(
    own_valkey: ValkeyServer,
) -> None:
    own_valkey.client().config_set("appendfsync", "everysec")
    own_valkey.client().config_set("requirepass", "right")
    async with place_of(settings(f"{own_valkey.url}?password=right", durability="memory")) as place:
        await place.prove_healthy()
        assert (await place.peer.submit()).durability == 1


@asynccontextmanager
async def old_server() -> AsyncIterator[str]:
    """Says it is Redis 6.2, as no such server can be had here."""
    info = b"# Server\r\nredis_version:6.2.0\r\nrun_id:x\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while header := await reader.readline():
            words: list[bytes] = []
            for _ in range(int(header[1:])):
                await reader.readline()
                words.append((await reader.readline()).strip())
            bulk = b"$%d\r\n%s\r\n" % (len(info), info)
            writer.write(bulk if words[0].upper() == b"INFO" else b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_a_server_without_functions_is_refused_by_its_version() -> None:
    async with old_server() as url:
        connection = Connection(url)
        with pytest.raises(StoreTooOld, match=r"redis 6\.2\.0.*Valkey 7\.2 or Redis 7\.0"):
            await connection.probe()
        await connection.close()
        with pytest.raises(Misconfigured, match=r"6\.2\.0"):
            await Hub(settings(url)).__aenter__()


async def test_a_store_that_goes_away_is_answered_in_time_and_comes_back(
    own_valkey: ValkeyServer,
) -> None:
    config = settings(own_valkey.url, unary_seconds=0.4)
    async with place_of(config) as place:
        run = (await place.peer.submit(workflow="nobody")).run.run_id
        own_valkey.kill()
        calls = place.peer.calls
        with anyio.fail_after(5):
            write, read = "outcome unknown: send the same call again", "0.4 s; ask again"
            for call, said in (
                (place.peer.submit(), write),
                (place.peer.describe(run), read),
                (calls.GetStats(pb.GetStatsRequest()), read),
                (calls.CancelWorkflow(pb.CancelWorkflowRequest(run_id=run)), write),
            ):
                detail = await refused(call, "UNAVAILABLE")
                assert (detail.name, detail.retryable) == ("Unavailable", True)
                assert said in detail.message
            stream = place.peer.stream()
            await stream.say(hello=hello())
            assert (await stream.rejected()).reason == wk.REJECT_REASON_UNAVAILABLE
        await asyncio.to_thread(own_valkey.restart)
        with anyio.fail_after(8):
            while (await place.peer.describe(run)).run_id != run:
                pass
            await place.prove_healthy()
        assert await place.check() == []


async def test_a_store_that_goes_away_is_logged_once_and_so_is_its_return(
    own_valkey: ValkeyServer,
) -> None:
    config = settings(own_valkey.url, unary_seconds=2)
    with capture_logs() as logs:

        def said(what: str) -> list[MutableMapping[str, Any]]:
            return [entry for entry in logs if entry["event"] == what]

        async with place_of(config) as place:
            own_valkey.kill()
            await refused(place.peer.submit(workflow="nobody"), "UNAVAILABLE")
            (lost,) = said("the store is away")
            await asyncio.to_thread(own_valkey.restart)
            with anyio.fail_after(8):
                while not said("the store is back"):
                    await place.peer.calls.GetStats(pb.GetStatsRequest())
            await place.prove_healthy()
        assert len(said("the store is away")) == 1
        (back,) = said("the store is back")
    assert lost["store"] == back["store"] == config.store_address
    assert back["away_s"] >= 1.5


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:secret@host:6379/0", "redis://host:6379/0"),
        ("redis://:sec/r?e@t@host:6379", "redis://host:6379"),
        ("redis://host:6379?password=sec@ret", "redis://host:6379"),
        ("unix://me:secret@/run/valkey.sock?db=0&password=secret", "unix:///run/valkey.sock"),
    ],
)
def test_the_address_of_a_store_is_shown_without_its_password(url: str, shown: str) -> None:
    assert settings(url).store_address == shown


async def test_a_full_store_refuses_submits_and_takes_results(own_valkey: ValkeyServer) -> None:
    async with place_of(settings(own_valkey.url, tick_ms=60_000)) as place:
        run = (await place.peer.submit()).run.run_id
        work = (await place.healthy.hear("assignment")).assignment
        own_valkey.client().config_set("maxmemory", "1mb")
        before = await place.facts()
        detail = await refused(place.peer.submit(), "RESOURCE_EXHAUSTED")
        assert (detail.name, detail.retryable) == ("StoreFull", True)
        assert "raise maxmemory" in detail.message
        stream = place.peer.stream()
        await stream.say(hello=hello())
        reject = await stream.rejected()
        assert reject.reason == wk.REJECT_REASON_UNAVAILABLE
        assert "memory limit" in reject.detail
        assert await place.facts() == before
        # A hub that comes to the full store takes results too.
        async with Hub(settings(own_valkey.url, "b")) as hub, Peer(hub.address) as other:
            assert (await other.describe(run)).run_id == run
            result = wk.Result(run_id=run, fence=work.fence, output=b"1", seq=next(numbers))
            await place.healthy.say(result=result)
            assert await place.healthy.verdicts() == ["OK"]
            assert (await other.describe(run)).output == b"1"
            assert await place.check() == []
        own_valkey.client().config_set("maxmemory", "0")
        await place.prove_healthy()


async def test_a_store_near_its_limit_refuses_submits_first(own_valkey: ValkeyServer) -> None:
    async with place_of(settings(own_valkey.url, soft_bytes=1000, tick_ms=50)) as place:
        with anyio.fail_after(5):
            while not (await place.peer.calls.GetStats(pb.GetStatsRequest())).full:
                pass
        before = await place.facts()
        detail = await refused(place.peer.submit(), "RESOURCE_EXHAUSTED")
        assert detail.name == "StoreFull"
        assert "takes no new runs" in detail.message
        assert await place.facts() == before


async def test_a_store_that_turns_read_only_says_where_to_go(own_valkey: ValkeyServer) -> None:
    async with place_of(settings(own_valkey.url, unary_seconds=0.5)) as place:
        before = await place.facts()
        own_valkey.client().execute_command("REPLICAOF", "127.0.0.1", "1")
        detail = await refused(place.peer.submit(), "UNAVAILABLE")
        assert (detail.name, detail.retryable) == ("Unavailable", True)
        assert "connect to the primary" in detail.message
        own_valkey.client().execute_command("REPLICAOF", "NO", "ONE")
        assert await place.facts() == before
        await place.prove_healthy()


async def test_a_replica_is_no_store_to_start_on(own_valkey: ValkeyServer) -> None:
    own_valkey.client().execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(Misconfigured, match="connect to the primary"):
        await Hub(settings(own_valkey.url)).__aenter__()


async def test_replicas_that_are_not_there_confirm_nothing(own_valkey: ValkeyServer) -> None:
    with pytest.raises(Unavailable, match=r"replicas 0 of 1.*outcome unknown"):
        await Hub(settings(own_valkey.url, durability="replica:1")).__aenter__()
