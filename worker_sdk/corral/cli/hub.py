"""`corral hub`: one hub in this process, on a Valkey that runs elsewhere."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corral.cli.exits import CommandFailed, Exit
from corral.cli.extras import extra
from corral.cli.valkey import check_url

if TYPE_CHECKING:
    from corral_hub.hub import Hub

DEFAULT_LISTEN = "127.0.0.1:7445"

ListenOption = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0: a free one.")
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Accepted tokens, one to a line; # begins a comment. CORRAL_TOKEN is accepted too.",
    ),
]
InsecureOption = Annotated[
    bool,
    typer.Option("--insecure", help="Let other machines in without a token."),
]
LogJsonOption = Annotated[bool, typer.Option("--log-json", help="Write the log as JSON.")]


def hub(
    name: Annotated[
        str | None,
        typer.Option(help="Name, unique in the fleet; default: host and port.", show_default=False),
    ] = None,
    listen: ListenOption = DEFAULT_LISTEN,
    valkey: Annotated[
        str, typer.Option(metavar="URL", help="redis://, rediss://, valkey:// or unix:// address.")
    ] = "redis://127.0.0.1:6379",
    token_file: TokenFileOption = None,
    insecure: InsecureOption = False,
    lease_ms: Annotated[
        int, typer.Option(help="How long a silent worker keeps its runs, in milliseconds.")
    ] = 15_000,
    grace_ms: Annotated[
        int, typer.Option(help="How long a worker may take to connect again, in milliseconds.")
    ] = 10_000,
    ping_ms: Annotated[
        int | None,
        typer.Option(
            help="Between heartbeats; default 3000, or a fifth of the lease when that is less.",
            show_default=False,
        ),
    ] = None,
    durability: Annotated[
        str,
        typer.Option(
            metavar="LEVEL", help="When a change is acknowledged: memory, fsync or replica:N."
        ),
    ] = "fsync",
    max_payload_bytes: Annotated[
        int, typer.Option(help="Largest input or result, in bytes.")
    ] = 1_048_576,
    log_json: LogJsonOption = False,
) -> None:
    """Run a hub; start as many as you like on the same Valkey.

    SIGTERM or Ctrl-C moves the workers to other hubs and ends it.

    \b
    Examples:
      corral hub --name a --listen 127.0.0.1:7445 --valkey redis://127.0.0.1:6379
      corral hub --name b --listen 0.0.0.0:7445 --valkey redis://valkey:6379 --token-file tokens
    """
    check_url(valkey)
    with extra("hub"):
        from corral_hub.config import HubConfig
        from corral_hub.errors import HubError
        from corral_hub.main import run_hub
    try:
        config = HubConfig(
            name=name or default_name(listen),
            listen=listen,
            valkey=valkey,
            tokens=accepted_tokens(token_file),
            insecure=insecure,
            lease_ms=lease_ms,
            grace_ms=grace_ms,
            ping_ms=min(3000, lease_ms // 5) if ping_ms is None else ping_ms,
            durability=durability,
            max_payload_bytes=max_payload_bytes,
            log_json=log_json,
        )
    except HubError as error:
        raise CommandFailed(error.message, Exit.USAGE) from error
    raise typer.Exit(run_hub(config, _say_ready))


def accepted_tokens(token_file: Path | None) -> tuple[str, ...]:
    """Gives the tokens that a hub accepts: those of the file, and CORRAL_TOKEN."""
    from corral_hub.auth import read_token_file

    tokens = read_token_file(token_file) if token_file else ()
    own = os.environ.get("CORRAL_TOKEN", "").strip()
    return (*tokens, own) if own and own not in tokens else tokens


def default_name(listen: str) -> str:
    """Names a hub after its host and port, so that two of them differ."""
    host = socket.gethostname().partition(".")[0]
    port = listen.rpartition(":")[2]
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"{host}-{port}")[-64:]


def _say_ready(hub: Hub) -> None:
    print(f"hub {hub.config.name} listens on {hub.address}", flush=True)
