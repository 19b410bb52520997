"""Judges a Valkey and the namespaces in it for an operator: ok, warn, fail or unknown.

Each finding says what is, and what to do when that is not well. Changes nothing but for the
function library, which a check of invariants loads as every hub does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from corral_store.connection import Call, Connection, explain, root_of
from corral_store.errors import StoreError, StoreRefused
from corral_store.facts import Facts, gather
from corral_store.library import packaged
from corral_store.repair import HUB
from corral_store.transitions import text

LEAST = {"valkey": (7, 2), "redis": (7, 0)}
CLOCK_MS = 1000
SLOW_PING_MS = 5.0
SLOW_FORK_US = 500_000
FULL, NEARLY_FULL = 0.9, 0.75
# A check walks all that a namespace has, in one call, at about this pace.
CHECKED_UNASKED = 50_000
CHECKED_PER_SECOND = 25_000
SHOWN = 5
# Name of the only finding about a server that cannot be asked.
UNREACHED = "not reached"


@dataclass(slots=True, frozen=True)
class Finding:
    """One check. `state`: ok, warn, fail or unknown; `step`: what to do, "" when nothing."""

    name: str
    state: str
    says: str
    step: str = ""


async def checkup(connection: Connection, namespace: str | None = None) -> list[Finding]:
    """Checks the server, then one namespace or all. When nothing can be asked, that is the
    only finding."""
    try:
        facts = await gather(connection)
    except StoreRefused as error:
        says = f"lets nobody in: {error.__cause__ or error}"
        return [Finding(UNREACHED, "fail", says, "correct user and password in the address")]
    except StoreError as error:
        says = f"does not answer: {error.__cause__ or error}"
        return [Finding(UNREACHED, "fail", says, "start it, or correct the address")]
    findings = [judge(facts) for judge in JUDGES]
    return findings + await _namespaces(connection, namespace)


def hidden(name: str, facts: Facts, command: str) -> Finding:
    """What cannot be known."""
    why = facts.hidden.get(command, "the server does not say it")
    return Finding(name, "unknown", f"{command} tells nothing: {why}", "look where it is managed")


def _reachable(facts: Facts) -> Finding:
    says = f"answers in {facts.ping_ms:.2f} ms"
    if facts.ping_ms > SLOW_PING_MS:
        return Finding("reachable", "warn", says, "run the hubs near the store: each call waits")
    return Finding("reachable", "ok", says)


def _version(facts: Facts) -> Finding:
    server = "valkey" if "valkey_version" in facts.info else "redis"
    version = facts.info.get("valkey_version") or facts.info.get("redis_version")
    if version is None:
        return hidden("version", facts, "INFO")
    says = f"{server.capitalize()} {version}"
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < LEAST[server]:
        return Finding("version", "fail", says, "install Valkey 7.2 or Redis 7.0, or later ones")
    return Finding("version", "ok", says)


def _role(facts: Facts) -> Finding:
    role = facts.info.get("role")
    if role is None:
        return hidden("role", facts, "INFO")
    if role != "master":
        return Finding("role", "fail", "a replica, which takes no writes", "name the primary")
    replicas = facts.info.get("connected_slaves", "0")
    says = f"primary, {replicas} replica{'' if replicas == '1' else 's'}"
    if facts.info.get("cluster_enabled") == "1":
        return Finding(
            "role", "warn", f"{says}, in a cluster",
            "hubs reach the namespaces of the node that they are pointed to, and no others",
        )  # fmt: skip
    return Finding("role", "ok", says)


def _persistence(facts: Facts) -> Finding:
    enabled = facts.info.get("aof_enabled")
    appendonly = facts.settings.get("appendonly") or {"1": "yes", "0": "no"}.get(enabled or "")
    if appendonly is None:
        return hidden("persistence", facts, "INFO")
    for name, what in (
        ("aof_last_write_status", "the last write of the append-only file"),
        ("aof_last_bgrewrite_status", "the last rewrite of the append-only file"),
        ("rdb_last_bgsave_status", "the last snapshot"),
    ):
        if facts.info.get(name, "ok") != "ok":
            return Finding("persistence", "fail", f"{what} failed", "see its log, and its disk")
    fsync = facts.settings.get("appendfsync")
    says = f"appendonly {appendonly}, appendfsync {fsync or 'not told'}"
    if appendonly != "yes" or fsync not in ("always", None):
        step = (
            "CONFIG SET appendonly yes, appendfsync always, or start hubs with another --durability"
        )
        return Finding("persistence", "warn", says, step)
    if fsync is None:
        return Finding("persistence", "unknown", says, "look where it is managed")
    return Finding("persistence", "ok", says)


def _eviction(facts: Facts) -> Finding:
    policy = facts.info.get("maxmemory_policy") or facts.settings.get("maxmemory-policy")
    if policy is None:
        return hidden("eviction", facts, "INFO")
    evicted = int(facts.info.get("evicted_keys", "0"))
    if policy != "noeviction":
        says = f"maxmemory-policy {policy}: the server throws runs away, and hubs do not start"
        return Finding("eviction", "fail", says, "CONFIG SET maxmemory-policy noeviction")
    if evicted:
        says = f"noeviction now, but {evicted} keys were evicted since it started"
        return Finding("eviction", "warn", says, "repair each namespace: corral doctor --repair")
    return Finding("eviction", "ok", "noeviction")


def _memory(facts: Facts) -> Finding:
    used = facts.info.get("used_memory")
    limit = facts.info.get("maxmemory") or facts.settings.get("maxmemory")
    if used is None or limit is None:
        return hidden("memory", facts, "INFO")
    megabytes = int(used) / 2**20
    if int(limit) == 0:
        says = f"{megabytes:.0f} MB used, no maxmemory"
        return Finding("memory", "warn", says, "CONFIG SET maxmemory to what the machine can spare")
    share = int(used) / int(limit)
    says = f"{megabytes:.0f} MB used, {share:.0%} of maxmemory"
    step = "raise maxmemory, or keep ended runs for a shorter time (retention_ms)"
    if share >= FULL:
        return Finding("memory", "fail", f"{says}: submits are refused", step)
    return Finding(
        "memory",
        "warn" if share >= NEARLY_FULL else "ok",
        says,
        step if share >= NEARLY_FULL else "",
    )


def _clock(facts: Facts) -> Finding:
    if facts.clock_off_ms is None:
        return hidden("clock", facts, "TIME")
    off = facts.clock_off_ms
    says = f"{abs(off):.0f} ms {'ahead of' if off > 0 else 'behind'} this machine's"
    if abs(off) > CLOCK_MS:
        return Finding("clock", "warn", says, "set both by NTP: times of runs are the store's")
    return Finding("clock", "ok", says)


def _latency(facts: Facts) -> Finding:
    fork, delayed = facts.info.get("latest_fork_usec"), facts.info.get("aof_delayed_fsync", "0")
    if fork is None:
        return hidden("latency", facts, "INFO")
    says = f"last fork {int(fork) / 1000:.0f} ms, {delayed} delayed fsyncs"
    idle = facts.settings.get("timeout", "0")
    if idle != "0":
        return Finding(
            "latency",
            "warn",
            f"cuts connections that are idle for {idle} s",
            "CONFIG SET timeout 0",
        )
    if int(fork) > SLOW_FORK_US:
        return Finding(
            "latency",
            "warn",
            says,
            "give it a machine with more memory to spare, without huge pages",
        )
    if int(delayed):
        return Finding(
            "latency", "warn", says, "the disk is slow: give the append-only file its own"
        )
    return Finding("latency", "ok", says)


def _library(facts: Facts) -> Finding:
    if facts.libraries is None:
        return hidden("library", facts, "FUNCTION")
    own = packaged().name
    others = [name for name in facts.libraries if name != own]
    said = f", beside {', '.join(others)} of other releases" if others else ""
    if own not in facts.libraries:
        return Finding("library", "ok", f"{own} is loaded by the first hub of this release{said}")
    return Finding("library", "ok", f"{own}{said}")


def _hubs(facts: Facts) -> Finding:
    if facts.clients is None:
        return hidden("hubs", facts, "CLIENT")
    names = Counter(name.split(":")[1] for name in facts.clients if name.startswith("corral-hub:"))
    if not names:
        return Finding("hubs", "warn", "no hub is connected", "start one: corral hub --valkey URL")
    return Finding("hubs", "ok", f"{len(names)} connected: {', '.join(sorted(names))}")


JUDGES: Sequence[Callable[[Facts], Finding]] = (
    _reachable, _version, _role, _persistence, _eviction, _memory, _clock, _latency, _library,
    _hubs,
)  # fmt: skip


async def _namespaces(connection: Connection, namespace: str | None) -> list[Finding]:
    try:
        there = sorted(text(n) for n in await connection.command("SMEMBERS", "corral:namespaces"))
        if namespace is not None:
            return [await check_namespace(connection, namespace)]
        if not there:
            return [Finding("namespaces", "ok", "none yet; the first hub makes one")]
        found: list[Finding] = []
        for name in there:
            runs = int(await connection.command("ZCARD", f"{root_of(name)}runs"))
            if runs > CHECKED_UNASKED:
                seconds = runs / CHECKED_PER_SECOND
                says = f"{runs} runs: a check holds the server up for about {seconds:.0f} s"
                step = f"in a quiet moment: corral doctor --namespace {name}"
                found.append(Finding(f"namespace {name}", "unknown", says, step))
            else:
                found.append(await check_namespace(connection, name))
        return found
    except StoreError as error:
        why = str(error.__cause__ or error)
        return [Finding("namespaces", "unknown", f"cannot be read: {why}", "see the user's ACL")]


async def check_namespace(connection: Connection, namespace: str) -> Finding:
    """Format and invariants of one namespace."""
    name, root = f"namespace {namespace}", root_of(namespace)
    if not await connection.command("EXISTS", f"{root}meta"):
        runs = int(await connection.command("EXISTS", f"{root}runs", f"{root}totals"))
        if not runs:
            known = sorted(map(text, await connection.command("SMEMBERS", "corral:namespaces")))
            step = f"there are {', '.join(known)}" if known else "no hub has written to this store"
            return Finding(name, "fail", "there is no such namespace", step)
        step = f"corral doctor --repair --namespace {namespace}"
        return Finding(name, "fail", "its meta is lost", step)
    (reply,) = await connection.run([Call("check", root, (HUB,))])
    if isinstance(reply, Exception):
        error = explain(reply)
        return Finding(name, "fail", str(error), "run a doctor of the release that wrote it")
    broken = [(text(what), text(where)) for what, where in reply[0]]
    version = text(await connection.command("HGET", f"{root}meta", "format"))
    live = int(await connection.command("ZCARD", f"{root}due:leases"))
    runs = int(await connection.command("ZCARD", f"{root}runs"))
    says = f"format {version}, {runs} runs, {live} sessions"
    if broken:
        places = "one place" if len(broken) == 1 else f"{len(broken)} places"
        says += f", what must hold is broken in {places}: {_summed(broken)}"
        return Finding(name, "fail", says, f"corral doctor --repair --namespace {namespace}")
    return Finding(name, "ok", says + ", every invariant holds")


def _summed(broken: list[tuple[str, str]]) -> str:
    """Writes invariants by name, how often each is broken, and one place of each."""
    places: dict[str, list[str]] = {}
    for what, where in broken:
        places.setdefault(what, []).append(where)
    shown = [
        f"{what} ({found[0]})" if len(found) == 1 else f"{what} ({len(found)}, e.g. {found[0]})"
        for what, found in places.items()
    ]
    more = f" and {len(shown) - SHOWN} more kinds" if len(shown) > SHOWN else ""
    return "; ".join(shown[:SHOWN]) + more
