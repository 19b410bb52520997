"""Which worker a run goes to: versions, tags, selectors, taints, load, loaded models."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

import corral
from tests.fleet.offers import Offers, accepted, offers, two_hubs

__all__ = ["offers", "two_hubs"]
pytestmark = pytest.mark.anyio


async def placed(offers: Offers, client: corral.Client, **options: Any) -> str:
    """The worker that executes a run with these options."""
    workflow = options.pop("workflow", "job")
    run = await client.submit_workflow(workflow, options.pop("input", None), **options)
    return (await run.result(timeout=20))["worker"]


async def test_a_run_for_an_exact_version_goes_to_that_version_only(offers: Offers) -> None:
    for version in (1, 2, 3):
        await offers.worker(f"v{version}", f"tool@{version}", room=4)
    client = await offers.client()
    assert {await placed(offers, client, capability="tool@2") for _ in range(4)} == {"v2"}
    run = await client.submit_workflow("job", capability="tool@4")
    assert run.status is corral.RunStatus.PENDING
    assert "no worker offers the capability" in run.warnings[0]
    assert await run.cancel()


async def test_any_version_takes_the_highest_with_room_and_the_run_names_it(
    offers: Offers,
) -> None:
    await offers.worker("old", "tool@1")
    await offers.worker("both", "tool@2", "tool@7")
    client = await offers.client()
    first = await client.submit_workflow("job", {"gate": "g"}, capability="tool@*")
    second = await client.submit_workflow("job", {"gate": "g"}, capability="tool@*")
    third = await client.submit_workflow("job", {"gate": "g"}, capability="tool@*")
    await offers.until(lambda: offers.started(first, second))
    assert (offers.where(first), offers.where(second)) == ("both", "old")
    assert (await first.describe()).capability == "tool@7"
    assert (await second.describe()).capability == "tool@1"
    assert {start.capability for start in offers.starts} == {"tool@7", "tool@1"}
    assert (await third.describe()).capability == "tool@*"
    offers.open("g")
    await third.result(timeout=20)
    assert (await third.describe()).capability in ("tool@7", "tool@1")


async def test_a_workflow_by_name_alone_meets_a_worker_that_names_no_version(
    offers: Offers,
) -> None:
    await offers.worker("w", "workflow:summarize")
    client = await offers.client()
    assert await placed(offers, client, workflow="summarize") == "w"
    assert await placed(offers, client, workflow="summarize", workflow_version=1) == "w"


async def test_a_workflow_runs_on_the_capability_that_it_asks_for(offers: Offers) -> None:
    await offers.worker("plain", "workflow:summarize")
    await offers.worker("llm", "inference:llm:ollama@1")
    client = await offers.client()
    ollama = "inference:llm:ollama@1"
    assert await placed(offers, client, workflow="summarize", capability=ollama) == "llm"


async def test_every_required_tag_must_be_there(offers: Offers) -> None:
    await offers.worker("eu", room=4, tags={"region": "eu", "disk": "ssd"})
    await offers.worker("us", room=4, tags={"region": "us"})
    await offers.worker("none", room=4)
    client = await offers.client()
    for _ in range(3):
        assert await placed(offers, client, required_tags=["region=us"]) == "us"
        assert await placed(offers, client, required_tags=["region=*", "disk=ssd"]) == "eu"
    some = {await placed(offers, client, required_tags=["region=*"]) for _ in range(6)}
    assert some == {"eu", "us"}


async def test_a_selector_requires_and_forbids_labels(offers: Offers) -> None:
    await offers.worker("a", room=4, labels={"zone": "1", "gpu": "a100"})
    await offers.worker("b", room=4, labels={"zone": "2", "spot": "yes"})
    await offers.worker("c", room=4, labels={"zone": "2"})
    client = await offers.client()
    for _ in range(3):
        required = corral.Selector(required={"zone": "2"}, forbidden={"spot": "*"})
        assert await placed(offers, client, selector=required) == "c"
        any_gpu = corral.Selector(required={"gpu": "*"})
        assert await placed(offers, client, selector=any_gpu) == "a"
        not_two = corral.Selector(forbidden={"zone": "2"})
        assert await placed(offers, client, selector=not_two) == "a"


async def test_preferred_labels_outweigh_load_until_the_worker_is_full(offers: Offers) -> None:
    await offers.worker("plain", room=4)
    await offers.worker("one", room=2, labels={"zone": "1"})
    await offers.worker("two", room=2, labels={"zone": "1", "disk": "ssd"})
    client = await offers.client()
    wish = corral.Selector(preferred={"zone": "1", "disk": "*"})
    where: list[str] = []
    for _ in range(5):
        run = await client.submit_workflow("job", {"gate": "g"}, selector=wish)
        await offers.until(lambda run=run: offers.started(run))
        where.append(offers.where(run))
    assert where == ["two", "two", "one", "one", "plain"]


async def test_an_untolerated_taint_keeps_runs_away(offers: Offers) -> None:
    await offers.worker("w", room=4, taints=[corral.Taint("gpu", "a100")])
    client = await offers.client()
    kept_away = [
        [],
        [corral.Toleration("gpu", "h100")],
        [corral.Toleration("cpu")],
        [corral.Toleration("gpu", "a100", effect="PreferNoSchedule")],
    ]
    for tolerations in kept_away:
        run = await client.submit_workflow("job", tolerations=tolerations)
        assert run.status is corral.RunStatus.PENDING
        assert "taint" in run.warnings[0]
        assert await run.cancel()
    let_in = [
        [corral.Toleration("gpu")],
        [corral.Toleration("gpu", "a100")],
        [corral.Toleration("gpu", effect="NoSchedule")],
        [corral.Toleration("cpu"), corral.Toleration("gpu", "a100", effect="NoSchedule")],
    ]
    for tolerations in let_in:
        assert await placed(offers, client, tolerations=tolerations) == "w"
    assert len(offers.starts) == len(let_in)


async def test_a_soft_taint_is_the_last_choice_and_still_a_choice(offers: Offers) -> None:
    soft = corral.Taint("spot", "yes", effect="PreferNoSchedule")
    await offers.worker("spot", room=4, taints=[soft], labels={"zone": "1"})
    await offers.worker("steady", room=1)
    client = await offers.client()
    wish = corral.Selector(preferred={"zone": "1"})
    first = await client.submit_workflow("job", {"gate": "g"}, selector=wish)
    second = await client.submit_workflow("job", {"gate": "g"}, selector=wish)
    await offers.until(lambda: offers.started(first, second))
    assert (offers.where(first), offers.where(second)) == ("steady", "spot")
    offers.open("g")
    await first.result(timeout=20)
    tolerant = await client.submit_workflow(
        "job", selector=wish, tolerations=[corral.Toleration("spot")]
    )
    assert (await tolerant.result(timeout=20))["worker"] == "spot"


@pytest.mark.parametrize("alike", [True, False], ids=["one pool", "a pool each"])
async def test_runs_go_to_the_least_loaded_and_then_in_turns(offers: Offers, alike: bool) -> None:
    names = ("x", "y", "z")
    for name in names:
        await offers.worker(name, room=4, labels={} if alike else {"name": name})
    client = await offers.client()
    # Idle workers of equal load take turns, they are not always the same one.
    turns = Counter([await placed(offers, client) for _ in range(6)])
    assert turns == dict.fromkeys(names, 2)
    for level in range(1, 5):
        runs = await accepted(client, [corral.Submit("job", {"gate": "g"}) for _ in names])
        await offers.until(lambda runs=runs: offers.started(*runs))
        assert {name: len(offers.live[name]) for name in names} == dict.fromkeys(names, level)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"required_tags": ["gpu"]}, "required_tags"),
        ({"required_tags": ["=a100"]}, "required_tags"),
        ({"required_tags": ["gpu="]}, "required_tags"),
        ({"capability": "tool@x"}, "capability"),
        ({"capability": "to ol@1"}, "capability"),
        ({"selector": corral.Selector(required={"a b": "1"})}, "selector.required"),
        ({"tolerations": [corral.Toleration("")]}, "tolerations.key"),
        ({"priority": 256}, "priority"),
        ({"fairness_key": "a b"}, "fairness.key"),
    ],
)
async def test_a_malformed_term_is_refused_and_the_field_is_named(
    offers: Offers, options: Any, field: str
) -> None:
    client = await offers.client()
    with pytest.raises(corral.InvalidRequest) as refused:
        await client.submit_workflow("job", **options)
    assert refused.value.field == field
    assert (await client.list_runs()).runs == []


async def test_a_run_that_nobody_can_take_waits_with_a_warning_that_names_what_is_missing(
    offers: Offers,
) -> None:
    await offers.worker("w", tags={"region": "eu"}, labels={"zone": "1"})
    await offers.worker("tainted", "workflow:marked", taints=[corral.Taint("gpu")])
    await offers.worker("card", "workflow:infer", admission=corral.VramBudget(8000))
    client = await offers.client()
    asked: list[tuple[str, dict[str, Any], str]] = [
        ("unknown", {}, "no worker offers the capability (workflow:unknown)"),
        ("job", {"required_tags": ["region=us"]}, "required tags"),
        ("job", {"selector": corral.Selector(required={"zone": "2"})}, "selector"),
        ("marked", {}, "taint"),
        ("infer", {"vram_mb": 9000}, "video memory"),
    ]
    for workflow, options, words in asked:
        run = await client.submit_workflow(workflow, **options)
        assert run.status is corral.RunStatus.PENDING
        (warning,) = run.warnings
        assert words in warning
        with pytest.raises(corral.NoMatchingWorker, match=re.escape(words)):
            await client.submit_workflow(workflow, wait_for_worker=False, **options)
    assert (await client.submit_workflow("job")).warnings == ()


async def test_without_waiting_a_run_starts_at_once_or_is_refused(offers: Offers) -> None:
    await offers.worker("w", room=1)
    client, other = await offers.client(0), await offers.client(1)
    run = await client.submit_workflow("job", {"gate": "g"}, wait_for_worker=False)
    with pytest.raises(corral.NoMatchingWorker, match="full") as refused:
        await other.submit_workflow("job", run_id="refused", wait_for_worker=False)
    assert refused.value.field == "wait_for_worker"
    with pytest.raises(corral.RunNotFound):
        await client.describe_workflow("refused")
    offers.open("g")
    await run.result(timeout=20)
    again = await other.submit_workflow("job", wait_for_worker=False)
    assert (await again.result(timeout=20))["worker"] == "w"


async def test_a_waiting_run_starts_when_a_worker_that_fits_connects(offers: Offers) -> None:
    await offers.worker("eu", tags={"region": "eu"})
    client = await offers.client()
    run = await client.submit_workflow("job", required_tags=["region=us"])
    assert run.warnings
    await offers.worker("us", tags={"region": "us"})
    assert (await run.result(timeout=20))["worker"] == "us"


async def test_runs_that_nobody_can_take_do_not_delay_one_that_can_run(offers: Offers) -> None:
    client = await offers.client()
    stuck = [
        corral.Submit("job", required_tags=[f"rack={i}"], priority=0, labels={"stuck": "yes"})
        for i in range(100)
    ]
    await accepted(client, stuck)
    later = await client.submit_workflow("job", priority=255)
    await offers.worker("w", tags={"rack": "none"})
    assert (await later.result(timeout=20))["worker"] == "w"
    assert (await (await client.submit_workflow("job")).result(timeout=20))["worker"] == "w"
    assert len(offers.starts) == 2


async def resident(offers: Offers, client: corral.Client, worker: str, models: set[str]) -> None:
    """Waits until the fleet knows what a worker has loaded."""

    async def known() -> bool:
        rows = {row.worker_id: set(row.resident) for row in await client.list_workers()}
        return rows[worker] == models

    await offers.eventually(known)


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "llama3:8b"},
        {"input": {"model": "llama3:8b"}},
        {"input": {"model_name": "llama3:8b"}},
    ],
    ids=["field", "model of the input", "model_name of the input"],
)
async def test_a_run_goes_where_its_model_is_loaded(offers: Offers, asked: Any) -> None:
    for name in ("cold", "warm", "other"):
        await offers.worker(name, room=5)
    client = await offers.client()
    offers.workers["warm"].resident("llama3:8b", vram_mb=6000)
    offers.workers["other"].resident("mistral")
    await resident(offers, client, "warm", {"llama3:8b"})
    await resident(offers, client, "other", {"mistral"})
    assert {await placed(offers, client, **asked) for _ in range(4)} == {"warm"}
    assert len({await placed(offers, client) for _ in range(4)}) > 1


async def test_a_model_that_is_loaded_or_evicted_counts_for_the_next_run(offers: Offers) -> None:
    await offers.worker("x", room=3)
    await offers.worker("y", room=3)
    client, other = await offers.client(0), await offers.client(1)
    for home, away in (("x", "y"), ("y", "x")):
        offers.workers[home].resident("llama3")
        await resident(offers, client, home, {"llama3"})
        assert {await placed(offers, other, model="llama3") for _ in range(3)} == {home}
        offers.workers[home].evicted("llama3")
        await resident(offers, other, home, set())
        both = {await placed(offers, client, model="llama3") for _ in range(2)}
        assert both == {home, away}


async def test_a_full_worker_with_the_model_does_not_hold_runs_back(offers: Offers) -> None:
    await offers.worker("warm", room=2)
    await offers.worker("cold", room=2)
    client = await offers.client()
    offers.workers["warm"].resident("llama3")
    await resident(offers, client, "warm", {"llama3"})
    where: list[str] = []
    for _ in range(4):
        run = await client.submit_workflow("job", {"gate": "g"}, model="llama3")
        await offers.until(lambda run=run: offers.started(run))
        where.append(offers.where(run))
    assert where == ["warm", "warm", "cold", "cold"]
