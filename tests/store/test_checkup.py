"""What the doctor makes of what a server says."""

from __future__ import annotations

from typing import Any

import pytest

from corral_store.checkup import JUDGES, Finding
from corral_store.facts import Facts
from corral_store.library import packaged

INFO = {
    "valkey_version": "9.1.0", "redis_version": "7.2.4", "role": "master", "connected_slaves": "1",
    "cluster_enabled": "0", "aof_enabled": "1", "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok", "maxmemory_policy": "noeviction", "evicted_keys": "0",
    "used_memory": "100", "maxmemory": "1000", "latest_fork_usec": "900", "aof_delayed_fsync": "0",
}  # fmt: skip
SETTINGS = {"appendonly": "yes", "appendfsync": "always", "timeout": "0"}


def judged(**changed: Any) -> dict[str, Finding]:
    """Findings by name about a server that is well but for what is said."""
    facts = Facts(
        0.1, INFO, SETTINGS, 3.0, [packaged().name], ["corral-hub:a:work", "corral-hub:a:leases"]
    )
    for name, value in changed.items():
        own = {"info": INFO, "settings": SETTINGS}.get(name)
        setattr(facts, name, own | value if own else value)
    return {finding.name: finding for finding in (judge(facts) for judge in JUDGES)}


def test_a_server_that_is_well_has_nothing_to_do() -> None:
    assert {finding.state for finding in judged().values()} == {"ok"}
    assert {finding.step for finding in judged().values()} == {""}
    assert judged()["hubs"].says == "1 connected: a"


@pytest.mark.parametrize(
    ("changed", "name", "state", "word"),
    [
        ({"ping_ms": 40.0}, "reachable", "warn", "40.00 ms"),
        ({"info": {"valkey_version": "7.1.9"}}, "version", "fail", "7.1.9"),
        ({"info": {"role": "slave"}}, "role", "fail", "replica"),
        ({"info": {"cluster_enabled": "1"}}, "role", "warn", "cluster"),
        ({"settings": {"appendonly": "no"}}, "persistence", "warn", "appendonly no"),
        ({"settings": {"appendfsync": "everysec"}}, "persistence", "warn", "everysec"),
        ({"info": {"aof_last_write_status": "err"}}, "persistence", "fail", "append-only"),
        ({"info": {"rdb_last_bgsave_status": "err"}}, "persistence", "fail", "snapshot"),
        ({"info": {"maxmemory_policy": "allkeys-lru"}}, "eviction", "fail", "allkeys-lru"),
        ({"info": {"evicted_keys": "7"}}, "eviction", "warn", "7 keys"),
        ({"info": {"maxmemory": "0"}}, "memory", "warn", "no maxmemory"),
        ({"info": {"used_memory": "800"}}, "memory", "warn", "80%"),
        ({"info": {"used_memory": "950"}}, "memory", "fail", "submits are refused"),
        ({"clock_off_ms": -2500.0}, "clock", "warn", "2500 ms behind"),
        ({"info": {"latest_fork_usec": "900000"}}, "latency", "warn", "900 ms"),
        ({"info": {"aof_delayed_fsync": "4"}}, "latency", "warn", "4 delayed"),
        ({"settings": {"timeout": "300"}}, "latency", "warn", "300 s"),
        ({"clients": ["redis-cli"]}, "hubs", "warn", "no hub"),
        ({"libraries": ["corral_0ld"]}, "library", "ok", "corral_0ld of other releases"),
    ],
)
def test_what_is_not_well_is_named_with_the_next_step(
    changed: dict[str, Any], name: str, state: str, word: str
) -> None:
    findings = judged(**changed)
    assert findings[name].state == state
    assert word in findings[name].says
    assert (findings[name].step != "") == (state != "ok")
    assert {f.state for f in findings.values() if f.name != name} == {"ok"}


def test_what_the_server_hides_is_unknown_with_the_reason() -> None:
    facts = Facts(hidden={"INFO": "NOPERM no INFO for you"})
    for finding in (judge(facts) for judge in JUDGES):
        assert finding.state == ("ok" if finding.name == "reachable" else "unknown")
        if finding.name in ("version", "memory"):
            assert "NOPERM no INFO for you" in finding.says
