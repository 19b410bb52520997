"""`corral doctor`: looks at a Valkey and what Corral keeps in it, and repairs on request.

Talks to Valkey and to no hub, as what is wrong may be why no hub runs.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corral.cli import loop
from corral.cli.exits import CommandFailed, Exit
from corral.cli.extras import extra
from corral.cli.hub import with_tls
from corral.cli.output import clean, on_terminal, print_json
from corral.cli.valkey import DEFAULT_DATA, DataOption, check_url

if TYPE_CHECKING:
    from corral_store.checkup import Finding
    from corral_store.repair import Repaired

DEFAULT_URL = "redis://127.0.0.1:6379"
COLOURS = {
    "ok": typer.colors.GREEN,
    "warn": typer.colors.YELLOW,
    "fail": typer.colors.RED,
    "unknown": typer.colors.CYAN,
}


def doctor(
    valkey: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help='redis://, rediss://, valkey:// or unix:// address; default: that of "corral up" '
            f"on --data, else {DEFAULT_URL}.",
            show_default=False,
        ),
    ] = None,
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
    data: DataOption = DEFAULT_DATA,
    namespace: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Check only this namespace, however large it is."),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Build the indexes of --namespace again; nothing else changes it meanwhile.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check a Valkey and what Corral keeps in it.

    Says what to do about what is not well. Exits with 0 when nothing fails (warnings and unknowns
    are well enough), with 1 when something does, with 4 when the server cannot be reached.

    \b
    Examples:
      corral doctor
      corral doctor --valkey redis://valkey:6379 --json
      corral doctor --repair --namespace default
    """
    if repair and namespace is None:
        raise typer.BadParameter("say which namespace to repair, with --namespace")
    shown = check_url(valkey) if valkey else _default_url(data)
    url = with_tls(shown, valkey_ca, valkey_cert, valkey_key)
    with extra("hub"):
        from corral_store.checkup import UNREACHED
        from corral_store.errors import StoreError, StoreUnavailable
    try:
        findings, repaired = loop.run(lambda: _examine(url, namespace, repair))
    except StoreError as error:
        code = Exit.UNAVAILABLE if isinstance(error, StoreUnavailable) else Exit.REFUSED
        raise CommandFailed(str(error), code) from error
    if json:
        print_json(
            {
                "valkey": without_password(shown),
                "checks": [asdict(finding) for finding in findings],
                "repaired": asdict(repaired) if repaired else None,
            }
        )
    else:
        _print(without_password(shown), findings, repaired)
    if findings[0].name == UNREACHED:
        raise typer.Exit(Exit.UNAVAILABLE)
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(Exit.RUN_ENDED_BADLY)


async def _examine(
    url: str, namespace: str | None, wanted: bool
) -> tuple[list[Finding], Repaired | None]:
    from corral_store.checkup import checkup
    from corral_store.connection import Connection
    from corral_store.repair import repair

    # Without a name, as a user that may set none can still be told what is wrong.
    connection = Connection(url, name="")
    try:
        repaired = await repair(connection, namespace) if wanted and namespace else None
        return await checkup(connection, namespace), repaired
    finally:
        await connection.close()


def without_password(url: str) -> str:
    """Writes an address so that it may stand in a log."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:...@", url)


def _wrapped(text: str, indent: int) -> list[str]:
    """Lines that fit the terminal behind an indent; words are not broken, to be copied."""
    room = max(20, shutil.get_terminal_size().columns - indent)
    return textwrap.wrap(clean(text), room, break_long_words=False, break_on_hyphens=False) or [""]


def _default_url(data: Path) -> str:
    with extra("hub"):
        from corral_hub.data_dir import read_record
    record = read_record(data)
    return f"unix://{record.socket}" if record else DEFAULT_URL


def _print(url: str, findings: list[Finding], repaired: Any) -> None:
    if on_terminal():
        print(f"Valkey at {clean(url)}\n")
    if repaired is not None:
        print(
            f"repaired: {repaired.runs} runs ({repaired.live} live), {repaired.sessions} "
            f"sessions, {repaired.classes} classes, {repaired.kinds} kinds"
        )
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        step = f" -> {finding.step}" if finding.step else ""
        if not on_terminal():
            print("\t".join(clean(t) for t in (finding.state, finding.name, finding.says)) + step)
            continue
        state = typer.style(f"{finding.state:<7}", fg=COLOURS[finding.state])
        head, *rest = _wrapped(finding.says, width + 11)
        print(f"{state}  {finding.name:<{width}}  {head}")
        for line in (*rest, *(_wrapped(f"-> {finding.step}", width + 11) if step else ())):
            print(f"{'':{width + 11}}{line}")
    count = sum(finding.state == "fail" for finding in findings)
    if on_terminal():
        print(f"\n{count} of {len(findings)} checks fail." if count else "\nNothing fails.")
