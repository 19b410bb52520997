"""Subscriptions to hubs that fall silent, and those whose subscriber is slow or gives up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import corral
from corral import subscription
from corral.silence import Silence
from corral_proto.v1 import common_pb2
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.sdk.conftest import HubFactory

pytestmark = pytest.mark.anyio

SILENCE_SECONDS = 1.5
SECONDS = 30.0


class Script:
    """What a hub says to a subscriber: some events, and then nothing or the end."""

    def __init__(self, *numbers: int, ends: bool = False) -> None:
        self.asked: list[str] = []
        self.left = threading.Event()
        self._numbers = numbers
        self._ends = ends

    def __call__(self, request: Any, context: Any) -> Iterator[pb.SubscribeRunEventsResponse]:
        self.asked.append(request.cursor)
        # Before the first event, as a subscriber may be gone right behind the last.
        context.add_callback(self.left.set)
        for number in self._numbers:
            event = common_pb2.Event(run_id="r", number=number, type="e", cursor=f"1-{number}")
            yield pb.SubscribeRunEventsResponse(event=event)
        if self._ends:
            run = common_pb2.Run(run_id="r", status=common_pb2.RUN_STATUS_COMPLETED)
            yield pb.SubscribeRunEventsResponse(end=pb.SubscribeRunEventsResponse.End(run=run))
            return
        self.left.wait()


@dataclass
class Place:
    """A client whose first hub falls silent behind two events; the second goes on."""

    silent: Script
    other: Script
    client: corral.Client

    async def has_left(self) -> bool:
        """True once the first hub knows that its subscriber is gone."""
        return await anyio.to_thread.run_sync(self.silent.left.wait, SECONDS)


@pytest.fixture
async def place(make_hub: HubFactory, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(subscription, "SILENCE_SECONDS", SILENCE_SECONDS)
    a, b = make_hub("a"), make_hub("b")
    silent, other = Script(1, 2), Script(3, ends=True)
    a.calls["SubscribeRunEvents"], b.calls["SubscribeRunEvents"] = silent, other
    async with corral.Client([a.address, b.address]) as client:
        yield Place(silent, other, client)


async def numbers(place: Place, pause: float = 0.0) -> list[int]:
    found: list[int] = []
    async for event in place.client.subscribe_run_events("r"):
        assert isinstance(event, corral.Event)
        found.append(event.number)
        await anyio.sleep(pause)
    return found


async def test_a_hub_that_falls_silent_is_left_for_the_next(place: Place) -> None:
    with anyio.fail_after(SECONDS):
        assert await numbers(place) == [1, 2, 3]
    assert (place.silent.asked, place.other.asked) == ([""], ["1-2"])
    assert await place.has_left()


async def test_a_slow_subscriber_is_no_silent_hub(place: Place) -> None:
    with anyio.fail_after(SECONDS):
        assert await numbers(place, pause=1.5 * SILENCE_SECONDS) == [1, 2, 3]
    # Not between the events that were there already.
    assert place.other.asked == ["1-2"]


async def test_a_silent_hub_is_left_also_while_a_cancelled_task_cleans_up(place: Place) -> None:
    async def clean_up() -> list[int]:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            return await numbers(place)
        raise AssertionError

    task = asyncio.create_task(clean_up())
    await anyio.lowlevel.checkpoint()
    task.cancel()
    with anyio.fail_after(SECONDS):
        assert await task == [1, 2, 3]


async def test_who_gives_up_as_the_silence_breaks_has_given_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Both(Silence):
        def __init__(self, cut: Callable[[], object]) -> None:
            super().__init__(lambda: (cut(), task.cancel()))

    monkeypatch.setattr(subscription, "Silence", Both)
    task = asyncio.create_task(numbers(place))
    await asyncio.wait([task], timeout=SECONDS)
    assert task.cancelled()
    assert place.other.asked == []


@pytest.mark.parametrize("how", ["anyio", "asyncio"])
async def test_who_gives_up_is_not_taken_for_a_silent_hub(place: Place, how: str) -> None:
    async def two(give_up: Callable[[], object]) -> None:
        async for event in place.client.subscribe_run_events("r"):
            assert isinstance(event, corral.Event)
            if event.number == 2:
                give_up()

    async def late() -> str:
        if how == "anyio":
            with anyio.CancelScope() as scope:
                await two(scope.cancel)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SECONDS) as timeout:
                    await two(lambda: timeout.reschedule(0))
        return "over"

    # In a task of its own, or a cancellation that goes too far ends the one of the tests.
    (task,), _ = await asyncio.wait([asyncio.create_task(late())], timeout=SECONDS)
    assert task.result() == "over"
    assert place.other.asked == []
    assert await place.has_left()


async def test_only_time_in_which_somebody_waits_is_silence() -> None:
    cuts: list[float] = []
    cut = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_cut() -> None:
        cuts.append(loop.time())
        cut.set()

    silence = Silence(on_cut)
    began = loop.time()
    silence.begin(5)
    silence.end()
    # A wait that may last less than the one before.
    silence.begin(0.05)
    silence.end()
    await asyncio.sleep(0.1)
    assert not silence.broken
    silence.begin(0.2)
    await asyncio.sleep(0.15)
    silence.begin(0.2)
    with anyio.fail_after(SECONDS):
        await cut.wait()
    assert silence.broken
    assert len(cuts) == 1
    assert 0.1 + 0.15 + 0.2 <= cuts[0] - began < 4
    silence.begin(0.01)
    silence.close()
    await asyncio.sleep(0.05)
    assert len(cuts) == 1
