"""Which text files the demo summarizes. Reads them; decides nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SUFFIXES = frozenset({".md", ".markdown", ".rst", ".txt", ".adoc"})
# Below the payload limit of a hub, with room for JSON's escapes.
MAX_BYTES = 500_000
MAX_FILES = 1000
# The repository's own documents: what people read, and the wire contract.
OWN = ("*.md", "LICENSE", "docs/**/*.md", "deploy/*.md", "bench/*.md", "examples/**/*.md")


class NoDocuments(Exception):
    """There is nothing to summarize; the message says where and what was looked for."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text file, named as seen from the folder."""

    name: str
    text: str


def repository() -> Path:
    """The root of this checkout."""
    return Path(__file__).resolve().parents[2]


def collect(folder: Path | None) -> tuple[list[Document], list[str]]:
    """Reads the text files of a folder, or the repository's own; gives also why some are left out.

    Raises `NoDocuments` where there are none.
    """
    root = folder or repository()
    if not root.is_dir():
        raise NoDocuments(
            f"{root} is not a folder; name one that has text files: make demo DIR=..."
        )
    found: list[Document] = []
    left_out: list[str] = []
    for path in _paths(root, own=folder is None):
        name = path.relative_to(root).as_posix()
        if len(found) == MAX_FILES:
            left_out.append(f"everything from {name} on: {MAX_FILES} files are enough")
            break
        reason = _unfit(path)
        if reason:
            left_out.append(f"{name}: {reason}")
        else:
            found.append(Document(name, path.read_text(encoding="utf-8", errors="replace")))
    if not found:
        suffixes = ", ".join(sorted(SUFFIXES))
        raise NoDocuments(f"{root} has no text files ({suffixes}) to summarize.")
    return found, left_out


def _paths(root: Path, *, own: bool) -> list[Path]:
    if own:
        return sorted({path for pattern in OWN for path in root.glob(pattern)})
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def _unfit(path: Path) -> str:
    size = path.stat().st_size
    if size == 0:
        return "empty"
    return f"{size} bytes, the limit is {MAX_BYTES}" if size > MAX_BYTES else ""
