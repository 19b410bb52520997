"""`corral valkey`: one command to the Valkey of `corral up`, printed as valkey-cli does.

For looking at the readable state of a fleet where no valkey-cli is installed. Knows no keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from corral.cli.exits import CommandFailed, Exit
from corral.cli.extras import extra
from corral.cli.replies import answered, plain

DEFAULT_DATA = Path(".corral")
CONNECT_SECONDS = 5.0
_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}
# These keep the connection and go on answering, which one question and one answer cannot show.
_ENDLESS = frozenset({"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR"})

DataOption = Annotated[Path, typer.Option(metavar="DIR", help='Data directory of "corral up".')]


def valkey(
    arguments: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND", help="Command and arguments, as for valkey-cli."),
    ],
    data: DataOption = DEFAULT_DATA,
    url: Annotated[
        str | None,
        typer.Option("--valkey", metavar="URL", help="Another Valkey, e.g. redis://host:6379."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the reply as JSON.")] = False,
) -> None:
    """Send one command to the Valkey of "corral up". Options come before the command.

    \b
    Examples:
      corral valkey HGETALL 'corral:{default}:meta'
      corral valkey --json ZRANGE 'corral:{default}:runs' 0 -1
    """
    if arguments[0].upper() in _ENDLESS:
        raise typer.BadParameter(
            f"{arguments[0]} goes on answering; use valkey-cli, on the socket named in valkey.json"
        )
    reply = ask(check_url(url) if url else _url_of(data), arguments)
    if json:
        print(msgspec.json.encode(plain(reply)).decode())
    else:
        print(answered(arguments, reply))
    if isinstance(reply, Exception):
        raise typer.Exit(Exit.REFUSED)


def ask(url: str, arguments: list[str]) -> Any:
    """Sends one command and gives the reply as the server wrote it; an error is a value."""
    with extra("hub"):
        import redis
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError
        from redis.retry import Retry
    try:
        with redis.Redis.from_url(
            url,
            protocol=2,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            # Under the client's own methods, which would turn replies into Python's forms.
            connection = client.connection_pool.get_connection()
            try:
                connection.send_command(*arguments)
                return connection.read_response()
            except ResponseError as error:
                return error
            finally:
                client.connection_pool.release(connection)
    except (ConnectionError, TimeoutError) as error:
        raise CommandFailed(
            f'no Valkey answers at {url} ({error}); start "corral up", or name another one with '
            "--valkey",
            Exit.UNAVAILABLE,
        ) from error
    except (RedisError, ValueError) as error:
        raise CommandFailed(f"{url}: {error}", Exit.USAGE) from error


def check_url(url: str) -> str:
    """Gives the address of a Valkey as redis-py reads it; complains about anything else."""
    scheme, mark, rest = url.partition("://")
    if not mark or not rest or scheme not in _SCHEMES:
        raise typer.BadParameter(
            f"{url!r} is no address of a Valkey: use redis://host:port, rediss://, valkey://, "
            "valkeys:// or unix:///path/to/socket",
            param_hint="--valkey",
        )
    return f"{_SCHEMES[scheme]}://{rest}"


def _url_of(data: Path) -> str:
    with extra("up"):
        from corral_hub.data_dir import read_record
    record = read_record(data)
    if record is None:
        raise CommandFailed(
            f'no "corral up" runs on {data} (there is no {data / "valkey.json"}); start it, or '
            "name its directory with --data, or another Valkey with --valkey",
            Exit.UNAVAILABLE,
        )
    return f"unix://{record.socket}"
