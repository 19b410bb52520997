"""Cases measure what they say, in small and with real processes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bench.cases.events import events
from bench.cases.growth import growth
from bench.cases.limits import limits
from bench.cases.memory import memory
from bench.figures import Figures
from bench.rig import Rig
from corral_hub.embedded import EmbeddedValkey


class _Small(Rig):
    """A tenth of a quick run whatever is asked for; `info` is what its last Valkey said."""

    info: dict[str, Any]

    def size(self, quick: int, full: int) -> int:
        return quick // 10

    @contextlib.asynccontextmanager
    async def valkey(self, *, durable: bool = True) -> AsyncGenerator[EmbeddedValkey]:
        async with super().valkey(durable=durable) as valkey, Redis.from_url(valkey.url) as client:
            yield valkey
            self.info = await client.info("all")


async def test_functions_are_measured_without_the_disk_and_by_how_often_they_were_called(
    tmp_path: Path,
) -> None:
    rig, figures = _Small(tmp_path, quick=True, rounds=1), Figures(quick=True)
    await limits(rig, figures)
    assert not rig.info["aof_enabled"]
    called = rig.info["cmdstat_fcall"]
    (inside,) = figures.found["limits.fcall_inside"].samples
    assert inside == pytest.approx(called["usec"] / called["calls"])


async def test_all_bands_have_what_waits_as_long_as_they_are_measured(tmp_path: Path) -> None:
    rig, figures = Rig(tmp_path, quick=True, rounds=3), Figures(quick=True)
    await growth(rig, figures, lambda world: world.bands > 0)
    assert len(figures.found["growth.8 bands"].samples) == 3


@pytest.mark.parametrize(
    ("case", "figure"), [(events, "events.delivered"), (memory, "memory.session")]
)
async def test_a_full_run_has_as_many_rounds_as_were_asked_for(
    case: Callable[[Rig, Figures], Awaitable[None]], figure: str, tmp_path: Path
) -> None:
    figures = Figures(quick=False)
    await case(_Small(tmp_path, quick=False, rounds=1), figures)
    assert len(figures.found[figure].samples) == 1
