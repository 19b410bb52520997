"""Raw peers of a hub: a caller and a worker that can say anything, well-formed or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import anyio
import grpc
import grpc.aio

from corral_hub.config import HubConfig
from corral_hub.hub import Hub
from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import orchestrator_pb2_grpc, worker_pb2_grpc
from corral_proto.v1 import worker_pb2 as wk
from corral_store import Store

SECONDS = 10
NO_PROXY = (("grpc.enable_http_proxy", 0), ("grpc.max_send_message_length", -1))
numbers = count(1)


def settings(valkey: str, name: str = "a", **given: Any) -> HubConfig:
    """A hub that is quick to notice and quick to stop."""
    quick: dict[str, Any] = {
        "listen": "127.0.0.1:0", "lease_ms": 6000, "ping_ms": 300, "grace_ms": 3000,
        "stop_seconds": 1.0, "max_payload_bytes": 4096,
    }  # fmt: skip
    return HubConfig(name=name, valkey=valkey, **{**quick, **given})


def hello(kind: str = "workflow:well", room: int = 4, **given: Any) -> wk.Hello:
    """A Hello as it should be, but for what is given."""
    number = next(numbers)
    fields: dict[str, Any] = {
        "protocol": 1, "worker_id": f"w{number}", "instance": f"instance-{number}",
        "session_id": f"session-{number}", "capabilities": [common.Capability(kind=kind)],
        "admission": common.Admission(fixed=common.Admission.Fixed(max_in_flight=room)),
        "sdk": "raw/1",
    }  # fmt: skip
    return wk.Hello(**{**fields, **given})


def detail_of(error: grpc.aio.AioRpcError) -> pb.ErrorDetail:
    """The typed error beside a status."""
    for key, value in error.trailing_metadata() or ():
        if key == "corral-error-bin":
            assert isinstance(value, bytes)
            return pb.ErrorDetail.FromString(value)
    raise AssertionError(f"no typed error beside {error.code()}: {error.details()}")


async def status_of(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """What a call that must not succeed ended with."""
    with anyio.fail_after(SECONDS):
        try:
            reply = await call
        except grpc.aio.AioRpcError as error:
            return error
    raise AssertionError(f"accepted: {reply}")


async def refused(call: Awaitable[Any], code: str) -> pb.ErrorDetail:
    """The typed error of a call that ends with this status."""
    error = await status_of(call)
    assert error.code() is getattr(grpc.StatusCode, code), error.details()
    detail = detail_of(error)
    assert detail.name
    assert detail.message == error.details()
    return detail


async def first_of(stream: Any) -> Any:
    """The first message of a stream."""
    return await stream.read()


class Peer:
    """A channel with both stubs, and the sessions opened over it."""

    def __init__(self, address: str, *, token: str = "", namespace: str = "") -> None:
        self.address = address
        self.metadata = tuple(
            (key, value)
            for key, value in (
                ("authorization", f"Bearer {token}" if token else ""),
                ("corral-namespace", namespace),
            )
            if value
        )
        self.channel = grpc.aio.insecure_channel(address, NO_PROXY)
        self.workers = worker_pb2_grpc.WorkerStub(self.channel)
        self.calls = orchestrator_pb2_grpc.OrchestratorStub(self.channel)

    async def __aenter__(self) -> Peer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    def stream(self) -> Session:
        """A worker's stream on which nothing was said."""
        return Session(self.workers.Session(metadata=self.metadata))

    async def session(self, **given: Any) -> Session:
        """A session that the hub has welcomed."""
        session = self.stream()
        await session.say(hello=hello(**given))
        session.welcome = (await session.hear("welcome")).welcome
        return session

    async def submit(self, **fields: Any) -> pb.SubmitWorkflowResponse:
        """Submits one run, by default one of `well`."""
        fields.setdefault("workflow", "well")
        request = pb.SubmitWorkflowRequest(**fields)
        return await self.calls.SubmitWorkflow(request, metadata=self.metadata, timeout=SECONDS)

    async def describe(self, run: str) -> common.Run:
        """A run as it stands."""
        request = pb.DescribeWorkflowRequest(run_id=run)
        reply = await self.calls.DescribeWorkflow(request, metadata=self.metadata, timeout=SECONDS)
        return reply.run


class Session:
    """One stream; answers pings by itself while it listens."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.welcome = wk.Welcome()
        self._heard: list[wk.HubMessage] = []

    async def say(self, **message: Any) -> None:
        """One frame with one message."""
        await self.frame(wk.WorkerMessage(**message))

    async def frame(self, *messages: wk.WorkerMessage) -> None:
        """One frame with these messages."""
        await self.call.write(wk.WorkerFrame(messages=messages))

    async def hear(self, *kinds: str) -> wk.HubMessage:
        """The next message of one of these kinds; others are passed over."""
        with anyio.fail_after(SECONDS):
            while True:
                while self._heard:
                    message = self._heard.pop(0)
                    kind = message.WhichOneof("message")
                    if kind == "ping":
                        await self.say(pong=wk.Pong(number=message.ping.number))
                    if kind in kinds:
                        return message
                    assert kind != "reject", message
                frame = await self.call.read()
                assert frame is not grpc.aio.EOF, "the stream has ended"
                self._heard.extend(frame.messages)

    async def rejected(self) -> wk.Reject:
        """The Reject that ends the stream, and its end."""
        reject = (await self.hear("reject")).reject
        with anyio.fail_after(SECONDS):
            assert await self.call.read() is grpc.aio.EOF
        return reject

    async def verdicts(self) -> list[str]:
        """The verdicts of the next acknowledgement."""
        ack = (await self.hear("report_ack")).report_ack
        name = wk.ReportVerdict.Name
        return [name(item.verdict).removeprefix("REPORT_VERDICT_") for item in ack.items]


class Place:
    """A hub, a peer of it, and a healthy session that bad input must not disturb."""

    def __init__(self, hub: Hub, peer: Peer, healthy: Session) -> None:
        self.hub = hub
        self.peer = peer
        self.healthy = healthy
        self.valkey = hub.config.valkey

    async def facts(self) -> tuple[dict[str, int], int, int, int]:
        """What bad input must not change: totals, runs, what waits, sessions."""
        calls, metadata = self.peer.calls, self.peer.metadata
        stats = await calls.GetStats(pb.GetStatsRequest(), metadata=metadata)
        runs = await calls.ListRuns(pb.ListRunsRequest(limit=256), metadata=metadata)
        waiting = sum(queue.waiting for queue in stats.queues)
        return dict(stats.totals), len(runs.runs), waiting, stats.sessions

    async def check(self) -> list[tuple[str, str]]:
        """Broken invariants."""
        async with Store(self.valkey, "checker") as store:
            return await store.namespace("default").check()

    async def prove_healthy(self) -> None:
        """A run goes through the healthy session, from submit to result."""
        run = (await self.peer.submit(input=b"[1]")).run.run_id
        work = (await self.healthy.hear("assignment")).assignment
        assert (work.run_id, work.input) == (run, b"[1]")
        result = wk.Result(run_id=run, fence=work.fence, output=b"2", seq=next(numbers))
        await self.healthy.say(result=result)
        assert await self.healthy.verdicts() == ["OK"]
        assert (await self.peer.describe(run)).output == b"2"

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Nothing that the block says changes anything, or disturbs anybody."""
        before = await self.facts()
        yield
        assert await self.facts() == before
        assert await self.check() == []
        await self.prove_healthy()


@asynccontextmanager
async def place_of(config: HubConfig, **peer: Any) -> AsyncIterator[Place]:
    """A place on a hub of this configuration."""
    async with Hub(config) as hub, Peer(hub.address, **peer) as caller:
        yield Place(hub, caller, await caller.session())
