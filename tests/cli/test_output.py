"""How replies, times and foreign text are written."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from corral.cli.options import duration_ms
from corral.cli.output import clean, span
from corral.cli.replies import plain, written
from tests.cli.processes import environment


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (None, "(nil)"),
        (7, "(integer) 7"),
        (b"plain", '"plain"'),
        (b'a"b\\\n\x00\xff', '"a\\"b\\\\\\n\\x00\\xff"'),
        ([], "(empty array)"),
        ([b"a", 1], '1) "a"\n2) (integer) 1'),
        ([[b"id", [b"k", b"v"]], None], '1) 1) "id"\n   2) 1) "k"\n      2) "v"\n2) (nil)'),
        (list(range(10)), "\n".join(f"{n + 1:>2}) (integer) {n}" for n in range(10))),
        (ValueError("ERR no"), "(error) ERR no"),
    ],
)
def test_a_reply_is_written_as_valkey_cli_does(reply: object, text: str) -> None:
    assert written(reply) == text


def test_a_reply_becomes_json() -> None:
    assert plain([b"a", [1, None], b"\xff"]) == ["a", [1, None], "\\xff"]


def test_control_characters_cannot_reach_the_terminal() -> None:
    assert clean("a\x1b[31mb\u202ec\n") == "a\\x1b[31mb\\u202ec\\n"
    assert clean("Grüße, 世界") == "Grüße, 世界"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0.0s"), (1_240, "1.2s"), (61_000, "1m01s"), (3_720_000, "1h02m")],
)
def test_spans_are_short(milliseconds: int, text: str) -> None:
    assert span(1_000, 1_000 + milliseconds) == text


def test_a_span_that_has_not_ended_is_empty() -> None:
    assert span(1_000, 0) == ""


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("30s", 30_000), ("1.5m", 90_000), ("2h", 7_200_000), ("1d", 86_400_000)],
)
def test_durations_have_units(text: str, milliseconds: int) -> None:
    assert duration_ms("--deadline", text) == milliseconds


def test_a_terminal_gets_an_aligned_table() -> None:
    code = (
        "from corral.cli.output import print_table\n"
        "print_table(('RUN', 'STATUS'), [('a-long-name', 'ok'), ('b', '[red]x\\x1b')])"
    )
    ours, theirs = pty.openpty()
    env = environment(TERM="xterm", COLUMNS="80", NO_COLOR="1")
    done = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, env=env)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # how Linux tells the end of a terminal
        pass
    os.close(ours)
    assert done.wait() == 0
    lines = [line.rstrip() for line in text.decode().splitlines()]
    assert [line[13:] for line in lines[1:]] == ["ok", "[red]x\\x1b"]
    assert "STATUS" in lines[0]
