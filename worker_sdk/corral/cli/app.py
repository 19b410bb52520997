"""Puts the commands together, in the order in which a newcomer needs them."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Annotated

import google.protobuf
import grpc
import typer

from corral.cli import (
    access,
    cancel,
    doctor,
    events,
    exits,
    fleet,
    given,
    hub,
    inputs,
    options,
    output,
    queues,
    runs,
    submit,
    up,
    valkey,
    waiting,
    worker,
)
from corral.version import __version__

app = typer.Typer(
    name="corral",
    help="Corral: a durable scheduler for fleets of workers.",
    epilog=exits.EPILOG,
    cls=exits.Commands,
    no_args_is_help=True,
    # Plain help is quick, can be copied, and looks the same in a pipe.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def version(json: options.JsonOption = False) -> None:
    """Print the versions of Corral and of what it stands on.

    \b
    Example:
      corral version --json
    """
    versions = {
        "corral": __version__,
        "python": platform.python_version(),
        "grpc": grpc.__version__,
        "protobuf": google.protobuf.__version__,
        "platform": sys.platform,
    }
    if json:
        output.print_json(versions)
    else:
        output.print_fields(versions.items())


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"corral {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            envvar="CORRAL_TLS_CA",
            metavar="PEM",
            help="Authority of the hubs' certificates, for grpcs:// addresses.",
            show_default=False,
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            envvar="CORRAL_TLS_CERT",
            metavar="PEM",
            help="Certificate to show to hubs.",
            show_default=False,
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            envvar="CORRAL_TLS_KEY",
            metavar="PEM",
            help="Key of that certificate.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Corral: a durable scheduler for fleets of workers."""
    # Where clients and workers look, whichever command makes them.
    given = {"CORRAL_TLS_CA": tls_ca, "CORRAL_TLS_CERT": tls_cert, "CORRAL_TLS_KEY": tls_key}
    os.environ.update({name: str(path) for name, path in given.items() if path is not None})


app.command("up")(up.up)
app.command("worker")(worker.worker)
app.command("submit")(submit.submit)
app.command("runs")(runs.runs)
app.command("describe")(runs.describe)
app.command("events")(events.events)
app.command("inputs")(inputs.inputs)
app.command("respond")(inputs.respond)
app.command("cancel")(cancel.cancel)
app.command("retry")(queues.retry)
app.command("explain")(queues.explain)
app.command("pause")(queues.pause)
app.command("resume")(queues.resume)
app.command("queues")(waiting.queues)
app.command("workers")(fleet.workers)
app.command("drain")(fleet.drain)
app.command("stats")(fleet.stats)
app.command("hub")(hub.hub)
app.command("token")(access.token)
app.command("key")(access.key)
app.command("doctor")(doctor.doctor)
# What follows the options belongs to Valkey, also when it looks like an option.
app.command(
    "valkey", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)(valkey.valkey)
app.command("version")(version)

for registered in app.registered_commands:
    registered.cls = given.Command
