"""Limits of namespaces: over all hubs, changed while they run, and none of others' business."""

from __future__ import annotations

from pathlib import Path

import pytest

import corral
from tests.fleet.conftest import Fleet

pytestmark = pytest.mark.anyio


def limits(path: Path, text: str) -> str:
    file = path / "limits.toml"
    file.write_text(text)
    return str(file)


async def refused_of(client: corral.Client, count: int) -> list[corral.ResourceExhausted]:
    """Submits so many, one by one; gives the refusals."""
    refused: list[corral.ResourceExhausted] = []
    for _ in range(count):
        try:
            await client.submit_workflow("later", start_delay_ms=60_000)
        except corral.ResourceExhausted as error:
            refused.append(error)
    return refused


async def test_a_rate_holds_over_all_hubs_and_for_its_namespace_alone(
    fleet: Fleet, tmp_path: Path
) -> None:
    file = limits(tmp_path, "[namespace.team-a]\nsubmits_per_second = 0.01\nsubmit_burst = 6\n")
    for name in ("a", "b"):
        fleet.hub(name, limits_file=file)
    refused: list[corral.ResourceExhausted] = []
    for hub in fleet.hubs:
        client = await fleet.client(hubs=hub.address, namespace="team-a")
        refused += await refused_of(client, 5)
    assert len(refused) == 4
    error = refused[0]
    assert isinstance(error, corral.RateLimited)
    assert error.limit == "0.01 per second"
    assert error.retryable
    assert "try again in " in str(error)
    assert await refused_of(await fleet.client(), 10) == []
    stats = await (await fleet.client(namespace="team-a")).stats()
    assert stats.totals["submitted"] == 6


async def test_limits_change_while_hubs_run(fleet: Fleet, tmp_path: Path) -> None:
    file = limits(tmp_path, "[default]\nmax_waiting = 2\n")
    fleet.hub("a", limits_file=file)
    client = await fleet.client()
    for _ in range(2):
        await client.submit_workflow("waits")
    with pytest.raises(corral.QueueFull, match="2 runs wait for workflow:waits") as full:
        await client.submit_workflow("waits")
    assert full.value.limit == "2"

    async def submits() -> bool:
        try:
            await client.submit_workflow("waits")
        except corral.QueueFull:
            return False
        return True

    limits(tmp_path, "[default\n")
    assert not await submits(), "a file that cannot be read changes nothing"
    limits(tmp_path, "[default]\nmax_waiting = 3\n")
    await fleet.eventually(submits)
    assert not await submits()


async def test_an_input_is_as_large_as_the_namespace_may_send(fleet: Fleet, tmp_path: Path) -> None:
    fleet.hub("a", limits_file=limits(tmp_path, "[namespace.small]\nmax_payload_bytes = 100\n"))
    small = await fleet.client(namespace="small")
    with pytest.raises(corral.PayloadTooLarge) as large:
        await small.submit_workflow("later", "x" * 200)
    assert large.value.limit == "100"
    await (await fleet.client()).submit_workflow("later", "x" * 200)


async def test_a_batch_is_accepted_as_far_as_the_rate_goes(fleet: Fleet, tmp_path: Path) -> None:
    file = limits(tmp_path, "[default]\nsubmits_per_second = 0.01\nsubmit_burst = 3\n")
    fleet.hub("a", limits_file=file)
    client = await fleet.client()
    found = await client.submit_workflows([corral.Submit("later") for _ in range(5)])
    assert [isinstance(one, corral.RateLimited) for one in found] == [False] * 3 + [True] * 2
