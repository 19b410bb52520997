"""One filter language over two hubs: listings, cancels, retries, drains and subscriptions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import corral
from tests.fleet.conftest import Fleet
from tests.fleet.offers import Offers, accepted, offers, two_hubs
from tests.fleet.saying import SECONDS, Reader

__all__ = ["offers", "two_hubs"]
pytestmark = pytest.mark.anyio


class Varied:
    """Runs and workers that differ in everything a filter may name."""

    def __init__(self, offers: Offers, client: corral.Client) -> None:
        self.offers = offers
        self.client = client
        self.runs: dict[str, corral.Run[Any]] = {}

    async def begin(self) -> None:
        tags, labels = {"gpu": "a100", "zone": "1"}, {"rack": "7"}
        await self.offers.worker("gpu-1", tags=tags, labels=labels, room=4)
        await self.offers.worker("gpu-2", "workflow:big", tags={"gpu": "h100"}, room=4)
        await self.offers.worker("plain", "tool@1", room=4)
        await self.submit("done", labels={"team": "a", "job": "x"})
        await self.submit("failed", {"errors": ["fail"]}, labels={"team": "b"})
        await self.submit("runs", {"gate": "g"}, labels={"team": "a"})
        await self.submit("big", {"gate": "g"}, workflow="big", labels={"name": "two words"})
        await self.submit("tool", {"gate": "g"}, capability="tool@1")
        await self.submit("waits", workflow="nobody", labels={"team": "c"})
        await self.submit("later", start_delay_ms=600_000)
        for name in ("done", "failed"):
            await self.ended(name)
        live = [self.runs[name] for name in ("runs", "big", "tool")]
        await self.offers.until(lambda: self.offers.started(*live))

    async def submit(self, name: str, input: Any = None, **options: Any) -> None:
        workflow = options.pop("workflow", "job")
        self.runs[name] = await self.client.submit_workflow(workflow, input, **options)

    async def ended(self, name: str) -> None:
        async def so() -> bool:
            return (await self.runs[name].refresh()).status.terminal

        await self.offers.eventually(so)

    def names(self, run_ids: Any) -> set[str]:
        by_id = {run.run_id: name for name, run in self.runs.items()}
        return {by_id[run_id] for run_id in run_ids}


@pytest.fixture
async def varied(offers: Offers) -> Varied:
    varied = Varied(offers, await offers.client())
    await varied.begin()
    return varied


RUNS: dict[str, set[str]] = {
    "status=failed": {"failed"},
    "status=completed,failed": {"done", "failed"},
    "status=delayed": {"later"},
    "workflow=job": {"done", "failed", "runs", "tool", "later"},
    "workflow=job kind=workflow:job": {"done", "failed", "runs", "later"},
    "kind=tool": {"tool"},
    "label.team=a": {"done", "runs"},
    "label.team=*": {"done", "failed", "runs", "waits"},
    "label.team=a label.job=*": {"done"},
    "label.name='two words'": {"big"},
    "worker=gpu-1": {"done", "failed", "runs"},
    "worker=gpu-1 status=running": {"runs"},
    "tag.gpu=*": {"done", "failed", "runs", "big"},
    "tag.gpu=a100 tag.zone=1": {"done", "failed", "runs"},
    "tag.gpu=h100": {"big"},
    "tag.gpu=none": set(),
    "worker=plain tag.gpu=*": set(),
    "": {"done", "failed", "runs", "big", "tool", "waits", "later"},
}


async def test_a_listing_gives_what_its_filter_names(varied: Varied) -> None:
    other = await varied.offers.client(1)
    for text, names in RUNS.items():
        filter = corral.RunFilter.parse(text)
        for client, given in ((varied.client, text), (other, filter)):
            found = [run.run_id async for run in client.runs(filter=given)]
            assert varied.names(found) == names, text
        assert corral.RunFilter.parse(str(filter)) == filter
    mixed = [run.run_id async for run in other.runs(statuses=["failed"], filter="label.team=*")]
    assert varied.names(mixed) == {"failed"}


async def test_the_feed_gives_the_events_that_its_filter_names(varied: Varied) -> None:
    async def found(text: str, **given: Any) -> list[corral.Event]:
        events = varied.client.subscribe_all(cursor="0-0", filter=text, follow=False, **given)
        return [event async for event in events if isinstance(event, corral.Event)]

    for text, names in RUNS.items():
        if "status" not in text:
            assert varied.names(event.run_id for event in await found(text)) == names, text
    for text, names in (
        ("status=failed", {"failed"}),
        ("status=running tag.gpu=*", {"done", "failed", "runs", "big"}),
        ("status=completed worker=gpu-1", {"done"}),
    ):
        events = await found(text)
        assert varied.names(event.run_id for event in events) == names, text
        assert len(events) == len(names)
    told = await found("worker=gpu-1 label.job=x", workflow="job")
    assert [event.type for event in told] == ["status.running", "status.completed"]
    assert {event.workflow for event in told} == {"job"}


async def test_an_event_knows_the_worker_that_the_run_has_just_left(offers: Offers) -> None:
    await offers.worker("w", tags={"gpu": "a100"})
    client = await offers.client()
    retry = corral.RetryPolicy(max_attempts=2, initial_backoff_ms=20, jitter=0)
    run = await client.submit_workflow("job", {"errors": ["value"]}, retry=retry)
    await run.result(timeout=20)
    for text in ("worker=w", "tag.gpu=a100"):
        events = client.subscribe_all(cursor="0-0", filter=text, follow=False)
        assert [event.type async for event in events] == [
            "status.running", "status.delayed", "status.pending", "status.running",
            "status.completed",
        ], text  # fmt: skip


async def test_a_cancel_ends_what_its_filter_names_and_nothing_else(varied: Varied) -> None:
    cancelled = await varied.client.cancel_workflows(filter="tag.gpu=*")
    assert varied.names(cancelled) == {"runs", "big"}
    assert varied.names(await varied.client.cancel_workflows(filter="kind=tool")) == {"tool"}
    rest = await varied.client.cancel_workflows(filter="label.team=*", statuses=["pending"])
    assert varied.names(rest) == {"waits"}
    assert (await varied.runs["later"].refresh()).status is corral.RunStatus.DELAYED


async def test_a_retry_repeats_what_its_filter_names(varied: Varied) -> None:
    client = varied.client
    assert await client.retry_runs(filter="label.team=a") == {}
    assert varied.names(await client.retry_runs(filter="worker=gpu-1")) == {"failed"}
    await varied.ended("failed")
    done = await client.retry_runs(filter="status=completed label.job=x tag.gpu=a100")
    assert done == {varied.runs["done"].run_id: "completed"}


WORKERS: dict[str, set[str]] = {
    "kind=workflow:job": {"gpu-1"},
    "worker=gpu-1,plain": {"gpu-1", "plain"},
    "tag.gpu=*": {"gpu-1", "gpu-2"},
    "tag.gpu=* label.rack=7": {"gpu-1"},
    "label.rack=*": {"gpu-1"},
    "worker=gpu-2 tag.gpu=a100": set(),
}


async def test_workers_are_listed_and_drained_by_filter(varied: Varied) -> None:
    client = varied.client
    for text, names in WORKERS.items():
        filter = corral.WorkerFilter.parse(text)
        for given in (text, filter):
            assert {row.worker_id for row in await client.list_workers(filter=given)} == names, text
        assert corral.WorkerFilter.parse(str(filter)) == filter
    assert await client.drain_workers(filter="tag.gpu=none") == {}
    drained = await client.drain_workers(filter="tag.gpu=*", kind="workflow:big")
    assert {name: one.in_flight for name, one in drained.items()} == {"gpu-2": 1}
    assert [row.worker_id for row in await client.list_workers() if row.draining] == ["gpu-2"]


async def test_a_filter_that_means_everything_changes_nothing(offers: Offers) -> None:
    client = await offers.client()
    run = await client.submit_workflow("job")
    for filter in (None, "", corral.RunFilter(), corral.RunFilter(labels={})):
        for call in (client.cancel_workflows(filter=filter), client.retry_runs(filter=filter)):
            with pytest.raises(corral.InvalidRequest, match="every run"):
                await call
    for workers in (None, "", corral.WorkerFilter()):
        with pytest.raises(corral.InvalidRequest, match="every worker"):
            await client.drain_workers(filter=workers)
    assert (await run.refresh()).status is corral.RunStatus.PENDING


@pytest.mark.parametrize(
    ("filter", "words"),
    [
        ({"workflow": "a b"}, "filter.workflow 'a b' does not match"),
        ({"kind": "a b"}, "filter.kind"),
        ({"worker_id": "a/b"}, "filter.worker_id"),
        ({"worker_tags": ["a b=c"]}, "filter.worker_tags"),
        ({"worker_tags": [f"t{n}=*" for n in range(33)]}, "33 entries; 32 at most"),
        ({"labels": {"a b": "c"}}, "filter.labels"),
        ({"labels": {"a": "x" * 257}}, "257 characters; 256 at most"),
        ({"labels": {f"l{n}": "" for n in range(17)}}, "17 entries; 16 at most"),
    ],
)
async def test_a_hub_refuses_what_can_never_match(
    offers: Offers, filter: dict[str, Any], words: str
) -> None:
    client = await offers.client()
    chosen = corral.RunFilter(**filter)
    for call in (
        client.list_runs(filter=chosen),
        client.cancel_workflows(filter=chosen),
        anext(aiter(client.subscribe_all(filter=chosen))),
    ):
        with pytest.raises(corral.InvalidRequest, match=words) as refused:
            await call
        assert refused.value.field.startswith("filter.")


async def test_many_runs_are_filtered_page_by_page(offers: Offers) -> None:
    client = await offers.client()
    submits = [
        corral.Submit("nobody", labels={"part": str(n % 7)}, run_id=f"m-{n}") for n in range(3000)
    ]
    await accepted(client, submits)
    wanted = {f"m-{n}" for n in range(3, 3000, 7)}
    found = [run.run_id async for run in client.runs(filter="label.part=3")]
    assert (len(found), set(found)) == (len(wanted), wanted)
    assert set(await client.cancel_workflows(filter="label.part=3")) == wanted
    assert await client.cancel_workflows(filter="label.part=3") == []


async def test_a_filtered_subscription_misses_nothing_when_its_hub_is_killed(
    fleet: Fleet,
) -> None:
    hubs = [fleet.hub("a"), fleet.hub("b")]
    await fleet.worker("gpu", room=8, tags={"gpu": "a100"})
    await fleet.worker("cpu", room=8)
    client = await fleet.client()
    chosen = corral.RunFilter(labels={"team": "a"}, worker_tags=["gpu=*"])
    readers = [
        Reader(other.subscribe_all(cursor="0-0", filter=chosen))
        for other in (await fleet.client(), await fleet.client(hubs=fleet.addresses[::-1]))
    ]
    runs: list[corral.Run[Any]] = []
    for n in range(160):
        if n in (40, 110):
            hub = hubs[n // 100]
            hub.kill()
            await asyncio.to_thread(hub.start)
        labels = {"team": "a" if n % 2 else "b"}
        runs.append(await client.submit_workflow("nap", {"seconds": 0.05}, labels=labels))
    await asyncio.gather(*(run.result(SECONDS) for run in runs))
    expected: list[tuple[str, int]] = []
    for run in runs:
        if (await run.refresh()).worker_id == "gpu" and run.snapshot.labels["team"] == "a":
            # The first event was told without a worker, which has no tags.
            assert run.snapshot.last_event == 3
            expected += [(run.run_id, 2), (run.run_id, 3)]
    assert len(expected) > 40
    for reader in readers:
        await reader.until(fleet, lambda r=reader: len(r.seen) >= len(expected))
        seen = [(e.run_id, e.number) for e in reader.seen if isinstance(e, corral.Event)]
        assert sorted(seen) == sorted(expected)
        await reader.stop()
    assert await fleet.check() == []
