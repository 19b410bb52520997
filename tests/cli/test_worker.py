"""`corral worker`: finding the worker, and what wins over what it says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import corral
from corral.cli import worker as command
from corral.cli.exits import Exit
from tests.cli import handlers
from tests.cli.conftest import Cli
from tests.cli.processes import Process, Up

MODULE = "tests.cli.handlers"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("no_such_module:worker", "no module 'no_such_module'"),
        ("tests.cli.nothing:worker", "no module 'tests.cli.nothing'"),
        (f"{MODULE}:nothing", f"workers in it: {MODULE}:worker"),
        (f"{MODULE}:not_a_worker", "is of type str, not a corral.Worker"),
        ("json:loads", "there is no corral.Worker in it"),
    ],
)
def test_a_worker_that_is_not_there_is_told_apart(bare: Cli, target: str, told: str) -> None:
    answer = bare("worker", target)
    assert answer.code == Exit.USAGE
    assert told in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import no_such_dependency", "No module named 'no_such_dependency'"),
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_module_that_is_broken_shows_its_own_lines_alone(
    bare: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    (tmp_path / "broken_module.py").write_text(f"import json\n{text}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    answer = bare("worker", "broken_module:worker")
    assert answer.code == Exit.USAGE
    assert told in answer.err
    assert 'broken_module.py", line 2' in answer.err
    assert answer.err.count("File ") == 1


def test_options_win_over_the_worker(monkeypatch: pytest.MonkeyPatch, bare: Cli) -> None:
    worker = corral.Worker("own-id", hubs="own-hub")
    ran: list[corral.Worker] = []
    monkeypatch.setattr(handlers, "worker", worker)
    monkeypatch.setattr(corral.Worker, "run_forever", lambda self: ran.append(self))
    options = (
        "--hub", "a:1,b:2", "--token", "t", "--namespace", "n", "--worker-id", "other-id",
        "--max-in-flight", "5",
    )  # fmt: skip
    assert bare("worker", f"{MODULE}:worker", *options).code == Exit.OK
    assert ran == [worker]
    assert (worker.hubs, worker.token, worker.namespace) == ("a:1,b:2", "t", "n")
    assert (worker.worker_id, worker.admission) == ("other-id", corral.Fixed(5))


def test_the_environment_does_not_win_over_the_worker(
    monkeypatch: pytest.MonkeyPatch, bare: Cli
) -> None:
    worker = corral.Worker("own-id", hubs="own-hub")
    monkeypatch.setattr(handlers, "worker", worker)
    monkeypatch.setattr(corral.Worker, "run_forever", lambda self: None)
    monkeypatch.setenv("CORRAL_HUB", "elsewhere")
    assert bare("worker", f"{MODULE}:worker").code == Exit.OK
    assert worker.hubs == "own-hub"


def test_modules_of_this_directory_are_found_first(up: Up, tmp_path: Path) -> None:
    (tmp_path / "here_module.py").write_text(
        "import corral\n"
        "class Holder:\n"
        "    worker = corral.Worker('here')\n"
        "    @worker.workflow('here')\n"
        "    def here(): return 'here'\n"
    )
    command = ("worker", "here_module:Holder.worker", "--hub", up.address)
    with Process(*command, cwd=tmp_path) as worker:
        worker.expect("Connected to hub up")
        assert worker.end() == 0, worker.output


def test_a_target_needs_both_parts() -> None:
    for target in ("", ":", "module", "module:", ":worker"):
        with pytest.raises(Exception, match="is not MODULE:OBJECT"):
            command.load_worker(target)
