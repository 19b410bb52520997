"""What the commands that run servers need beyond the SDK, and the answer when it is missing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from corral.cli.exits import CommandFailed, Exit

# Packages of the extras "hub" and "up", by the names that Python imports.
_EXTRAS = frozenset(
    {
        "redis",
        "hiredis",
        "structlog",
        "uvloop",
        "grpc_health",
        "grpc_reflection",
        "jsonschema_rs",
        "cryptography",
    }
)


@contextmanager
def extra(name: str) -> Generator[None]:
    """Around imports of the hub: a missing package becomes the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        root = (error.name or "").partition(".")[0]
        if root not in _EXTRAS and not root.startswith("corral_"):
            raise
        raise CommandFailed(
            f"this command needs {root}, which is not installed. Install it with: "
            f"pip install 'corral[{name}]'",
            Exit.USAGE,
        ) from error
