"""How replies, times and foreign text are written."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from corral.cli.exits import Exit
from corral.cli.options import duration_ms
from corral.cli.output import clean, span
from corral.cli.replies import answered, plain, written
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


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["info", "memory"], "# Memory\nused:1\\x1b"),
        (["CLIENT", "LIST"], "# Memory\nused:1\\x1b"),
        (["GET", "info"], '"# Memory\\r\\nused:1\\x1b\\r\\n"'),
    ],
)
def test_a_text_for_people_keeps_its_lines(command: list[str], text: str) -> None:
    assert answered(command, b"# Memory\r\nused:1\x1b\r\n") == text


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


def on_a_terminal(code: str) -> list[str]:
    """The lines that a program writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    env = environment(TERM="xterm", COLUMNS="80", NO_COLOR="1")
    done = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # how Linux tells the end of a terminal
        pass
    os.close(ours)
    assert done.wait() == 0
    plain_text = re.sub(r"\x1b\[[0-9;]*m", "", text.decode())
    return [line.rstrip() for line in plain_text.splitlines()]


def table(columns: object, rows: object, **options: object) -> list[str]:
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    return on_a_terminal(
        f"from corral.cli.output import print_table\nprint_table({columns!r}, {rows!r}{given})"
    )


def test_a_terminal_gets_an_aligned_table() -> None:
    lines = table(("RUN", "STATUS"), [("a-long-name", "ok"), ("b", "[red]x\x1b")])
    assert [line[13:] for line in lines[1:]] == ["ok", "[red]x\\x1b"]
    assert "STATUS" in lines[0]


def test_a_narrow_terminal_gets_ids_whole_and_fewer_columns() -> None:
    columns, row = ("RUN", "PROMPT", "A", "B", "C"), ("r" * 32, "why " * 12, "a" * 12, "b" * 9, "c")
    lines = table(columns, [row], wraps=("PROMPT",), spare=("B", "A", "C"))
    assert lines[0].split() == ["RUN", "PROMPT", "A", "C"]
    assert lines[1].startswith("r" * 32 + "  why why")
    assert len(lines) > 2, "the prompt goes on"
    assert max(map(len, lines)) <= 80


def test_what_is_too_wide_all_the_same_is_not_cut() -> None:
    assert "".join(table(("RUN",), [("r" * 100,)])).count("r") == 100


def test_a_person_is_told_that_there_is_nothing() -> None:
    assert table(("RUN",), [], none="no runs") == ["no runs"]


def test_a_time_of_today_is_short_on_a_terminal() -> None:
    code = (
        "from corral.cli.output import moment\nimport time\nprint(moment(int(time.time() * 1000)))"
    )
    (now,) = on_a_terminal(code)
    assert len(now) == len("12:34:56")


@pytest.mark.parametrize(
    ("words", "closed", "code"),
    [
        (["version"], "stdout", 0),
        (["submit", "hello", "-"], "stdin", Exit.USAGE),
        (["submit", "hello", "{"], "stderr", Exit.USAGE),
    ],
)
def test_a_closed_stream_is_no_traceback(words: list[str], closed: str, code: int) -> None:
    number = ("stdin", "stdout", "stderr").index(closed)
    sign = "<" if closed == "stdin" else ">"
    command = [sys.executable, "-m", "corral", *words]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {number}{sign}&-', "sh", *command],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_said_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "corral", "version", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
    assert done.returncode == Exit.UNAVAILABLE
    assert done.stderr == "corral: the output cannot be written: No space left on device\n"
