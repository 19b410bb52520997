"""Code blocks of a Markdown file, and the commands in them. Reads; runs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


@dataclass
class Command:
    """A command as written after `$`, and the lines that it should print."""

    text: str
    output: list[str] = field(default_factory=list)


def blocks(path: Path, language: str) -> list[str]:
    """The blocks of one language, in order."""
    return [body for name, body in _BLOCK.findall(path.read_text()) if name == language]


def named_files(path: Path) -> dict[str, str]:
    """Python blocks that begin with a comment of their file's name."""
    found: dict[str, str] = {}
    for body in blocks(path, "python"):
        name = re.match(r"# (\w+\.py)\n", body)
        if name:
            found[name[1]] = body
    return found


def commands(path: Path) -> list[Command]:
    """The commands of all console blocks, in order."""
    found: list[Command] = []
    for body in blocks(path, "console"):
        for line in body.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            else:
                found[-1].output.append(line)
    return found
