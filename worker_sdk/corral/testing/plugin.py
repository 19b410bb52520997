"""The plugin for pytest: the fixture `corral_fleet`, and the mark that shapes it.

pytest finds it by itself where corral is installed; nothing else imports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from corral.testing.fleet import Fleet

MARK = "corral_fleet(hubs=1, **settings): how the fixture corral_fleet is started, as of Fleet"


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known, for --strict-markers."""
    config.addinivalue_line("markers", MARK)


@pytest.fixture
def corral_fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """A private fleet, new for each test; for coroutines and, by `.sync`, for plain tests."""
    # Not before a test asks for it: every run of pytest imports this module.
    from corral.testing.fleet import Fleet

    mark = request.node.get_closest_marker("corral_fleet")
    with Fleet(**(mark.kwargs if mark is not None else {})) as fleet:
        yield fleet
