"""Who tries what against two hubs, and the answer: tokens, roles, namespaces, certificates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

import corral
from tests.fleet.guarded import Guarded, entries
from tests.servers import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def guarded(own_valkey: ValkeyServer, tmp_path: Path) -> AsyncIterator[Guarded]:
    guarded = Guarded(own_valkey.url, tmp_path)
    for name, namespace, *roles in (
        ("a-worker", "team-a", "worker"),
        ("a-caller", "team-a", "orchestrator"),
        ("a-admin", "team-a", "admin"),
        ("b-caller", "team-b", "orchestrator"),
        ("anywhere", "*", "admin", "worker"),
    ):
        guarded.token(name, namespace, *roles)
    try:
        yield guarded
    finally:
        await guarded.close()


Try = Callable[[corral.Client], Awaitable[Any]]


async def follow(client: corral.Client) -> None:
    async for _ in client.subscribe_run_events("secret"):
        pass


async def submit(client: corral.Client) -> None:
    await client.submit_workflow("echo", 1)


async def read_on_with_another_cursor(client: corral.Client) -> None:
    async for _ in client.subscribe_run_events("secret", cursor="no cursor"):
        pass


@dataclass(frozen=True)
class Attempt:
    """One row: who tries what, and the answer."""

    who: str
    what: str
    by: Try
    answer: type[Exception] | None
    says: str = ""
    namespace: str | None = None


# The run "secret" is of team-a, has asked the question "q1", and waits for an answer.
TABLE = [
    Attempt("nobody", "submits", submit, corral.Unauthenticated, "wants a token"),
    Attempt("a wrong token", "submits", submit, corral.Unauthenticated, "wants a token"),
    Attempt("expired", "submits", submit, corral.Unauthenticated, "expired"),
    Attempt("a-caller", "submits", submit, None),
    Attempt("a-caller", "submits to its own by name", submit, None, namespace="team-a"),
    Attempt(
        "a-caller", "submits to another's", submit, corral.PermissionDenied,
        "not for namespace 'team-b'", "team-b",
    ),
    Attempt(
        "a-caller", "submits to one that is not there", submit, corral.PermissionDenied,
        "not for namespace 'nowhere'", "nowhere",
    ),
    Attempt("a-worker", "submits", submit, corral.PermissionDenied, "needs the role orchestrator"),
    Attempt(
        "a-caller", "pauses a kind", lambda c: c.pause("workflow:echo"),
        corral.PermissionDenied, "needs the role admin",
    ),
    Attempt("a-admin", "pauses a kind", lambda c: c.pause("workflow:nothing"), None),
    Attempt("a-admin", "lists runs", lambda c: c.list_runs(), None),
    Attempt("a-caller", "describes its run", lambda c: c.describe_workflow("secret"), None),
    Attempt(
        "b-caller", "describes another's run", lambda c: c.describe_workflow("secret"),
        corral.RunNotFound, "no run 'secret'",
    ),
    Attempt(
        "b-caller", "describes none", lambda c: c.describe_workflow("nothing"),
        corral.RunNotFound, "no run 'nothing'",
    ),
    Attempt(
        "b-caller", "cancels another's run", lambda c: c.cancel_run("secret"),
        corral.RunNotFound, "no run 'secret'",
    ),
    Attempt("b-caller", "follows another's run", follow, corral.RunNotFound, "no run 'secret'"),
    Attempt(
        "b-caller", "answers another's question", lambda c: c.respond("secret", "q1", True),
        corral.RunNotFound, "no run 'secret'",
    ),
    Attempt(
        "a-caller", "answers what was not asked", lambda c: c.respond("secret", "q9", True),
        corral.InputNotFound, "no question 'q9'",
    ),
    Attempt(
        "a-caller", "reads on with a cursor that is none", read_on_with_another_cursor,
        corral.InvalidRequest, "cursor",
    ),
    Attempt(
        "a-caller", "sends a namespace that is none", submit, corral.InvalidRequest,
        "corral-namespace", "a b",
    ),
]  # fmt: skip


@pytest.fixture
async def secret(guarded: Guarded) -> AsyncIterator[Guarded]:
    """The run of the table, which runs on a worker of team-a."""
    guarded.token("expired", "team-a", "orchestrator")
    text = guarded.access.read_text()
    guarded.access.write_text(text.rstrip() + "\nexpires = 2020-01-01T00:00:00Z\n")
    guarded.both()
    worker = guarded.worker("w", "a-worker")

    @worker.workflow("asks")
    async def asks(ctx: corral.Context) -> Any:
        return await ctx.request_input("May I?", key="q1")

    client = await guarded.client("a-caller")
    async with worker:
        await client.submit_workflow("asks", run_id="secret")

        async def asked() -> bool:
            return bool((await client.list_inputs()).inputs)

        await guarded.until(asked)
        yield guarded
        worker.stop(immediate=True)


async def test_who_tries_what_and_the_answer(secret: Guarded) -> None:
    wrong: list[str] = []
    for row in TABLE:
        token = {"nobody": "", "a wrong token": "corral_wrong"}.get(row.who, row.who)
        # The last hub of the list is asked by half of them: the answer is the same anywhere.
        hubs = secret.addresses[:: -1 if TABLE.index(row) % 2 else 1]
        client = await secret.client(token, namespace=row.namespace, hubs=hubs)
        try:
            await asyncio.wait_for(row.by(client), 20)
            found: Exception | None = None
        except corral.CorralError as error:
            found = error
        if type(found) is not (row.answer or type(None)) or row.says not in str(found or ""):
            wrong.append(f"{row.who} {row.what}: {found!r}")
    assert not wrong, "\n".join(wrong)


async def test_the_other_namespace_sees_nothing(secret: Guarded) -> None:
    other = await secret.client("b-caller")
    assert (await other.list_runs()).runs == []
    assert (await other.list_inputs()).inputs == []
    assert [worker.worker_id for worker in await other.list_workers()] == []
    assert (await other.stats()).totals.get("submitted", 0) == 0


async def test_a_run_goes_through_both_roles_of_a_namespace(guarded: Guarded) -> None:
    guarded.both()
    async with guarded.worker("w", "a-worker", hubs=guarded.addresses[0]) as worker:
        client = await guarded.client("a-caller", hubs=guarded.addresses[1])
        assert await (await client.submit_workflow("echo", 7)).result(timeout=20) == 7
        worker.stop()


async def test_a_caller_may_not_be_a_worker(guarded: Guarded) -> None:
    guarded.both()
    with pytest.raises(corral.PermissionDenied, match="needs the role worker"):
        await guarded.worker("w", "a-caller").run()


async def test_a_token_that_is_taken_away_ends_what_it_has_open(guarded: Guarded) -> None:
    guarded.both()
    client = await guarded.client("a-caller")
    running = asyncio.create_task(guarded.worker("w", "a-worker").run())

    async def joined() -> bool:
        return bool(await client.list_workers())

    await guarded.until(joined)
    run = await client.submit_workflow("nobody-offers-this")

    async def follow_for_ever() -> None:
        async for _ in run.events():
            pass

    following = asyncio.create_task(follow_for_ever())
    kept = [
        one for one in entries(guarded.access) if "a-worker" not in one and "a-caller" not in one
    ]
    guarded.access.write_text("".join(kept))
    with pytest.raises(corral.Unauthenticated):
        await asyncio.wait_for(running, 20)
    with pytest.raises(corral.Unauthenticated):
        await asyncio.wait_for(following, 20)
    with pytest.raises(corral.Unauthenticated):
        await client.stats()


async def test_two_tokens_of_a_name_are_good_until_one_is_taken_away(guarded: Guarded) -> None:
    guarded.both()
    old = guarded.tokens["a-caller"]
    guarded.token("a-caller", "team-a", "orchestrator")
    before, after = await guarded.client(old), await guarded.client("a-caller")

    async def known(client: corral.Client) -> bool:
        try:
            await client.stats()
        except corral.Unauthenticated:
            return False
        return True

    await guarded.until(lambda: known(after))
    assert await known(before)
    first = next(one for one in entries(guarded.access) if "a-caller" in one)
    guarded.access.write_text(guarded.access.read_text().replace(first, "", 1))

    async def gone() -> bool:
        return not await known(before)

    await guarded.until(gone)
    assert await known(after)


async def test_a_broken_file_changes_nothing(guarded: Guarded) -> None:
    guarded.both()
    client = await guarded.client("a-caller")
    guarded.access.write_text("[[token]]\nname = 7\n")
    log = guarded.folder / "a.log"

    async def seen() -> bool:
        return "a file is wrong" in log.read_text()

    await guarded.until(seen)
    assert (await client.stats()).sessions == 0


async def test_a_certificate_says_who_one_is(guarded: Guarded) -> None:
    guarded.access.write_text(
        '[[certificate]]\nname = "gpu-7.example"\nnamespace = "team-a"\nroles = ["worker"]\n'
        '[[certificate]]\nname = "ci.example"\nnamespace = "team-a"\nroles = ["orchestrator"]\n'
    )
    guarded.both("--tls-client-ca", guarded.path("ca.pem"))
    async with guarded.worker("w", tls=guarded.tls("gpu-7.example")) as worker:
        client = await guarded.client(tls=guarded.tls("ci.example"))
        assert await (await client.submit_workflow("echo", 7)).result(timeout=20) == 7
        worker.stop()
    stranger = await guarded.client(tls=guarded.tls("stranger.example"))
    with pytest.raises(corral.Unauthenticated):
        await stranger.stats()
    with pytest.raises(corral.PermissionDenied):
        await guarded.worker("w", tls=guarded.tls("ci.example")).run()


@pytest.mark.parametrize("kind", ["of another authority", "none"])
async def test_a_certificate_that_is_not_of_the_authority_does_not_come_in(
    guarded: Guarded, kind: str
) -> None:
    guarded.both("--tls-client-ca", guarded.path("ca.pem"))
    own = guarded.tls("ci.example", authority=trustme.CA()) if kind != "none" else guarded.tls()
    client = await guarded.client("a-caller", tls=own, timeout=3.0)
    with pytest.raises((corral.NoHub, corral.Unavailable)):
        await client.stats()


async def test_a_hub_of_another_authority_is_not_trusted(guarded: Guarded) -> None:
    guarded.both()
    other = trustme.CA()
    client = await guarded.client(
        "a-caller", tls=corral.Tls(ca=other.cert_pem.bytes()), timeout=3.0
    )
    with pytest.raises((corral.NoHub, corral.Unavailable)):
        await client.stats()


async def test_a_renewed_certificate_is_served_without_a_restart(guarded: Guarded) -> None:
    guarded.both()
    renewed = trustme.CA()
    trusting = corral.Tls(ca=renewed.cert_pem.bytes())
    stranger = await guarded.client("a-caller", tls=trusting, timeout=2.0)
    with pytest.raises((corral.NoHub, corral.Unavailable)):
        await stranger.stats()
    server = renewed.issue_cert("localhost", "127.0.0.1")
    server.private_key_pem.write_to_path(guarded.path("hub.key"))
    server.cert_chain_pems[0].write_to_path(guarded.path("hub.pem"))
    client = await guarded.client("a-caller", tls=trusting)
    assert (await client.stats()).sessions == 0


async def test_a_token_ends_at_its_time(guarded: Guarded) -> None:
    guarded.token("brief", "team-a", "orchestrator")
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6))
    guarded.access.write_text(guarded.access.read_text().rstrip() + f"\nexpires = {ends}\n")
    guarded.both()
    client = await guarded.client("brief")
    run = await client.submit_workflow("nobody-offers-this")

    async def follow_for_ever() -> None:
        async for _ in run.events():
            pass

    with pytest.raises(corral.Unauthenticated, match="expired"):
        await asyncio.wait_for(follow_for_ever(), 20)
