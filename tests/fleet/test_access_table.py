"""Who tries what at a fleet with locked doors, and the answer: one table.

The same table, in words, is in docs/access.md; `test_the_page_has_the_table` compares them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

import corral
from corral.errors import CorralError
from tests.fleet.locked import Locked
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).resolve().parents[2] / "docs" / "access.md"


@dataclass
class World:
    """The hubs, and what is there before anybody tries anything."""

    locked: Locked
    run: str = ""
    other_run: str = ""
    cursor: str = ""
    other_authority: trustme.CA | None = None


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    valkey = ValkeyServer().start()
    locked = Locked(valkey.url, tmp_path_factory.mktemp("locked"))
    yield locked
    locked.stop()
    valkey.stop()


@pytest.fixture(scope="module")
async def world(locked: Locked) -> World:
    """A run of team-a that asks a question and is not answered; a run that waits."""
    found = World(locked, other_authority=trustme.CA())
    worker = locked.worker("gpu-first", "ada-worker")
    async with locked.client("ada") as client, worker:
        found.run = (await client.submit_workflow("nap", "sure?")).run_id
        found.other_run = (await client.submit_workflow("waits")).run_id
        async for event in client.subscribe_run_events(found.run):
            if isinstance(event, corral.Event) and event.type == "input.request":
                break
        async for event in client.subscribe_run_events(found.other_run):
            assert isinstance(event, corral.Event)
            found.cursor = event.cursor
            break
        worker.stop(immediate=True)
    return found


# What is tried. Each goes over both hubs, `listed` and `signed`, unless it says another.
Try = Callable[[World, str], Awaitable[Any]]


def _calls(job: Callable[[corral.Client, World], Awaitable[Any]], **given: Any) -> Try:
    async def attempt(world: World, token: str) -> Any:
        async with world.locked.client(token, **given) as client:
            return await job(client, world)

    return attempt


async def _follow(client: corral.Client, run: str, cursor: str = "") -> None:
    async for _ in client.subscribe_run_events(run, cursor=cursor):
        return


submits = _calls(lambda c, w: c.submit_workflow("waits"))
pauses = _calls(lambda c, w: c.pause("workflow:other"))
drains_theirs = _calls(lambda c, w: c.drain_worker("gpu-first"))
describes = _calls(lambda c, w: c.describe_workflow(w.run))
cancels = _calls(lambda c, w: c.cancel_workflow(w.run))
retries = _calls(lambda c, w: c.retry_runs([w.run]))
answers = _calls(lambda c, w: c.respond(w.run, "q", "yes"))
follows = _calls(lambda c, w: _follow(c, w.run))
follows_nothing = _calls(lambda c, w: _follow(c, "no-such-run"))
follows_from_elsewhere = _calls(lambda c, w: _follow(c, w.run, w.cursor))
answers_nothing = _calls(lambda c, w: c.respond(w.run, "q9", "yes"))
asks_for_a = _calls(lambda c, w: c.list_runs(), namespace="team-a")
asks_for_nothing = _calls(lambda c, w: c.list_runs(), namespace="no-such-team")
asks_for_nonsense = _calls(lambda c, w: c.list_runs(), namespace="a b")
asks_for_its_own = _calls(lambda c, w: c.list_runs(), namespace="team-b")


def shows(name: str, *, other: bool = False) -> Try:
    """Comes to hub `mutual` with a certificate, of its authority or of another one."""

    async def attempt(world: World, token: str) -> Any:
        tls = world.locked.pki.client(name, world.other_authority if other else None)
        async with world.locked.client(token, "mutual", tls=tls, timeout=2.0) as client:
            return await client.list_runs()

    return attempt


async def shows_itself(world: World, token: str) -> Any:
    """Comes to hub `mutual` with a certificate that it has signed itself."""
    alone = trustme.CA()
    tls = corral.Tls(
        ca=world.locked.pki.ca,
        cert=alone.cert_pem.bytes(),
        key=alone.private_key_pem.bytes(),
    )
    async with world.locked.client(token, "mutual", tls=tls, timeout=2.0) as client:
        return await client.list_runs()


async def shows_nothing(world: World, token: str) -> Any:
    async with world.locked.client(token, "mutual", timeout=2.0) as client:
        return await client.list_runs()


async def trusts_others(world: World, token: str) -> Any:
    """Dials a hub whose certificate is of an authority that it does not trust."""
    assert world.other_authority is not None
    tls = corral.Tls(ca=world.other_authority.cert_pem.bytes())
    async with world.locked.client(token, tls=tls, timeout=2.0) as client:
        return await client.list_runs()


async def speaks_plainly(world: World, token: str) -> Any:
    async with corral.Client(world.locked.address(), token=token, timeout=2.0) as client:
        return await client.list_runs()


def joins(worker_id: str, hub: str = "listed", kind: str = "", **key: str) -> Try:
    async def attempt(world: World, token: str) -> Any:
        given: dict[str, Any] = {}
        if key:
            given["enrolment_key"] = world.locked.key(**key)
        if hub == "mutual":
            given["tls"] = world.locked.pki.client("ada.example")
        worker = world.locked.worker(worker_id, token, hub, **given)
        if kind:
            worker.capability(kind)(_nothing)
        async with worker:
            # The run that asks has come to it, and nobody answers.
            worker.stop(immediate=True)

    return attempt


async def _nothing(ctx: corral.Context, input: Any) -> None:
    """Does nothing; a worker that is let in never gets so far."""


OK = None
NOT_FOR_A = "not for namespace 'team-a'"
WANTS = "this hub wants a token"

# who, its token, what it tries, the words for that, the answer, what the answer says
TABLE: list[tuple[str, str, Try, str, type[CorralError] | None, str]] = [
    ("nobody", "", submits, "submits", corral.Unauthenticated, WANTS),
    ("an unknown token", "who", submits, "submits", corral.Unauthenticated, WANTS),
    ("an expired token", "late", submits, "submits", corral.Unauthenticated, "has expired"),
    ("a token that has time left", "early", submits, "submits", OK, ""),
    ("orchestrator", "ada", submits, "submits", OK, ""),
    ("admin", "ada-admin", submits, "submits", OK, ""),
    ("worker", "ada-worker", submits, "submits", corral.PermissionDenied, "role orchestrator"),
    ("orchestrator", "ada", pauses, "pauses a kind", corral.PermissionDenied, "role admin"),
    ("admin", "ada-admin", pauses, "pauses a kind", OK, ""),
    ("worker", "ada-worker", pauses, "pauses a kind", corral.PermissionDenied, "role admin"),
    ("orchestrator", "ada", drains_theirs, "drains a worker", corral.PermissionDenied, "admin"),
    ("orchestrator", "ada", joins("gpu-2"), "joins as a worker", corral.PermissionDenied,
     "role worker"),
    ("admin", "ada-admin", joins("gpu-2"), "joins as a worker", corral.PermissionDenied,
     "role worker"),
    ("another team", "bob", asks_for_a, "asks for the namespace", corral.PermissionDenied,
     NOT_FOR_A),
    ("another team", "bob", asks_for_nothing, "asks for one that does not exist",
     corral.PermissionDenied, "not for namespace 'no-such-team'"),
    ("another team", "bob", asks_for_its_own, "asks for its own", OK, ""),
    ("another team", "bob", asks_for_nonsense, "asks for what is no namespace",
     corral.InvalidRequest, "corral-namespace"),
    ("another team", "bob", describes, "describes a run", corral.RunNotFound, "no run"),
    ("another team", "bob", cancels, "cancels a run", corral.RunNotFound, "no run"),
    ("another team", "bob", follows, "follows a run", corral.RunNotFound, "no run"),
    ("another team", "bob", answers, "answers its question", corral.RunNotFound, "no run"),
    ("another team", "bob-admin", drains_theirs, "drains its worker", corral.WorkerNotFound,
     "no live session"),
    ("another team", "bob-worker", answers, "answers as a worker", corral.PermissionDenied,
     "role orchestrator"),
    ("orchestrator", "ada", follows_nothing, "follows a run that does not exist",
     corral.RunNotFound, "no run"),
    ("orchestrator", "ada", follows_from_elsewhere, "follows from the cursor of another run",
     corral.InvalidRequest, "cursor"),
    ("orchestrator", "ada", answers_nothing, "answers what was not asked", corral.InputNotFound,
     "no question 'q9'"),
    ("who trusts another authority", "ada", trusts_others, "dials a hub", corral.NoHub,
     "No hub could be reached"),
    ("who speaks without TLS", "ada", speaks_plainly, "dials a hub", corral.NoHub,
     "No hub could be reached"),
    ("no certificate", "ada", shows_nothing, "dials a hub with mutual TLS", corral.NoHub,
     "No hub could be reached"),
    ("a certificate of another authority", "ada", shows("ada.example", other=True),
     "dials a hub with mutual TLS", corral.NoHub, "No hub could be reached"),
    ("a self-signed certificate", "ada", shows_itself, "dials a hub with mutual TLS",
     corral.NoHub, "No hub could be reached"),
    ("a certificate that is not in the file", "", shows("eve.example"), "lists runs",
     corral.Unauthenticated, WANTS),
    ("a certificate that is", "", shows("ada.example"), "lists runs", OK, ""),
    ("a certificate, with a wrong token", "who", shows("ada.example"), "lists runs",
     corral.Unauthenticated, WANTS),
    ("a certificate, as a worker", "", joins("w", "mutual"), "joins", OK, ""),
    ("a worker on the list", "ada-worker", joins("gpu-2"), "joins", OK, ""),
    ("a worker not on the list", "ada-worker", joins("cpu-1"), "joins", corral.WorkerRejected,
     "not on this hub's list"),
    ("a worker on another team's list", "bob-worker", joins("any-1"), "joins",
     corral.WorkerRejected, "not on this hub's list"),
    ("a worker on the list", "ada-worker", joins("gpu-2", kind="inference:x"), "offers more",
     corral.WorkerRejected, "may not offer 'inference:x'"),
    ("a worker without a key", "ada-worker", joins("w", "signed"), "joins",
     corral.WorkerRejected, "sign with an enrolment key"),
    ("a worker with a key", "ada-worker", joins("w", "signed", file="known"), "joins", OK, ""),
    ("a worker with an unknown key", "ada-worker", joins("w", "signed", file="unknown"), "joins",
     corral.WorkerRejected, "'unknown' is not known here"),
    ("a worker with a key of a wrong name", "ada-worker",
     joins("w", "signed", file="unknown", name="known"), "joins", corral.WorkerRejected,
     "signature is not of enrolment key 'known'"),
    ("a worker with the key of others", "ada-worker", joins("w", "signed", file="gpu"), "joins",
     corral.WorkerRejected, "not for worker 'w'"),
    ("a worker with a key for less", "ada-worker", joins("gpu-1", "signed", file="gpu"), "joins",
     corral.WorkerRejected, "may not offer 'workflow:nap'"),
    ("a worker with another team's key", "bob-worker", joins("gpu-1", "signed", file="gpu"),
     "joins", corral.WorkerRejected, "'gpu' is not known here"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("token", "attempt", "answer", "says"),
    [(row[1], row[2], *row[4:]) for row in TABLE],
    ids=[f"{row[0]} {row[3]}" for row in TABLE],
)
async def test_who_tries_what(
    world: World, token: str, attempt: Try, answer: type[CorralError] | None, says: str
) -> None:
    if answer is None:
        await attempt(world, token)
        return
    with pytest.raises(answer) as told:
        await attempt(world, token)
    assert type(told.value) is answer
    assert says in str(told.value)


@pytest.mark.parametrize(
    ("token", "attempt"),
    [("bob", describes), ("bob", cancels), ("bob", follows), ("bob", answers)],
    ids=["describe", "cancel", "follow", "answer"],
)
async def test_what_is_not_yours_is_answered_as_what_is_not_there(
    world: World, token: str, attempt: Try
) -> None:
    texts: list[str] = []
    mine = world.run
    for run in (mine, "f" * len(mine)):
        world.run = run
        try:
            with pytest.raises(corral.RunNotFound) as told:
                await attempt(world, token)
        finally:
            world.run = mine
        texts.append(str(told.value).replace(run, "RUN"))
    assert texts[0] == texts[1]


async def test_another_team_sees_nothing_in_any_list(world: World) -> None:
    async with world.locked.client("ada") as ada, world.locked.client("bob") as bob:
        assert {run.run_id for run in (await ada.list_runs()).runs} >= {world.run}
        assert (await bob.list_runs()).runs == []
        assert (await bob.list_inputs()).inputs == []
        assert await bob.retry_runs([world.run]) == {world.run: "unknown"}
        assert await bob.cancel_workflows(statuses=["pending"]) == []
        assert (await bob.stats()).totals.get("submitted", 0) == 0
        async with world.locked.worker("gpu-9", "ada-worker") as worker:
            assert "gpu-9" in {w.worker_id for w in await ada.list_workers()}
            assert await bob.list_workers() == []
            worker.stop(immediate=True)


def test_the_page_has_the_table() -> None:
    page = PAGE.read_text()
    for who, _, _, tries, answer, says in TABLE:
        told = f"`{answer.__name__}`" if answer is not None else "yes"
        row = f"| {who} | {tries} | {told} |"
        assert row in page, f"{row} ({says})"
