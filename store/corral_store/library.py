"""Puts the Lua of `corral_lua` together as one function library, and loads it.

Function names are global to a server, so each carries the digest of the whole library
(`submit_3f9a1c2b`): two releases stand side by side. The header of every transition is
checked against its typed stub when the library is built, so neither can drift alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

PARTS = (
    "keys", "unit", "fit", "filters", "classes", "room", "line", "place", "mail", "events",
    "steps", "questions", "ring", "attempt", "sessions", "opening", "retention", "rate", "repair",
    "pruning", "relining", "invariants",
)  # fmt: skip

READ_ONLY = frozenset(
    {
        "describe",
        "list_runs",
        "list_inputs",
        "list_sessions",
        "read_events",
        "read_feed",
        "stats",
        "check",
        "queues",
        "explain",
    }
)
# A server at its memory limit refuses these two and lets all others release what they can.
REFUSED_WHEN_FULL = frozenset({"submit", "open_session"})

_HEADER = re.compile(r"^-- (KEYS|ARGV|GIVES|AGAIN)\s+(.*)$")

_RUNNER = """
local function run(handler, KEYS, ARGV)
  local u, refusal = unit.open(KEYS[1], ARGV[1])
  if not u then return refusal end
  if u.repair and handler ~= transitions.repair and repair.holder(u) then
    return refuse('REPAIRING', 'the namespace is being repaired and takes no changes; try again')
  end
  local verdicts, more = handler(u, ARGV)
  local letters = mail.letters(u)
  unit.close(u)
  return { verdicts, letters, more or {} }
end

local function read(handler, KEYS, ARGV)
  local u, refusal = unit.open(KEYS[1], ARGV[1])
  if not u then return refusal end
  local verdicts, more = handler(u, ARGV)
  return { verdicts, '', more or {} }
end
"""


class LibraryError(Exception):
    """The Lua and the Python of this release do not belong together: a packaging fault."""


@dataclass(frozen=True, slots=True)
class Header:
    """The contract in the first lines of a transition."""

    keys: str
    arguments: str
    gives: str
    again: str


@dataclass(frozen=True, slots=True)
class Library:
    """The library as loaded: its name, its text, and the digest in its function names."""

    name: str
    digest: str
    source: str
    transitions: tuple[str, ...]

    def function(self, transition: str) -> str:
        """Name under which the server knows a transition."""
        return f"{transition}_{self.digest}"


def header_of(name: str, source: str) -> Header:
    """Reads the contract of a transition.

    Raises LibraryError when a line of it is missing.
    """
    found: dict[str, str] = {}
    label = ""
    for line in source.splitlines():
        if not line.startswith("--"):
            break
        match = _HEADER.match(line)
        if match:
            label = match.group(1)
            found[label] = match.group(2)
        elif label:
            gap = " " if found[label].endswith(",") else "  "
            found[label] += gap + line[2:].strip()
    missing = [word for word in ("KEYS", "ARGV", "GIVES", "AGAIN") if word not in found]
    if missing:
        raise LibraryError(f"{name}.lua: the header has no {', '.join(missing)}")
    return Header(found["KEYS"], found["ARGV"], found["GIVES"], found["AGAIN"])


def arguments_of(header: Header) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of a header's arguments: those said once, and those of each item.

    "hub, runs...   each: run, reason (JSON text)" gives ("hub", "runs") and
    ("run", "reason").
    """
    text = re.sub(r"\([^)]*\)", "", header.arguments)
    once, _, each = text.partition("each:")

    def names(part: str) -> tuple[str, ...]:
        listed = re.split(r"\s{2,}|;", part.strip())[0]
        return tuple(name.strip().rstrip(".") for name in listed.split(",") if name.strip())

    return names(once), names(each)


def read_sources(root: Traversable | None = None) -> dict[str, str]:
    """The Lua files as `parts/x` and `transitions/x`, without their suffix."""
    base = root if root is not None else resources.files("corral_lua")
    sources: dict[str, str] = {}
    for folder in ("parts", "transitions"):
        for entry in sorted((base / folder).iterdir(), key=lambda item: item.name):
            if entry.name.endswith(".lua"):
                key = f"{folder}/{entry.name.removesuffix('.lua')}"
                sources[key] = entry.read_text(encoding="utf-8")
    return sources


def build(sources: Mapping[str, str] | None = None) -> Library:
    """Puts the library together from the packaged Lua, or from `sources`.

    Raises LibraryError when a part is missing or a header is not as its stub says.
    """
    from corral_store.stubs import check_headers

    texts = dict(sources) if sources is not None else read_sources()
    names = tuple(sorted(key.split("/")[1] for key in texts if key.startswith("transitions/")))
    check_headers({name: header_of(name, texts[f"transitions/{name}"]) for name in names})
    pieces = [texts["parts/base"]]
    pieces.append(f"local {', '.join(PARTS)} = {', '.join('{}' for _ in PARTS)}\n")
    pieces.append("local transitions = {}\n")
    pieces.extend(f"do\n{texts[f'parts/{part}']}\nend\n" for part in PARTS)
    pieces.extend(f"do\n{texts[f'transitions/{name}']}\nend\n" for name in names)
    pieces.append(_RUNNER)
    body = "".join(pieces)
    digest = hashlib.sha256(body.encode()).hexdigest()[:8]
    registered = "".join(_register(name, digest) for name in names)
    title = f"corral_{digest}"
    return Library(title, digest, f"#!lua name={title}\n{body}{registered}", names)


def _register(name: str, digest: str) -> str:
    if name == "enter":
        runner = "transitions.enter(KEYS[1], ARGV)"
    else:
        runner = f"{'read' if name in READ_ONLY else 'run'}(transitions.{name}, KEYS, ARGV)"
    flags: list[str] = []
    if name in READ_ONLY:
        flags.append("'no-writes'")
    if name not in REFUSED_WHEN_FULL:
        flags.append("'allow-oom'")
    return (
        f"redis.register_function{{ function_name = '{name}_{digest}', "
        f"flags = {{ {', '.join(flags)} }},\n"
        f"  callback = function(KEYS, ARGV) return {runner} end }}\n"
    )


@cache
def packaged() -> Library:
    """The library of this release, built once per process."""
    return build()
