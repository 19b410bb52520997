"""`corral token` and `corral key`: makes what lets callers and workers in.

Prints a secret once and keeps none; a hub's files hold digests and public keys.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import sys
import tomllib
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from corral.cli import options, output
from corral.cli.exits import CommandFailed, Exit
from corral.enrolment import new_key
from corral.errors import BadEnrolmentKey

TOKEN_BYTES = 32
# As hubs read them.
_NAME = re.compile(r"[A-Za-z0-9._@*-]{1,128}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_-]{1,32}|\*")
ROLES = ("worker", "orchestrator", "admin")


def token(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Who it is for; a later one of the same may follow."),
    ],
    role: Annotated[
        list[str],
        typer.Option(metavar="ROLE", help="worker, orchestrator or admin; may be repeated."),
    ],
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help="The only namespace it is for; *: any.")
    ] = "default",
    expires: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long it is good, e.g. 90d.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Access file to which the entry is added."),
    ] = None,
    json: options.JsonOption = False,
) -> None:
    """Make a token, and the entry by which hubs know it.

    The token is printed once; hubs read its entry from their --access-file and see a new one
    within a second. For a rotation, make another one under the same name, and remove the old
    entry when nobody uses it any more.

    \b
    Examples:
      corral token ci --role orchestrator --namespace team-a --file access.toml
      corral token gpu-boxes --role worker --expires 90d
    """
    wrong = [one for one in role if one not in ROLES]
    if wrong:
        raise typer.BadParameter(
            f"{wrong[0]!r} is no role: use {', '.join(ROLES)}", param_hint="--role"
        )
    if not _NAME.fullmatch(name):
        raise typer.BadParameter(f"{name!r} is no name: use {_NAME.pattern}", param_hint="NAME")
    if not _NAMESPACE.fullmatch(namespace):
        raise typer.BadParameter(
            f"{namespace!r} is no namespace: use {_NAMESPACE.pattern}", param_hint="--namespace"
        )
    made = "corral_" + secrets.token_urlsafe(TOKEN_BYTES)
    entry = _entry(
        made, name, namespace, role, options.duration_ms("--expires", expires, least_ms=1000)
    )
    if file is not None:
        _append(file, entry)
    if json:
        output.print_json({"token": made, "entry": entry, "file": str(file) if file else None})
        return
    print(made)
    if file is None:
        print(f"\nTo the access file of every hub:\n\n{entry}", end="", file=sys.stderr)


def key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New file for the private key.")],
    json: options.JsonOption = False,
) -> None:
    """Make an enrolment key for workers, and its entry.

    Workers get the file (CORRAL_ENROLMENT_KEY, or enrolment_key=); hubs with the policy
    "signed" read the entry from their --enrolment-file.

    \b
    Example:
      corral key gpu-boxes.pem
    """
    try:
        public = new_key(file)
    except BadEnrolmentKey as error:
        raise CommandFailed(str(error), Exit.USAGE) from error
    entry = f'[[key]]\nname = "{file.stem}"\npublic = "{public}"\n'
    if json:
        output.print_json({"file": str(file), "name": file.stem, "public": public})
        return
    print(entry, end="")
    print(f"{file} is the private half: for workers only.", file=sys.stderr)


def _entry(made: str, name: str, namespace: str, roles: list[str], good_ms: int | None) -> str:
    lines = [
        "[[token]]",
        f'name = "{name}"',
        f'sha256 = "{hashlib.sha256(made.encode()).hexdigest()}"',
        f'namespace = "{namespace}"',
        "roles = [" + ", ".join(f'"{role}"' for role in dict.fromkeys(roles)) + "]",
    ]
    if good_ms is not None:
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(milliseconds=good_ms)
        lines.append(f"expires = {until.isoformat()}")
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def _locked(file: Path) -> Generator[None]:
    """Keeps other commands from adding to the file meanwhile, or one entry would be lost. What
    is locked stands beside it, as the file itself is replaced."""
    lock = os.open(file.with_name(f".{file.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(lock, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _append(file: Path, entry: str) -> None:
    """Adds to the file in one step, so that no hub reads half of it."""
    try:
        with _locked(file):
            before = file.read_text(encoding="utf-8") if file.exists() else ""
            tomllib.loads(before)
            part = file.with_name(f".{file.name}.{os.getpid()}")
            part.touch(mode=0o600)
            if file.exists():
                part.chmod(file.stat().st_mode & 0o777)
            part.write_text(f"{before.rstrip()}\n\n{entry}" if before.strip() else entry)
            part.replace(file)
    except OSError as error:
        why = error.strerror or str(error)
        raise CommandFailed(f"{file} cannot be written: {why}", Exit.USAGE) from error
    except ValueError as error:
        raise CommandFailed(
            f"{file} is no access file ({error}); correct it, or name another one", Exit.USAGE
        ) from error
