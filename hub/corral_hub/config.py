"""What a hub is told when it starts. Checked here, before anything is opened."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from corral_hub.errors import Misconfigured
from corral_hub.names import NAME
from corral_store.connection import Barrier

_URL_OPTIONS = re.compile(r"\?\w+=")
_LISTEN = re.compile(r"unix:.+|.+:\d{1,5}")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the listener. With `client_ca` every client must have a certificate of it."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class HubConfig:
    """Settings of one hub; times in milliseconds, sizes in bytes.

    `listen`: `host:port` or `unix:/path`; port 0 takes a free one. `durability`:
    `memory`, `fsync` or `replica:N`. `tokens`, and those of `token_file`, one to a line: bearer
    tokens that may do everything. `access_file`: TOML with tokens and certificates and what each
    may do. Without any of them, and without an authority for clients in `tls`, the hub serves
    loopback only unless `insecure`. `enrolment_file`: TOML that says which workers may join.
    The three files are read again when they change. `move_after_ms`: after about
    so long a session is asked to go to another hub, so that new hubs get their share; 0:
    never. `soft_bytes`: memory of the store above which
    submits are refused, 0 for nine tenths of its `maxmemory`. `limits_file`: TOML with limits
    of namespaces, see `limits.py`; "" for none. `max_namespaces`: that this hub looks after at
    once; one in which nothing has ever happened counts only while somebody uses it.
    """

    name: str = "hub"
    listen: str = "127.0.0.1:7445"
    valkey: str = "redis://127.0.0.1:6379"
    tokens: tuple[str, ...] = field(default=(), repr=False)
    token_file: Path | None = None
    access_file: Path | None = None
    enrolment_file: Path | None = None
    tls: TlsFiles | None = None
    insecure: bool = False
    lease_ms: int = 15_000
    grace_ms: int = 10_000
    ping_ms: int = 3_000
    keepalive_ms: int = 15_000
    tick_ms: int = 500
    move_after_ms: int = 1_800_000
    durability: str = "fsync"
    max_payload_bytes: int = 1_048_576
    max_waiting: int = 1_000_000
    max_sessions: int = 20_000
    max_namespaces: int = 64
    soft_bytes: int = 0
    limits_file: str = ""
    retention_ms: int = 604_800_000
    unary_seconds: float = 10.0
    stop_seconds: float = 10.0
    log_json: bool = False

    def check(self) -> None:
        """Raises Misconfigured, naming the field and what would be accepted."""
        if not NAME.fullmatch(self.name):
            raise Misconfigured(
                f"name {self.name!r}: 1 to 64 characters of [A-Za-z0-9._-]", field="name"
            )
        if not 500 <= self.lease_ms <= 600_000:
            raise Misconfigured(
                f"lease_ms {self.lease_ms}: 500 to 600000", field="lease_ms", limit="500..600000"
            )
        if not 50 <= self.ping_ms <= self.lease_ms // 3:
            raise Misconfigured(
                f"ping_ms {self.ping_ms}: at least 50, and at most a third of lease_ms "
                f"({self.lease_ms})",
                field="ping_ms",
                limit=f"50..{self.lease_ms // 3}",
            )
        if not 0 <= self.grace_ms <= 600_000:
            raise Misconfigured(
                f"grace_ms {self.grace_ms}: 0 to 600000", field="grace_ms", limit="0..600000"
            )
        if not 1024 <= self.max_payload_bytes <= 3_000_000:
            raise Misconfigured(
                f"max_payload_bytes {self.max_payload_bytes}: 1024 to 3000000, as a frame with "
                "its envelope must stay below 4 MiB",
                field="max_payload_bytes",
                limit="1024..3000000",
            )
        if not 1 <= self.max_namespaces <= 10_000:
            raise Misconfigured(
                f"max_namespaces {self.max_namespaces}: 1 to 10000", field="max_namespaces",
                limit="1..10000",
            )  # fmt: skip
        self.barrier()
        if not _LISTEN.fullmatch(self.listen):
            raise Misconfigured(
                f"listen {self.listen!r} has no port: write host:port, e.g. 127.0.0.1:7445; port "
                "0 is a free one",
                field="listen",
            )
        port = self.listen.rpartition(":")[2]
        if not self.listen.startswith("unix:") and int(port) > 65_535:
            raise Misconfigured(
                f"listen {self.listen!r}: a port is 0 to 65535", field="listen", limit="0..65535"
            )
        known = self.tokens or self.token_file or self.access_file
        # Whoever has a certificate of the authority for clients is let in by it.
        known = known or (self.tls and self.tls.client_ca)
        if not known and not self.insecure and not is_loopback(self.listen):
            raise Misconfigured(
                f"listen {self.listen!r} can be reached from other machines, and no token is "
                "set: set CORRAL_TOKEN, --token-file or --access-file, or listen on 127.0.0.1, or "
                "say --insecure",
                field="listen",
            )

    @property
    def store_address(self) -> str:
        """`valkey` as it may be shown, without a password."""
        # A password may also stand behind the address, and either may hold the other's mark.
        address = _URL_OPTIONS.split(self.valkey)[0]
        before, at, host = address.rpartition("@")
        return f"{before.partition('://')[0]}://{host}" if at else host

    def barrier(self) -> Barrier:
        """The durability barrier behind every pipeline; see `Durability` for fsync."""
        level, _, count = self.durability.partition(":")
        if level in ("memory", "fsync") and not count:
            return Barrier()
        if level == "replica" and count.isdigit() and int(count) > 0:
            return Barrier(replicas=int(count))
        raise Misconfigured(
            f"durability {self.durability!r}: memory, fsync or replica:N", field="durability"
        )


def is_loopback(listen: str) -> bool:
    """True when nobody on another machine can reach the address."""
    if listen.startswith("unix:"):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
