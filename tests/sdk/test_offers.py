"""Offers: what a reactive worker answers, in the core without time, and on a real stream."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

import corral
from corral.offers import Decline
from corral.session.messages import Connect, Consider, DrainBegan, Start, StopRun
from corral_proto.v1 import common_pb2, worker_pb2
from tests.sdk.hubs import ScriptedHub
from tests.sdk.session_world import World

OK = worker_pb2.REPORT_VERDICT_OK
STALE = worker_pb2.REPORT_VERDICT_STALE


def offer(run: str, ttl_ms: int = 10_000) -> worker_pb2.Offer:
    assignment = worker_pb2.Assignment(
        run_id=run,
        fence="1",
        workflow="x",
        capability=common_pb2.Capability(kind="workflow:x", version=1),
        input=b"20",
        device=-1,
    )
    return worker_pb2.Offer(assignment=assignment, ttl_ms=ttl_ms)


class Offered(World):
    """A world whose worker has been welcomed and offered the run r."""

    def __init__(self) -> None:
        super().__init__()
        self.welcome()
        self.hears(offer=offer("r"))

    def answers(self, refusal: Decline | None = None) -> Any:
        self.did(self.core.offer_answered("r", "1", refusal, self.now))
        return self.said("claim", "decline")

    def acks(self, report: Any, verdict: worker_pb2.ReportVerdict) -> None:
        item = worker_pb2.ReportAck.Item(run_id="r", fence="1", seq=report.seq, verdict=verdict)
        self.hears(report_ack=worker_pb2.ReportAck(items=[item]))

    def held_after_a_cut(self) -> list[str]:
        self.did(self.core.stream_closed(self.core.stream, "UNAVAILABLE", "", self.now))
        return [held.run_id for held in self.core_hello().held]

    def core_hello(self) -> Any:
        return self.of(Connect)[0].hello.hello


def test_a_claimed_run_starts_when_the_hub_has_confirmed_it() -> None:
    world = Offered()
    assert [action.offer.assignment.run_id for action in world.of(Consider)] == ["r"]
    (claim,) = world.answers()
    assert not world.of(Start)
    world.acks(claim, OK)
    assert [action.assignment.run_id for action in world.of(Start)] == ["r"]
    world.ends("r")
    assert world.said("result")[0].seq == claim.seq + 1


def test_a_stale_claim_starts_nothing() -> None:
    world = Offered()
    (claim,) = world.answers()
    world.acks(claim, STALE)
    assert not world.of(Start)
    assert world.held_after_a_cut() == []


def test_an_offer_is_acknowledged_as_mail_and_asked_about_once() -> None:
    world = Offered()
    world.hears(offer=offer("r"))
    assert not world.of(Consider)
    world.now += 50
    world.did(world.core.tick(world.now))
    words = [item.word for ack in world.said("mail_ack") for item in ack.items]
    assert words == ["offer"]


def test_an_open_offer_and_a_declined_one_are_not_held_and_a_claimed_one_is() -> None:
    assert Offered().held_after_a_cut() == []
    declined, claimed = Offered(), Offered()
    declined.answers(Decline("no_capacity"))
    assert declined.held_after_a_cut() == []
    claimed.answers()
    assert claimed.held_after_a_cut() == ["r"]
    claimed.welcome(resumed=True)
    (claim,) = claimed.said("claim")
    claimed.acks(claim, OK)
    assert claimed.of(Start)


def test_a_cancel_before_the_confirmation_keeps_the_handler_from_starting() -> None:
    world = Offered()
    (claim,) = world.answers()
    world.stop("r")
    assert world.said("stopped")
    world.acks(claim, worker_pb2.REPORT_VERDICT_ALREADY_FINAL)
    assert not world.of(Start)


def test_a_cancel_of_an_open_offer_ends_the_question() -> None:
    world = Offered()
    world.stop("r")
    assert world.of(StopRun)
    assert world.said("stopped")
    assert world.answers() == []


def test_a_hook_without_an_answer_declines_within_the_life_of_the_offer() -> None:
    world = Offered()
    due = world.core.next_wakeup()
    world.now = 9_000.0
    assert due is not None
    assert due <= world.now
    world.hears(ping=worker_pb2.Ping(number=1))
    world.did(world.core.tick(world.now))
    (decline,) = world.said("decline")
    assert decline.reason == worker_pb2.DECLINE_REASON_OTHER
    assert world.of(StopRun)
    assert world.answers() == []


def test_a_draining_worker_declines_what_is_open_and_what_comes() -> None:
    world = Offered()
    world.did(world.core.drain(world.now))
    assert world.of(DrainBegan)
    (first,) = world.said("decline")
    world.hears(offer=offer("r2"))
    (second,) = world.said("decline")
    assert {first.reason, second.reason} == {worker_pb2.DECLINE_REASON_DRAINING}


def test_an_immediate_drain_gives_a_claimed_run_back() -> None:
    world = Offered()
    world.answers()
    world.did(world.core.drain(world.now, immediate=True))
    assert [report.run_id for report in world.said("give_back")] == ["r"]


@pytest.mark.anyio
async def test_the_hook_decides(hub: ScriptedHub) -> None:
    worker = corral.Worker("w", hubs=hub.address, admission=corral.Reactive(max_offers=2))
    worker.workflow("x")(lambda n: n + 1)

    @worker.on_offer
    async def hook(offer: corral.Offer) -> bool | corral.Decline:
        match offer.run_id:
            case "no":
                return False
            case "why":
                return corral.Decline("model_unavailable", "llama3 is gone")
            case "raises":
                raise LookupError("broken")
            case "slow":
                await asyncio.sleep(60)
        return offer.input == 20

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        assert stream.hello.admission.reactive.max_offers == 2
        declined: dict[str, tuple[int, str]] = {}
        for run in ("no", "why", "raises"):
            stream.say(offer=offer(run))
            decline = await stream.expect("decline")
            stream.ack(decline)
            declined[run] = (decline.reason, decline.detail)
        assert declined == {
            "no": (worker_pb2.DECLINE_REASON_NO_CAPACITY, ""),
            "why": (worker_pb2.DECLINE_REASON_MODEL_UNAVAILABLE, "llama3 is gone"),
            "raises": (worker_pb2.DECLINE_REASON_OTHER, "the hook raised LookupError: broken"),
        }
        stream.say(offer=offer("slow", ttl_ms=300))
        decline = await stream.expect("decline")
        stream.ack(decline)
        assert decline.reason == worker_pb2.DECLINE_REASON_OTHER
        stream.say(offer=offer("yes"))
        stream.ack(await stream.expect("claim"))
        result = await stream.expect("result")
        assert result.output == b"21"
        stream.ack(result)
        worker.stop()
        await stream.expect("goodbye")
        stream.end()


@pytest.mark.anyio
async def test_a_hook_and_reactive_admission_go_together() -> None:
    plain: Any = bool
    later: Any = "later"
    worker = corral.Worker("w", admission=corral.Reactive())
    worker.workflow("x")(lambda: None)
    with pytest.raises(corral.BadHandler, match="go together"):
        await worker.run()
    with pytest.raises(corral.BadHandler, match="no coroutine"):
        worker.on_offer(plain)
    with pytest.raises(corral.InvalidRequest, match="1 to 4"):
        corral.Reactive(5)
    with pytest.raises(corral.InvalidRequest, match="not known"):
        corral.Decline(later)
