"""`corral up` as a real process: started, stopped, killed, started again on the same data."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest

from corral.cli.exits import Exit
from tests.cli.conftest import Cli
from tests.cli.processes import Process, Up, run


def record(data: Path) -> dict[str, object]:
    return msgspec.json.decode((data / "valkey.json").read_bytes())


def test_it_tells_what_to_do_next(up: Up) -> None:
    for command in ("corral worker ", "corral submit ", "corral runs"):
        (line,) = [line for line in up.seen if line.startswith(f"  {command}")]
        assert line.endswith(f"--hub {up.address}\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_work_survives_stop_and_start(tmp_path: Path, bare: Cli, number: int) -> None:
    data = tmp_path / "data"
    with Up(data) as up:
        bare("submit", "hello", '"ann"', "--run-id", "kept", "--hub", up.address)
        assert up.end(number) == Exit.OK, up.output
        assert "Runs are kept" in up.output
    assert not (data / "valkey.json").exists()
    with Up(data) as up:
        worker = ("worker", "tests.cli.handlers:worker", "--hub", up.address)
        with Process(*worker):
            answer = bare("events", "kept", "--follow", "--json", "--hub", up.address)
            assert answer.lines[-1]["type"] == "status.completed"
        assert up.end() == Exit.OK, up.output


def test_work_survives_a_kill_and_the_server_left_behind_is_ended(
    tmp_path: Path, bare: Cli
) -> None:
    data = tmp_path / "data"
    with Up(data) as up:
        bare("submit", "hello", '"ann"', "--run-id", "kept", "--hub", up.address)
        left = record(data)["pid"]
        assert up.end(signal.SIGKILL) == -signal.SIGKILL
    assert isinstance(left, int)
    os.kill(left, 0)
    with Up(data) as up:
        assert record(data)["pid"] != left
        answer = bare("describe", "kept", "--json", "--hub", up.address)
        assert answer.json["status"] == "pending"
        assert up.end() == Exit.OK, up.output


def test_a_second_one_on_the_same_data_is_told_who_has_it(up: Up) -> None:
    done = run("up", "--listen", "127.0.0.1:0", "--data", str(up.data))
    assert done.returncode == Exit.UNAVAILABLE
    assert f"in use by process {up.pid}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_ends_it_and_its_server(up: Up, tmp_path: Path) -> None:
    done = run("up", "--listen", up.address, "--data", str(tmp_path / "data"))
    assert done.returncode in (Exit.USAGE, Exit.UNAVAILABLE)
    assert up.address in done.stderr
    assert not (tmp_path / "data" / "valkey.json").exists()


def test_it_ends_when_its_valkey_dies_and_shows_the_log(tmp_path: Path) -> None:
    with Up(tmp_path / "data") as up:
        pid = record(up.data)["pid"]
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGKILL)
        assert up.wait() == Exit.UNAVAILABLE
        assert "the embedded Valkey ended by signal 9" in up.output
        assert "Ready to accept connections" in up.output
        assert "Traceback" not in up.output


def test_valkey_commands_reach_its_server(up: Up, bare: Cli) -> None:
    data = ("--data", str(up.data))
    text = bare("valkey", *data, "HGETALL", "corral:{default}:meta")
    assert text.code == Exit.OK
    assert text.out.lstrip().startswith('1) "')
    fields = bare("valkey", *data, "--json", "HGETALL", "corral:{default}:meta").json
    assert "format" in fields[::2]
    assert bare("valkey", *data, "ZCARD", "no-such-key").out == "(integer) 0\n"
    assert bare("valkey", *data, "GET", "no-such-key").out == "(nil)\n"
    assert bare("valkey", *data, "XRANGE", "no-such-key", "-", "+").out == "(empty array)\n"


def test_an_error_of_valkey_is_printed_and_exits_with_3(up: Up, bare: Cli) -> None:
    answer = bare("valkey", "--data", str(up.data), "NONSENSE")
    assert answer.code == Exit.REFUSED
    assert "(error)" in answer.out


def test_valkey_by_address(valkey: str, bare: Cli) -> None:
    assert bare("valkey", "--valkey", valkey, "PING").out == '"PONG"\n'
    gone = bare("valkey", "--valkey", "redis://127.0.0.1:1", "PING")
    assert gone.code == Exit.UNAVAILABLE
    assert "no Valkey answers" in gone.err


def test_valkey_without_a_running_up_says_so(bare: Cli, tmp_path: Path) -> None:
    answer = bare("valkey", "--data", str(tmp_path), "PING")
    assert answer.code == Exit.UNAVAILABLE
    assert "corral up" in answer.err
