"""A fleet with locked doors: hubs with TLS, an access file, and policies for workers.

Makes an authority, callers with tokens and certificates, and enrolment keys; and gives each caller
a name that a table can be read by.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

import corral
from corral.enrolment import new_key
from corral.tls import Tls
from tests.fleet.conftest import SHORT
from tests.processes import HubProcess

FUTURE, PAST = "2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


def token_entry(name: str, namespace: str, *roles: str, token: str = "", expires: str = "") -> str:
    """An entry of an access file; the token is the name unless one is given."""
    digest = hashlib.sha256((token or name).encode()).hexdigest()
    until = f"expires = {expires}\n" if expires else ""
    return (
        f'[[token]]\nname = "{name}"\nsha256 = "{digest}"\nnamespace = "{namespace}"\n'
        f"roles = {list(roles)}\n{until}"
    )


def certificate_entry(name: str, namespace: str, *roles: str) -> str:
    return f'[[certificate]]\nname = "{name}"\nnamespace = "{namespace}"\nroles = {list(roles)}\n'


@dataclass
class Pki:
    """Authorities and certificates as files in a folder."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.authority.cert_pem.write_to_path(str(self.ca))

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def server(self, name: str = "hub") -> tuple[Path, Path]:
        """Certificate and key of a server on this machine."""
        return self.files(name, self.authority.issue_cert("127.0.0.1", "localhost"))

    def client(self, name: str, authority: trustme.CA | None = None) -> Tls:
        """What a caller with a certificate of this name dials with."""
        issued = (authority or self.authority).issue_cert(name)
        cert, key = self.files(name if authority is None else f"other-{name}", issued)
        return Tls(ca=self.ca, cert=cert, key=key)

    def files(self, name: str, issued: trustme.LeafCert) -> tuple[Path, Path]:
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        issued.private_key_pem.write_to_path(str(key))
        cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        return cert, key


class Locked:
    """Hub `listed` has a list of workers, `signed` wants signatures, `mutual` certificates; all
    have TLS, the same access file and the same store."""

    def __init__(self, valkey: str, folder: Path) -> None:
        self.folder = folder
        self.pki = Pki(folder)
        self.tls = Tls(ca=self.pki.ca)
        self.access = folder / "access.toml"
        self.access.write_text(
            "\n".join(
                (
                    token_entry("ada", "team-a", "orchestrator"),
                    token_entry("ada-worker", "team-a", "worker"),
                    token_entry("ada-admin", "team-a", "admin"),
                    token_entry("bob", "team-b", "orchestrator"),
                    token_entry("bob-worker", "team-b", "worker"),
                    token_entry("bob-admin", "team-b", "admin"),
                    token_entry("late", "team-a", "orchestrator", expires=PAST),
                    token_entry("early", "team-a", "orchestrator", expires=FUTURE),
                    token_entry("root", "*", "orchestrator", "worker", "admin"),
                    certificate_entry("ada.example", "team-a", "orchestrator", "worker"),
                    certificate_entry("bob.example", "team-b", "orchestrator"),
                )
            )
        )
        self.listing = folder / "listed.toml"
        self.listing.write_text(
            'policy = "allowlist"\n'
            '[[worker]]\nid = "gpu-*"\ncapabilities = ["workflow:nap"]\n'
            '[[worker]]\nid = "any-1"\nnamespace = "team-a"\n'
        )
        public = {name: new_key(folder / f"{name}.key.pem") for name in ("known", "gpu", "unknown")}
        (folder / "signed.toml").write_text(
            'policy = "signed"\n'
            f'[[key]]\nname = "known"\npublic = "{public["known"]}"\n'
            f'[[key]]\nname = "gpu"\npublic = "{public["gpu"]}"\nworkers = ["gpu-*"]\n'
            'capabilities = ["inference:*"]\nnamespace = "team-a"\n'
        )
        cert, key = self.pki.server()
        shared: dict[str, Any] = {**SHORT, "access_file": str(self.access)}
        served = [str(cert), str(key)]
        self.hubs = {
            name: HubProcess(
                name,
                valkey,
                folder / f"{name}.log",
                {**shared, **own},
                credentials=(self.pki.client("ada.example") if own["tls"][2:] else self.tls)
                .credentials(),
            )
            for name, own in {
                "listed": {"tls": served, "enrolment_file": str(self.listing)},
                "signed": {"tls": served, "enrolment_file": str(folder / "signed.toml")},
                "mutual": {"tls": [*served, str(self.pki.ca)]},
            }.items()
        }  # fmt: skip
        for hub in self.hubs.values():
            hub.start(wait=False)
        for hub in self.hubs.values():
            hub.wait_ready()

    def address(self, *hubs: str) -> list[str]:
        return [self.hubs[hub].address for hub in hubs or ("listed", "signed")]

    def client(self, token: str = "", *hubs: str, **given: Any) -> corral.Client:
        given = {"tls": self.tls, "timeout": 10.0, **given}
        return corral.Client(self.address(*hubs), token=token, **given)

    def key(self, file: str, name: str = "") -> corral.EnrolmentKey:
        return corral.EnrolmentKey(self.folder / f"{file}.key.pem", name or file)

    def worker(self, name: str, token: str, hub: str = "listed", **given: Any) -> corral.Worker:
        """A worker that serves `nap`, and asks when its input says what."""
        given = {"tls": self.tls, **given}
        worker = corral.Worker(name, hubs=self.address(hub), token=token, **given)

        @worker.workflow("nap")
        async def nap(ctx: corral.Context, question: str) -> str:
            return await ctx.request_input(question, schema=str, key="q")

        return worker

    def stop(self) -> None:
        for hub in self.hubs.values():
            hub.stop()
