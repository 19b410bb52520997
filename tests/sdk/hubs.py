"""A hub that does what a test says: a real gRPC server on threads, without any state.

A test takes the streams of workers one by one, says frames and expects answers; calls of
clients are answered by functions that the test sets. Nothing happens by itself.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anyio.to_thread
import grpc

from corral_proto.v1 import common_pb2, orchestrator_pb2, worker_pb2

LIMIT = 10.0


class Stream:
    """One worker's stream as the hub sees it."""

    def __init__(self, hub: ScriptedHub, frames: Iterator[Any], context: Any) -> None:
        self.hub = hub
        self.context = context
        self.metadata = dict(context.invocation_metadata())
        self._out: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._in: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._frames = frames
        self.seen: list[str] = []

    def read_all(self) -> None:
        try:
            for frame in self._frames:
                for message in frame.messages:
                    self._in.put(message)
        except grpc.RpcError:
            pass
        self._in.put(None)

    def outgoing(self) -> Iterator[worker_pb2.HubFrame]:
        while (item := self._out.get()) is not None:
            if isinstance(item, grpc.StatusCode):
                self.context.abort(item, "scripted")
            yield worker_pb2.HubFrame(messages=item)

    def say(self, **message: Any) -> None:
        """Sends one message, e.g. `say(ping=Ping(number=1))`."""
        self._out.put([worker_pb2.HubMessage(**message)])

    def end(self, code: grpc.StatusCode | None = None) -> None:
        """Ends the stream from the hub's side."""
        self._out.put(code)

    def welcome(self, *, drop: tuple[str, ...] = (), resumed: bool = False) -> None:
        """Says Welcome; runs in `drop` get the verdict to stop."""
        self.say(
            welcome=worker_pb2.Welcome(
                session_id=self.hello.session_id,
                stream=1,
                hub=self.hub.name,
                lease_ms=self.hub.lease_ms,
                ping_ms=self.hub.lease_ms // 3,
                grace_ms=self.hub.grace_ms,
                max_payload_bytes=self.hub.max_payload_bytes,
                resumed=resumed,
                held=[
                    worker_pb2.HeldVerdict(
                        run_id=held.run_id, fence=held.fence, keep=held.run_id not in drop
                    )
                    for held in self.hello.held
                ],
            )
        )

    def assign(self, run_id: str, workflow: str, input: bytes = b"null", **more: Any) -> None:
        """Assigns a run with fence "1" for `workflow:<workflow>@1`, unless told otherwise."""
        kind = more.pop("kind", f"workflow:{workflow}")
        self.say(
            assignment=worker_pb2.Assignment(
                run_id=run_id,
                workflow=workflow,
                input=input,
                capability=common_pb2.Capability(kind=kind, version=1),
                **{"fence": "1", "attempt": 1, "device": -1} | more,
            )
        )

    def stop(self, run_id: str, reason: str = "cancelled") -> None:
        self.say(stop=worker_pb2.Stop(run_id=run_id, fence="1", reason=reason))

    def ack(self, report: Any, verdict: int = worker_pb2.REPORT_VERDICT_OK) -> None:
        """Acknowledges a report."""
        item = worker_pb2.ReportAck.Item(
            run_id=report.run_id,
            fence=report.fence,
            seq=report.seq,
            verdict=worker_pb2.ReportVerdict.Name(verdict),
        )
        self.say(report_ack=worker_pb2.ReportAck(items=[item]))

    def reject(self, reason: int) -> None:
        name = worker_pb2.RejectReason.Name(reason)
        self.say(reject=worker_pb2.Reject(reason=name, detail="scripted"))
        self.end()

    async def expect(self, kind: str) -> Any:
        """Gives the next message of this kind, passing over others; `seen` lists all."""
        return await anyio.to_thread.run_sync(self._expect, kind, abandon_on_cancel=True)

    async def expect_end(self) -> None:
        """Waits until the worker has closed its side or cut the stream."""
        await anyio.to_thread.run_sync(self._expect, None, abandon_on_cancel=True)

    def _expect(self, kind: str | None) -> Any:
        while True:
            try:
                message = self._in.get(timeout=LIMIT)
            except queue.Empty:
                raise AssertionError(f"no {kind} within {LIMIT} s; seen: {self.seen}") from None
            if message is None:
                assert kind is None, f"the stream ended before {kind}; seen: {self.seen}"
                return None
            found = message.WhichOneof("message")
            self.seen.append(found)
            if found == kind:
                return getattr(message, found)

    @property
    def hello(self) -> worker_pb2.Hello:
        if not hasattr(self, "_hello"):
            self._hello = self._expect("hello")
        return self._hello


class ScriptedHub:
    """A gRPC server on a port of its own; `calls` has a function per call of clients."""

    def __init__(
        self,
        name: str,
        *,
        lease_ms: int = 15_000,
        grace_ms: int = 10_000,
        max_payload_bytes: int = 1_048_576,
        port: int = 0,
    ) -> None:
        self.name = name
        self.lease_ms = lease_ms
        self.grace_ms = grace_ms
        self.max_payload_bytes = max_payload_bytes
        self.calls: dict[str, Callable[[Any, Any], Any]] = {}
        self._streams: queue.SimpleQueue[Stream] = queue.SimpleQueue()
        self._open: list[Stream] = []
        self._pool = ThreadPoolExecutor(64)
        self._server = grpc.server(self._pool, options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Service(self),))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.address = f"127.0.0.1:{self.port}"
        self._server.start()

    async def stream(self) -> Stream:
        """Gives the next stream that a worker opens, its Hello read."""
        stream = await anyio.to_thread.run_sync(self._next, abandon_on_cancel=True)
        await anyio.to_thread.run_sync(lambda: stream.hello)
        return stream

    async def welcomed(self) -> Stream:
        """Gives the next stream, welcomed."""
        stream = await self.stream()
        stream.welcome()
        return stream

    def kill(self) -> None:
        """Cuts everything at once, as a crash does."""
        for stream in self._open:
            stream.end()
        self._server.stop(0)
        self._pool.shutdown(wait=False)

    def serve(self, frames: Iterator[Any], context: Any) -> Iterator[Any]:
        stream = Stream(self, frames, context)
        self._open.append(stream)
        self._pool.submit(stream.read_all)
        self._streams.put(stream)
        yield from stream.outgoing()

    def _next(self) -> Stream:
        try:
            return self._streams.get(timeout=LIMIT)
        except queue.Empty:
            raise AssertionError(f"no stream reached {self.name} within {LIMIT} s") from None


class _Service(grpc.GenericRpcHandler):
    def __init__(self, hub: ScriptedHub) -> None:
        self._hub = hub

    def service(self, details: Any) -> Any:
        service, _, name = details.method.strip("/").rpartition("/")
        if service == "corral.v1.Worker":
            return grpc.stream_stream_rpc_method_handler(
                self._hub.serve,
                worker_pb2.WorkerFrame.FromString,
                worker_pb2.HubFrame.SerializeToString,
            )
        call = self._hub.calls.get(name)
        if call is None:
            return None
        request = getattr(orchestrator_pb2, f"{name}Request")
        serialize = partial(getattr(orchestrator_pb2, f"{name}Response").SerializeToString)
        if name.startswith("Subscribe"):
            return grpc.unary_stream_rpc_method_handler(call, request.FromString, serialize)
        if name == "SubmitStream":
            return grpc.stream_stream_rpc_method_handler(call, request.FromString, serialize)
        return grpc.unary_unary_rpc_method_handler(call, request.FromString, serialize)


def refuse(context: Any, code: grpc.StatusCode, **detail: Any) -> None:
    """Ends a call of a client with an error as hubs describe it."""
    described = orchestrator_pb2.ErrorDetail(**detail)
    context.set_trailing_metadata((("corral-error-bin", described.SerializeToString()),))
    context.abort(code, detail.get("message", ""))
