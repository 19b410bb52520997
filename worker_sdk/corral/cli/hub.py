"""`corral hub`: one hub in this process, on a Valkey that runs elsewhere."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from corral.cli.exits import CommandFailed, Exit
from corral.cli.extras import extra
from corral.cli.valkey import check_url

if TYPE_CHECKING:
    from corral_hub.config import TlsFiles
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
AccessFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Tokens and certificates with namespace and roles, as TOML; read again when it "
        "changes. See corral token.",
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
        typer.Option(
            metavar="NAME",
            help="Name, unique in the fleet; default: host and port.",
            show_default=False,
        ),
    ] = None,
    listen: ListenOption = DEFAULT_LISTEN,
    valkey: Annotated[
        str, typer.Option(metavar="URL", help="redis://, rediss://, valkey:// or unix:// address.")
    ] = "redis://127.0.0.1:6379",
    valkey_ca: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Authority of Valkey's certificate, for rediss://."),
    ] = None,
    valkey_cert: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Certificate to show to Valkey.")
    ] = None,
    valkey_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Key of that certificate.")
    ] = None,
    token_file: TokenFileOption = None,
    access_file: AccessFileOption = None,
    enrolment_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Which workers may join, as TOML; read again when it changes."
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Certificate to serve with TLS.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Key of that certificate.")
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Only let in clients with a certificate of this one."),
    ] = None,
    insecure: InsecureOption = False,
    lease_ms: Annotated[
        int,
        typer.Option(
            metavar="MS", help="How long a silent worker keeps its runs, in milliseconds."
        ),
    ] = 15_000,
    grace_ms: Annotated[
        int,
        typer.Option(
            metavar="MS", help="How long a worker may take to connect again, in milliseconds."
        ),
    ] = 10_000,
    ping_ms: Annotated[
        int | None,
        typer.Option(
            metavar="MS",
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
        int, typer.Option(metavar="BYTES", help="Largest input or result, in bytes.")
    ] = 1_048_576,
    max_namespaces: Annotated[
        int, typer.Option(metavar="COUNT", help="How many namespaces this hub looks after.")
    ] = 64,
    limits_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Limits of namespaces, as TOML; read again when it changes."
        ),
    ] = None,
    log_json: LogJsonOption = False,
) -> None:
    """Run a hub; start as many as you like on the same Valkey.

    SIGTERM or Ctrl-C moves the workers to other hubs and ends it.

    \b
    Examples:
      corral hub --name a --listen 127.0.0.1:7445 --valkey redis://127.0.0.1:6379
      corral hub --name b --listen 0.0.0.0:7445 --valkey rediss://valkey:6379 \\
        --access-file access.toml --tls-cert hub.pem --tls-key hub.key
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
            valkey=with_tls(valkey, valkey_ca, valkey_cert, valkey_key),
            tokens=own_token(),
            token_file=token_file,
            access_file=access_file,
            enrolment_file=enrolment_file,
            tls=tls_files(tls_cert, tls_key, tls_client_ca),
            insecure=insecure,
            lease_ms=lease_ms,
            grace_ms=grace_ms,
            ping_ms=min(3000, lease_ms // 5) if ping_ms is None else ping_ms,
            durability=durability,
            max_payload_bytes=max_payload_bytes,
            max_namespaces=max_namespaces,
            limits_file=str(limits_file or ""),
            log_json=log_json,
        )
    except HubError as error:
        raise CommandFailed(error.message, Exit.USAGE) from error
    raise typer.Exit(run_hub(config, _say_ready))


def own_token() -> tuple[str, ...]:
    """Gives CORRAL_TOKEN, which a hub accepts beside those of its files."""
    own = os.environ.get("CORRAL_TOKEN", "").strip()
    return (own,) if own else ()


def tls_files(cert: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    """Gives the files of the listener; raises CommandFailed for a half."""
    from corral_hub.config import TlsFiles

    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise CommandFailed("--tls-cert and --tls-key go together", Exit.USAGE)
    return TlsFiles(cert, key, client_ca)


def with_tls(url: str, ca: Path | None, cert: Path | None, key: Path | None) -> str:
    """Puts files for TLS into the address of a Valkey, where redis-py looks for them."""
    given = {"ssl_ca_certs": ca, "ssl_certfile": cert, "ssl_keyfile": key}
    query = urlencode({name: str(path) for name, path in given.items() if path is not None})
    if not query:
        return url
    if not url.startswith(("rediss://", "valkeys://")):
        raise CommandFailed(
            "--valkey-ca, --valkey-cert and --valkey-key are for rediss:// addresses; --valkey "
            f"begins with {url.partition('://')[0]}://",
            Exit.USAGE,
        )
    return f"{url}{'&' if '?' in url else '?'}{query}"


def default_name(listen: str) -> str:
    """Names a hub after its host and port, so that two of them differ."""
    host = socket.gethostname().partition(".")[0]
    port = listen.rpartition(":")[2]
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"{host}-{port}")[-64:]


def _say_ready(hub: Hub) -> None:
    print(f"hub {hub.config.name} listens on {hub.address}", flush=True)
