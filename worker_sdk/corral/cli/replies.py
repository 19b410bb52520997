"""Replies of Valkey as text: numbered lists, `(integer)`, `(nil)`, quoted strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corral.cli.output import clean

# What these answer is a text with lines, for people: the same commands as in valkey-cli.
TEXTS = frozenset(
    {
        "INFO", "LOLWUT", "CLIENT LIST", "CLIENT INFO", "CLUSTER INFO", "CLUSTER NODES",
        "DEBUG HTSTATS", "LATENCY DOCTOR", "LATENCY GRAPH", "MEMORY DOCTOR", "MEMORY MALLOC-STATS",
    }
)  # fmt: skip
_ESCAPES = {
    ord('"'): '\\"',
    ord("\\"): "\\\\",
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    ord("\a"): "\\a",
    ord("\b"): "\\b",
}


def answered(arguments: Sequence[str], reply: Any) -> str:
    """Writes the reply to a command: a text with its lines where it is one, else as `written`."""
    names = {" ".join(arguments[:count]).upper() for count in (1, 2)}
    if isinstance(reply, bytes) and not TEXTS.isdisjoint(names):
        return "\n".join(clean(line) for line in plain(reply).splitlines())
    return written(reply)


def written(reply: Any, indent: int = 0) -> str:
    """Writes a reply as valkey-cli does on a terminal; `indent` is the column that it starts in."""
    match reply:
        case None:
            return "(nil)"
        case bytes():
            return quoted(reply)
        case str():
            return reply
        case bool():
            return f"({'true' if reply else 'false'})"
        case int():
            return f"(integer) {reply}"
        case float():
            return f"(double) {reply:g}"
        case Exception():
            return f"(error) {reply}"
        case list() | tuple() | set():
            return _numbered(list(reply), indent)
        case _:
            return str(reply)


def quoted(data: bytes) -> str:
    """Writes bytes in double quotes, with escapes for all that is not printable ASCII."""
    return '"' + "".join(_ESCAPES.get(b) or _byte(b) for b in data) + '"'


def plain(reply: Any) -> Any:
    """Turns a reply into what JSON can carry; bytes that are no UTF-8 become escapes."""
    match reply:
        case bytes():
            return reply.decode("utf-8", "backslashreplace")
        case Exception():
            return {"error": str(reply)}
        case list() | tuple() | set():
            return [plain(item) for item in reply]
        case _:
            return reply


def _byte(value: int) -> str:
    return chr(value) if 32 <= value < 127 else f"\\x{value:02x}"


def _numbered(items: list[Any], indent: int) -> str:
    if not items:
        return "(empty array)"
    width = len(str(len(items)))
    lines: list[str] = []
    for number, item in enumerate(items, start=1):
        mark = f"{number:>{width}}) "
        pad = " " * indent if number > 1 else ""
        lines.append(f"{pad}{mark}{written(item, indent + len(mark))}")
    return "\n".join(lines)
