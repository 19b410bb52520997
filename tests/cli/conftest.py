"""A fleet from `corral up` and `corral worker`, and the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from corral.cli.app import app
from tests.cli.processes import Process, Up

NAMES = ("CORRAL_HUB", "CORRAL_TOKEN", "CORRAL_NAMESPACE")


@dataclass(frozen=True)
class Answer:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Cli = Callable[..., Answer]


def invoke(*arguments: str, input: str | None = None) -> Answer:
    result = CliRunner().invoke(app, arguments, input=input, prog_name="corral")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line of somebody who has set nothing."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return invoke


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with Up(tmp_path_factory.mktemp("up") / "data") as up:
        yield up
        assert up.end() == 0, up.output


@pytest.fixture(scope="session")
def fleet(up: Up) -> Iterator[Up]:
    """`corral up` with a worker on it."""
    with Process("worker", "tests.cli.handlers:worker", "--hub", up.address) as worker:
        worker.expect("Connected to hub")
        yield up
        assert worker.end() == 0, worker.output


@pytest.fixture
def cli(fleet: Up, bare: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line on a fleet with a worker."""
    monkeypatch.setenv("CORRAL_HUB", fleet.address)
    return bare
