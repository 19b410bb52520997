"""A hub says that it has a report, with its next frame or soon by itself, and gives an assignment
again that was lost on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from corral_hub import delivery
from corral_hub.delivery import Delivery
from corral_hub.session import driver
from corral_proto.v1 import worker_pb2 as wk
from corral_store.records import Letter
from tests.hub.peers import SECONDS, Peer, Session, place_of, settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def peer(valkey: str) -> AsyncIterator[Peer]:
    # No ping comes meanwhile, so that nothing but the test makes the hub say something.
    async with place_of(settings(valkey, lease_ms=120_000, ping_ms=40_000)) as place:
        yield place.peer


async def ended(peer: Peer, session: Session) -> None:
    """Executes a run that starts at once; its result has the number 1."""
    run = (await peer.submit(workflow="own")).run.run_id
    fence = (await session.hear("assignment")).assignment.fence
    await session.say(result=wk.Result(run_id=run, fence=fence, output=b"1", seq=1))
    with anyio.fail_after(SECONDS):
        while not (await peer.describe(run)).output:
            pass


async def frame(session: Session) -> dict[str, wk.HubMessage]:
    """The next frame, by the kinds of its messages."""
    with anyio.fail_after(SECONDS):
        heard = await session.call.read()
    return {str(message.WhichOneof("message")): message for message in heard.messages}


async def test_a_result_is_acknowledged_with_the_next_frame(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "PASSING_SECONDS", 3600)
    session = await peer.session(kind="workflow:own")
    await ended(peer, session)
    await peer.submit(workflow="own")
    heard = await frame(session)
    assert heard.keys() == {"report_ack", "assignment"}
    assert [item.seq for item in heard["report_ack"].report_ack.items] == [1]


async def test_a_result_is_acknowledged_though_nothing_else_is_said(peer: Peer) -> None:
    session = await peer.session(kind="workflow:own")
    await ended(peer, session)
    heard = await frame(session)
    assert heard.keys() == {"report_ack"}
    assert [item.seq for item in heard["report_ack"].report_ack.items] == [1]


async def test_an_assignment_whose_letter_was_lost_comes_in_the_end(
    valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Letter] = []
    take = Delivery.take

    def lose(self: Delivery, namespace: str, letters: list[Letter]) -> None:
        take(self, namespace, letters if lost else [])
        lost.extend(letters)

    monkeypatch.setattr(delivery, "LOOK_SECONDS", 0.1)
    async with place_of(settings(valkey, lease_ms=120_000, ping_ms=40_000)) as place:
        session = await place.peer.session(kind="workflow:own")
        monkeypatch.setattr(Delivery, "take", lose)
        # Nor does a connection that is new give a reason to look.
        monkeypatch.setattr(Delivery, "wake_all", lambda *_: None)
        run = (await place.peer.submit(workflow="own")).run.run_id
        assert (await session.hear("assignment")).assignment.run_id == run
        assert lost[0].run == run
