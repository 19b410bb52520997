"""Addresses of hubs: what users write, and what gRPC dials.

Accepts `host`, `host:port`, `[::1]:7445`, `http://`, `https://`, `grpc://`, `grpcs://` and
`unix:path`, one or several, with commas or as a list. Resolves no names and opens nothing.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from corral.errors import BadAddress
from corral.tls import Tls

DEFAULT_PORT = 7445
DEFAULT_ADDRESS = f"127.0.0.1:{DEFAULT_PORT}"
FORMS = (
    "host, host:port, [ipv6]:port, http://host:port, https://host:port, grpc://host:port, "
    "grpcs://host:port or unix:path; several with commas"
)

_SCHEMES = {"http": False, "grpc": False, "https": True, "grpcs": True}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\.?")
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".svc", ".home.arpa")


@dataclass(frozen=True, slots=True)
class Address:
    """One hub: the gRPC target, whether it is dialled with TLS, whether it is near.

    `private` holds for loopback and private addresses, unix sockets and host names that
    only a private network resolves: no proxy stands between, and a token may go in clear.
    """

    target: str
    tls: bool
    private: bool
    credentials: Tls | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"grpcs://{self.target}" if self.tls else self.target


def parse_addresses(
    hubs: str | Sequence[str] | None, tls: Tls | None = None
) -> tuple[Address, ...]:
    """Reads addresses in the order given, each once; None: `CORRAL_HUB`, or 127.0.0.1:7445.

    With `tls` all of them are dialled with it; without, those that say so, with what the
    environment has. Raises `BadAddress` naming the accepted forms, and `BadCertificate`.
    """
    if hubs is None:
        hubs = os.environ.get("CORRAL_HUB", "").strip() or DEFAULT_ADDRESS
    texts = [hubs] if isinstance(hubs, str) else list(hubs)
    parts = [part.strip() for text in texts for part in text.split(",")]
    addresses = dict.fromkeys(parse_address(part) for part in parts if part)
    if not addresses:
        raise BadAddress(f"No hub address is given; use {FORMS}.")
    return tuple(_with_tls(address, tls) for address in addresses)


def _with_tls(address: Address, tls: Tls | None) -> Address:
    if tls is not None and not address.target.startswith("unix:"):
        return replace(address, tls=True, credentials=tls)
    return replace(address, credentials=Tls.from_environment()) if address.tls else address


def parse_address(text: str) -> Address:
    """Reads one address; raises `BadAddress` naming the accepted forms."""
    if text.startswith("unix:"):
        return _unix(text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "grpc", text
    if scheme.lower() not in _SCHEMES:
        raise BadAddress(f"Hub address {text!r} has scheme {scheme!r}; use {FORMS}.")
    rest = rest.removesuffix("/")
    host, port_text, bracketed = _split(text, rest)
    port = DEFAULT_PORT
    if port_text is not None:
        if not (port_text.isascii() and port_text.isdigit() and 1 <= int(port_text) <= 65535):
            raise BadAddress(
                f"Hub address {text!r} has port {port_text!r}; a port is 1 to 65535. Use {FORMS}."
            )
        port = int(port_text)
    if bracketed:
        return Address(f"[{host}]:{port}", _SCHEMES[scheme.lower()], is_private(host))
    if not _HOST.fullmatch(host):
        raise BadAddress(f"Hub address {text!r} has host {host!r}; use {FORMS}.")
    return Address(f"{host}:{port}", _SCHEMES[scheme.lower()], is_private(host))


def is_private(host: str) -> bool:
    """Tells whether a host is on this machine or on a private network, by its name alone."""
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        name = host.lower().rstrip(".")
        # A name of one label is a search-domain or container name, never a public one.
        return "." not in name or name.endswith(_PRIVATE_SUFFIXES)
    return address.is_loopback or address.is_private or address.is_link_local


def _unix(text: str) -> Address:
    path = text.removeprefix("unix:")
    if path.startswith("//"):
        path = path.removeprefix("//")
        if not path.startswith("/"):
            raise BadAddress(f"Hub address {text!r}: unix:// wants an absolute path. Use {FORMS}.")
    if not path:
        raise BadAddress(f"Hub address {text!r} has no path; use {FORMS}.")
    if sys.platform == "win32":
        raise BadAddress(f"Hub address {text!r}: no unix sockets on Windows; use host:port.")
    return Address(f"unix:{path}", False, True)


def _split(text: str, rest: str) -> tuple[str, str | None, bool]:
    if rest.startswith("["):
        host, bracket, after = rest[1:].partition("]")
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            bracket = ""
        if not bracket or (after and not after.startswith(":")):
            raise BadAddress(f"Hub address {text!r} is no [ipv6]:port; use {FORMS}.")
        return host, after[1:] if after else None, True
    if rest.count(":") > 1:
        raise BadAddress(f"Hub address {text!r}: write IPv6 as [::1]:7445. Use {FORMS}.")
    host, colon, port = rest.partition(":")
    return host, port if colon else None, False
