"""`corral up`: a whole fleet's server side on one machine, an embedded Valkey and one hub.

Owns the order of starting and stopping. What was accepted is in the data directory, so the
next `corral up` goes on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from corral.cli.exits import CommandFailed, Exit
from corral.cli.extras import extra
from corral.cli.hub import (
    DEFAULT_LISTEN,
    InsecureOption,
    ListenOption,
    LogJsonOption,
    TokenFileOption,
    own_token,
)
from corral.cli.valkey import DEFAULT_DATA, DataOption

if TYPE_CHECKING:
    from corral_hub.config import HubConfig
    from corral_hub.embedded import EmbeddedValkey, EmbeddedValkeyFailed


def up(
    listen: ListenOption = DEFAULT_LISTEN,
    data: DataOption = DEFAULT_DATA,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the hub.")] = "up",
    token_file: TokenFileOption = None,
    insecure: InsecureOption = False,
    log_json: LogJsonOption = False,
) -> None:
    """Run a durable Valkey and one hub on this machine.

    Nothing else is needed on the side of the servers. Ctrl-C stops both. Runs are kept in the data
    directory and go on at the next start.

    \b
    Examples:
      corral up
      corral up --listen 127.0.0.1:7500 --data /var/lib/corral
    """
    with extra("up"):
        from corral_hub import logs
        from corral_hub.config import HubConfig
        from corral_hub.embedded import EmbeddedValkey
        from corral_hub.errors import HubError
    logs.configure(log_json)
    try:
        config = HubConfig(
            name=name,
            listen=listen,
            tokens=own_token(),
            token_file=token_file,
            insecure=insecure,
            log_json=log_json,
        )
        config.check()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            died = runner.run(_until_stopped(config, EmbeddedValkey(data)))
    except HubError as error:
        code = Exit.UNAVAILABLE if error.kind == "unavailable" else Exit.USAGE
        raise CommandFailed(error.message, code) from error
    if died is not None:
        raise CommandFailed(died.message, Exit.UNAVAILABLE)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.Loop
    return None


async def _until_stopped(config: HubConfig, valkey: EmbeddedValkey) -> EmbeddedValkeyFailed | None:
    """Serves until a signal, or until the Valkey dies, which is what it gives then."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(_serve(config, valkey), name="up-serve")

    def stop() -> None:
        # Once: a second signal must not cut the orderly end short, which is bounded.
        if not stopped.is_set():
            stopped.set()
            serving.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        # Not on every platform; there Ctrl-C cancels this task.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    try:
        return await serving
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
        print(f"Stopped. Runs are kept in {valkey.data_dir}.", flush=True)
        return None


async def _serve(config: HubConfig, valkey: EmbeddedValkey) -> EmbeddedValkeyFailed:
    with extra("up"):
        from corral_hub.hub import Hub
    async with valkey, Hub(replace(config, valkey=valkey.url)) as hub:
        print(welcome(hub.address, config.name, valkey), flush=True)
        return await valkey.wait_died()


def welcome(address: str, name: str, valkey: EmbeddedValkey) -> str:
    """What runs now, and the three commands that come next."""
    where = "" if address == DEFAULT_LISTEN else f" --hub {address}"
    return (
        f'Corral is up: hub "{name}" on {address}, Valkey {valkey.version}, '
        f"data in {valkey.data_dir}\n"
        "Next, in other terminals:\n"
        f"  corral worker my_module:worker{where}\n"
        f'  corral submit my_workflow \'{{"name": "value"}}\' --wait{where}\n'
        f"  corral runs{where}\n"
        'Ctrl-C stops it; runs are kept and go on at the next "corral up".'
    )
