"""Options that commands share, and the client that they lead to.

Owns the meaning of `--hub`, `--token`, `--namespace`, `--timeout` and `--json`, and how
durations and pairs are written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer

from corral.addresses import parse_addresses
from corral.cli import loop
from corral.cli.exits import CommandFailed, Exit
from corral.client import Client

T = TypeVar("T")

HubOption = Annotated[
    str | None,
    typer.Option(
        "--hub",
        envvar="CORRAL_HUB",
        metavar="ADDRESSES",
        help="Hub or hubs, with commas; default 127.0.0.1:7445.",
        show_default=False,
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="CORRAL_TOKEN",
        metavar="TOKEN",
        help="Bearer token. Better in the environment, where other users cannot see it.",
        show_default=False,
    ),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        envvar="CORRAL_NAMESPACE",
        metavar="NAME",
        help='Namespace; default "default".',
        show_default=False,
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", min=0.1, help="How long to try to reach a hub."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")
]

# How long a command that follows runs looks for another hub before it gives up.
FOLLOW_SECONDS = 60.0

# Options of all commands, by the variable in which clients and workers look.
TLS_FILES = {
    "CORRAL_TLS_CA": "--tls-ca",
    "CORRAL_TLS_CERT": "--tls-cert",
    "CORRAL_TLS_KEY": "--tls-key",
}

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# A hundred years: what is added to a time of today is still a date.
LONGEST_MS = 36_500 * _UNITS_MS["d"]
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the hubs are and who asks."""

    hub: str | None
    token: str | None
    namespace: str | None
    timeout: float

    def run(self, job: Callable[[Client], Awaitable[T]]) -> T:
        """Does a job with a client on a loop of its own, and gives its result."""
        refuse_unused_tls(self.hub)

        async def with_client() -> T:
            async with Client(
                self.hub, token=self.token, namespace=self.namespace, timeout=self.timeout
            ) as client:
                return await job(client)

        return loop.run(with_client)


def refuse_unused_tls(hubs: str | Sequence[str] | None) -> None:
    """Raises CommandFailed when there are files for TLS and no address that is dialled with it."""
    given = [name for name in TLS_FILES if os.environ.get(name)]
    if not given:
        return
    addresses = parse_addresses(hubs)
    if not any(address.tls for address in addresses):
        options = " ".join(TLS_FILES[name] for name in given)
        raise CommandFailed(
            f"{options} ({' '.join(given)}) would not be used, as no hub is dialled with TLS: "
            f"write grpcs://{addresses[0].target}, or leave the files away",
            Exit.USAGE,
        )


def duration_ms(option: str, text: str | None, *, least_ms: int = 0) -> int | None:
    """Reads `500ms`, `30s`, `5m`, `2h` or `1d` as milliseconds, at least `least_ms`."""
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(
            f"{text!r} is no duration: write a number and a unit of ms, s, m, h or d, e.g. 30s",
            param_hint=option,
        )
    milliseconds = float(match[1]) * _UNITS_MS[match[2]]
    if not least_ms <= milliseconds <= LONGEST_MS:
        raise typer.BadParameter(
            f"{text!r} is not between {least_ms}ms and {LONGEST_MS // _UNITS_MS['d']}d; give a "
            "duration between, or leave it out for none",
            param_hint=option,
        )
    return round(milliseconds)


def pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    """Reads `key=value` texts, each key at most once."""
    found: dict[str, str] = {}
    for text in texts or ():
        key, sign, value = text.partition("=")
        if not key or not sign:
            raise typer.BadParameter(f"{text!r} is no pair: write key=value", param_hint=option)
        if key in found:
            raise typer.BadParameter(
                f"{key!r} is given twice, as {found[key]!r} and {value!r}; give it once",
                param_hint=option,
            )
        found[key] = value
    return found


def tag_texts(option: str, texts: Sequence[str] | None) -> list[str]:
    """Reads tags, written `key=value`, and gives them so."""
    return [f"{key}={value}" for key, value in pairs(option, texts).items()]
