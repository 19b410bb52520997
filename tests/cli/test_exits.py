"""The table from errors to exit codes."""

from __future__ import annotations

import inspect

import pytest

from corral import errors
from corral.cli.exits import CommandFailed, Exit, exit_code

EXPECTED: dict[type[errors.CorralError], Exit] = {
    errors.NoHub: Exit.UNAVAILABLE,
    errors.Unavailable: Exit.UNAVAILABLE,
    errors.InternalHubError: Exit.UNAVAILABLE,
    errors.Unauthenticated: Exit.UNAUTHENTICATED,
    errors.PermissionDenied: Exit.UNAUTHENTICATED,
    errors.InvalidRequest: Exit.REFUSED,
    errors.PayloadTooLarge: Exit.REFUSED,
    errors.AlreadyExists: Exit.REFUSED,
    errors.RunNotFound: Exit.REFUSED,
    errors.WorkerNotFound: Exit.REFUSED,
    errors.NoMatchingWorker: Exit.REFUSED,
    errors.StoreFull: Exit.REFUSED,
    errors.BadAddress: Exit.USAGE,
}


@pytest.mark.parametrize("cls", EXPECTED, ids=lambda cls: cls.__name__)
def test_an_error_has_its_exit_code(cls: type[errors.CorralError]) -> None:
    assert exit_code(cls("why")) is EXPECTED[cls]


def test_runs_that_ended_badly_exit_with_1() -> None:
    failed = errors.RunFailed(run_id="r", code="HANDLER", type="ValueError", message="no")
    assert exit_code(failed) is Exit.RUN_ENDED_BADLY
    assert exit_code(errors.RunCancelled(run_id="r")) is Exit.RUN_ENDED_BADLY


def test_a_command_chooses_its_own_code() -> None:
    assert exit_code(CommandFailed("why", Exit.USAGE)) is Exit.USAGE


def test_every_error_of_the_sdk_has_a_code() -> None:
    for _, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, errors.CorralError):
            assert exit_code(cls.__new__(cls)) is not Exit.OK
