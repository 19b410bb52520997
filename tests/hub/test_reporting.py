"""Reports of a worker on their way to the store: which leave, which wait, and in what order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from corral_hub.session.reporting import LARGE, REPORTS_PER_CALL, WAITING_BYTES, Reporting
from corral_store.errors import StoreUnavailable
from corral_store.records import Report


class Store:
    """A store that answers when it is told to; `calls` are the runs of each call that came."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.failures: list[Exception] = []
        self._answers: list[asyncio.Future[None]] = []
        self.reporting = Reporting(self._call, self.failures.append)

    async def _call(self, reports: Sequence[Report]) -> None:
        self.calls.append([report.run for report in reports])
        self._answers.append(asyncio.get_running_loop().create_future())
        await self._answers[-1]

    async def answer(self, call: int, error: Exception | None = None) -> None:
        """Answers a call, and lets all happen that follows."""
        if error is None:
            self._answers[call].set_result(None)
        else:
            self._answers[call].set_exception(error)
        await _all_that_follows()

    @property
    def sizes(self) -> list[int]:
        return [len(call) for call in self.calls]


@pytest.fixture
async def store() -> AsyncGenerator[Store]:
    store = Store()
    yield store
    await store.reporting.stop()


async def _all_that_follows() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def _reports(*runs: str, a: str = "") -> list[Report]:
    return [Report("completed", run, "1", 1, a) for run in runs]


def _many(name: str, count: int) -> list[Report]:
    return _reports(*(f"{name}{number}" for number in range(count)))


async def _take(store: Store, reports: list[Report]) -> asyncio.Task[None]:
    task = asyncio.create_task(store.reporting.take(reports))
    await _all_that_follows()
    return task


async def test_a_lone_report_leaves_at_once_and_its_frame_does_not_wait_for_the_verdict(
    store: Store,
) -> None:
    taken = await _take(store, _reports("a"))
    assert store.calls == [["a"]]
    assert taken.done()


async def test_few_wait_for_the_call_that_is_on_its_way_and_then_leave_together(
    store: Store,
) -> None:
    for run in "abc":
        assert (await _take(store, _reports(run))).done()
    assert store.calls == [["a"]]
    await store.answer(0)
    assert store.calls == [["a"], ["b", "c"]]


async def test_many_leave_beside_a_call_that_is_on_its_way_and_a_third_call_waits(
    store: Store,
) -> None:
    first = await _take(store, _many("a", REPORTS_PER_CALL + LARGE))
    assert store.sizes == [REPORTS_PER_CALL, LARGE]
    assert first.done()
    third = await _take(store, _many("b", LARGE))
    assert len(store.calls) == 2
    assert not third.done(), "more is read from a worker whose reports cannot leave"
    await store.answer(1)
    assert store.sizes == [REPORTS_PER_CALL, LARGE, LARGE]
    assert third.done()


async def test_what_is_said_of_one_run_never_overtakes_what_was_said_before(store: Store) -> None:
    await _take(store, _reports("a"))
    await _take(store, [*_many("b", LARGE), *_reports("a")])
    assert store.calls == [["a"]]
    await store.answer(0)
    assert store.sizes == [1, LARGE + 1]


async def test_behind_one_that_has_to_wait_nobody_leaves(store: Store) -> None:
    await _take(store, _reports("a"))
    await _take(store, [*_reports("a"), *_many("b", REPORTS_PER_CALL + LARGE)])
    assert store.calls == [["a"]]
    await store.answer(0)
    assert store.calls[1][0] == "a"
    assert store.sizes[1:] == [REPORTS_PER_CALL, LARGE + 1]


async def test_a_few_large_reports_are_many(store: Store) -> None:
    await _take(store, _reports("a"))
    large = await _take(store, _reports("b", a="x" * (WAITING_BYTES + 1)))
    assert not large.done()
    await store.answer(0)
    assert large.done()


async def test_settled_is_when_all_have_their_verdicts(store: Store) -> None:
    await _take(store, _reports("a"))
    await _take(store, _reports("b"))
    settled = asyncio.create_task(store.reporting.settled())
    await store.answer(0)
    assert not settled.done()
    await store.answer(1)
    assert settled.done()


async def test_after_a_refusal_nothing_more_is_sent_and_it_is_told_once(store: Store) -> None:
    await _take(store, _many("a", REPORTS_PER_CALL + LARGE))
    waiting = await _take(store, _many("b", LARGE))
    error = StoreUnavailable("away")
    await store.answer(1, error)
    assert waiting.done()
    assert store.failures == [error]
    await store.answer(0, StoreUnavailable("still"))
    await _take(store, _reports("c"))
    await store.reporting.settled()
    assert len(store.calls) == 2
    assert store.failures == [error]


async def test_what_nobody_expects_is_told_too(store: Store) -> None:
    await _take(store, _reports("a"))
    error = KeyError("verdict")
    await store.answer(0, error)
    assert store.failures == [error]


async def test_a_stream_that_is_gone_waits_for_no_verdict_and_sends_no_more(store: Store) -> None:
    await _take(store, _reports("a"))
    await _take(store, _reports("b"))
    await store.reporting.stop()
    await store.reporting.settled()
    assert store.calls == [["a"]]
    assert store.failures == []
