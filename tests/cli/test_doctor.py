"""`corral doctor` on servers that are well, that are not, and that hide what they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis

import corral
from corral.cli.exits import Exit
from corral_hub.config import HubConfig
from corral_hub.hub import Hub
from corral_store import checkup
from tests.cli.conftest import Cli
from tests.cli.processes import Up
from tests.servers import ValkeyServer

BROKEN = "corral:{default}:queue:workflow:later"


@pytest.fixture
def store(own_valkey: ValkeyServer) -> Iterator[redis.Redis]:
    """A store in which a run waits; its server may be changed."""

    async def submit() -> None:
        config = HubConfig(name="a", listen="127.0.0.1:0", valkey=own_valkey.url)
        async with Hub(config) as hub, corral.Client(hub.address) as client:
            await client.submit_workflow("later", run_id="r1")

    asyncio.run(submit())
    with own_valkey.client() as client:
        client.config_set("maxmemory", 10**9)
        yield client


def _checks(cli: Cli, url: str, *more: str, code: int = Exit.OK) -> dict[str, dict[str, str]]:
    answer = cli("doctor", "--valkey", url, "--json", *more)
    assert answer.code == code, answer.out + answer.err
    return {check["name"]: check for check in answer.json["checks"]}


def test_a_newcomer_finds_the_valkey_of_corral_up_well(up: Up, bare: Cli) -> None:
    answer = bare("doctor", "--data", str(up.data))
    assert answer.code == Exit.OK, answer.out
    states = {line.split("\t")[1]: line.split("\t")[0] for line in answer.out.splitlines()}
    assert set(states.values()) == {"ok"}
    assert "namespace default" in states
    assert "hubs\t1 connected: up" in answer.out


def test_a_server_that_evicts_fails(
    store: redis.Redis, own_valkey: ValkeyServer, bare: Cli
) -> None:
    store.config_set("maxmemory-policy", "allkeys-lru")
    checks = _checks(bare, own_valkey.url, code=Exit.RUN_ENDED_BADLY)
    assert checks["eviction"]["state"] == "fail"
    assert "noeviction" in checks["eviction"]["step"]


def test_warnings_are_no_failure(store: redis.Redis, own_valkey: ValkeyServer, bare: Cli) -> None:
    store.config_set("appendfsync", "everysec")
    checks = _checks(bare, own_valkey.url)
    assert checks["persistence"]["state"] == "warn"
    assert checks["hubs"]["state"] == "warn", "the hub of the fixture has ended"


def test_what_is_broken_is_named_and_repaired(
    store: redis.Redis, own_valkey: ValkeyServer, bare: Cli
) -> None:
    store.delete(BROKEN)
    check = _checks(bare, own_valkey.url, code=Exit.RUN_ENDED_BADLY)["namespace default"]
    assert check["state"] == "fail"
    assert "queue_counts_the_line" in check["says"]
    assert check["step"] == "corral doctor --repair --namespace default"
    answer = bare(*check["step"].split()[1:], "--valkey", own_valkey.url)
    assert answer.code == Exit.OK, answer.out
    assert answer.out.startswith("repaired: 1 runs (1 live)")
    assert store.exists(BROKEN)
    assert _checks(bare, own_valkey.url)["namespace default"]["state"] == "ok"


def test_a_namespace_that_lost_its_meta_is_repaired(
    store: redis.Redis, own_valkey: ValkeyServer, bare: Cli
) -> None:
    store.delete("corral:{default}:meta", "corral:namespaces")
    named = ("--namespace", "default")
    check = _checks(bare, own_valkey.url, *named, code=Exit.RUN_ENDED_BADLY)["namespace default"]
    assert check["says"] == "its meta is lost"
    assert _checks(bare, own_valkey.url, *named, "--repair")["namespace default"]["state"] == "ok"
    assert store.smembers("corral:namespaces") == {b"default"}


def test_a_namespace_that_is_not_there_is_not_made(
    store: redis.Redis, own_valkey: ValkeyServer, bare: Cli
) -> None:
    answer = bare("doctor", "--valkey", own_valkey.url, "--namespace", "typo", "--repair")
    assert answer.code == Exit.REFUSED
    assert "there is no namespace 'typo'" in answer.err
    assert store.keys("corral:{typo}:*") == []


def test_what_a_user_may_not_see_is_unknown(
    store: redis.Redis, own_valkey: ValkeyServer, bare: Cli
) -> None:
    store.execute_command("ACL", "SETUSER", "blind", "on", ">secret", "+ping")
    url = own_valkey.url.replace("unix://", "unix://blind:secret@")
    checks = _checks(bare, url)
    assert checks.pop("reachable")["state"] == "ok"
    assert {check["state"] for check in checks.values()} == {"unknown"}
    assert "no permissions to run the 'info' command" in checks["version"]["says"]
    assert "no permissions to run the 'smembers' command" in checks["namespaces"]["says"]


def test_a_large_namespace_is_walked_only_when_it_is_named(
    store: redis.Redis, own_valkey: ValkeyServer, bare: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "CHECKED_UNASKED", 0)
    check = _checks(bare, own_valkey.url)["namespace default"]
    assert check["state"] == "unknown"
    assert check["step"] == "in a quiet moment: corral doctor --namespace default"
    named = _checks(bare, own_valkey.url, "--namespace", "default")
    assert named["namespace default"]["state"] == "ok"


def test_a_server_that_is_not_there_is_said_so(bare: Cli) -> None:
    checks = _checks(bare, "redis://127.0.0.1:1", code=Exit.UNAVAILABLE)
    assert checks["not reached"]["state"] == "fail"


def test_a_wrong_password_is_said_so(
    store: redis.Redis, own_valkey: ValkeyServer, bare: Cli
) -> None:
    url = own_valkey.url.replace("unix://", "unix://nobody:wrong@")
    checks = _checks(bare, url, code=Exit.UNAVAILABLE)
    assert "lets nobody in" in checks["not reached"]["says"]
    assert "password" in checks["not reached"]["step"]
    assert "wrong" not in bare("doctor", "--valkey", url, "--json").out


def test_a_repair_names_its_namespace(bare: Cli) -> None:
    answer = bare("doctor", "--repair")
    assert answer.code == Exit.USAGE
    assert "--namespace" in answer.err
