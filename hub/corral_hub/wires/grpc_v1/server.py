"""The gRPC server: options, methods, tokens, namespaces, limits, health and reflection."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from corral_hub import names
from corral_hub.access.access import Access
from corral_hub.access.gate import Gate
from corral_hub.access.roles import Identity
from corral_hub.config import HubConfig, is_loopback
from corral_hub.errors import (
    HubError,
    InvalidRequest,
    Misconfigured,
    PermissionDenied,
    Unavailable,
    of_store,
)
from corral_hub.wires.grpc_v1.orchestrator import READS, STREAMS, UNARY, OrchestratorService
from corral_hub.wires.grpc_v1.parsing import Malformed, serialize, tolerant
from corral_hub.wires.grpc_v1.status import abort
from corral_hub.wires.grpc_v1.submitting import SubmitStreams
from corral_hub.wires.grpc_v1.tls import certificate_names, server_credentials
from corral_hub.wires.grpc_v1.worker import WorkerService
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from corral_store.errors import StoreError
from corral_store.transitions import Transitions

MESSAGE_BYTES = 4 * 1024 * 1024
OPTIONS: tuple[tuple[str, Any], ...] = (
    # Idle clients may ping every 5 s; with the defaults they are cut after 80 s.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
    # Finds workers whose machine is gone.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
)
ORCHESTRATOR = pb.DESCRIPTOR.services_by_name["Orchestrator"].full_name
WORKER = wk.DESCRIPTOR.services_by_name["Worker"].full_name

SUBMIT_STREAM = "SubmitStream"

AnswerT = TypeVar("AnswerT")

log = structlog.get_logger("corral.grpc")


class Wire:
    """gRPC in front of the hub's rooms. `namespace` gives the transitions of a name."""

    def __init__(
        self,
        config: HubConfig,
        orchestrator: OrchestratorService,
        workers: WorkerService,
        namespace: Callable[[str], Transitions],
        access: Access,
    ) -> None:
        self._config = config
        self._orchestrator = orchestrator
        self._workers = workers
        self._namespace = namespace
        self._access = access
        self._submits = SubmitStreams()
        self._server = grpc.aio.server(options=OPTIONS)
        self._health = HealthServicer()
        self.address = ""

    async def start(self) -> None:
        """Binds and serves. Raises Misconfigured when the address cannot be had."""
        self._server.add_generic_rpc_handlers((self._orchestrator_methods(), self._worker()))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (ORCHESTRATOR, WORKER, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        listen = self._config.listen
        try:
            if self._config.tls is None:
                if not is_loopback(listen):
                    log.warning(
                        "tokens, inputs and results travel readable: serve with --tls-cert and "
                        "--tls-key, or only behind a proxy that has TLS",
                        listen=listen,
                    )
                port = self._server.add_insecure_port(listen)
            else:
                port = self._server.add_secure_port(listen, server_credentials(self._config.tls))
        except RuntimeError as error:
            raise Misconfigured(
                f"cannot listen on {listen}: the address is taken or not of this machine; choose "
                "another with --listen",
                field="listen",
            ) from error
        host = listen.rpartition(":")[0]
        self.address = listen if listen.startswith("unix:") else f"{host}:{port}"
        await self._server.start()
        for service in ("", ORCHESTRATOR, WORKER):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def refuse_new(self) -> None:
        """Says to load balancers, submitters and new sessions that this hub is stopping."""
        self._workers.stopping = True
        self._submits.stop()
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Ends the server; calls in flight have `grace` seconds."""
        await self._server.stop(grace)

    def _orchestrator_methods(self) -> Any:
        methods: dict[str, Any] = {}
        for name, request in UNARY.items():
            methods[name] = grpc.unary_unary_rpc_method_handler(
                self._unary(name), tolerant(request), serialize
            )
        for name, request in STREAMS.items():
            methods[name] = grpc.unary_stream_rpc_method_handler(
                self._stream(name), tolerant(request), serialize
            )
        methods[SUBMIT_STREAM] = grpc.stream_stream_rpc_method_handler(
            self._submit_stream, tolerant(pb.SubmitStreamRequest), serialize
        )
        return grpc.method_handlers_generic_handler(ORCHESTRATOR, methods)

    def _worker(self) -> Any:
        async def session(frames: AsyncIterator[Any], context: Any) -> None:
            # Proxies and clients wait for the headers; they go before anything else.
            await context.send_initial_metadata(())
            try:
                identity, transitions = self._caller(context, "Session")
                gate = Gate(
                    lambda: self._access.enrolment,
                    transitions.namespace,
                    self._certificate(context),
                )
                with self._guarded(context, "Session", transitions):
                    await self._workers.session(
                        frames, context, transitions, identity.principal, uuid.uuid4().hex, gate
                    )
            except HubError as error:
                await abort(context, error)

        handler = grpc.stream_stream_rpc_method_handler(
            session, tolerant(wk.WorkerFrame), serialize
        )
        return grpc.method_handlers_generic_handler(WORKER, {"Session": handler})

    def _certificate(self, context: Any) -> tuple[str, ...]:
        # To ask gRPC takes a while, and without TLS there is none.
        return certificate_names(context) if self._config.tls is not None else ()

    def _caller(self, context: Any, method: str) -> tuple[Identity, Transitions]:
        """Who calls a method, and for which namespace; raises what they are told instead."""
        metadata = dict(context.invocation_metadata() or ())
        authorization = metadata.get("authorization")
        presented = () if authorization else self._certificate(context)
        identity = self._access.identify(authorization, presented)
        asked = str(metadata.get("corral-namespace") or "")
        if asked:
            names.require(names.NAMESPACE, asked, "corral-namespace")
        namespace = identity.choose_namespace(asked)
        identity.check_method(method)
        return identity, self._namespace(namespace)

    def _guarded(
        self, context: Any, method: str, transitions: Transitions
    ) -> AbstractContextManager[object]:
        """Ends what is done inside when its caller may no longer do it."""

        def check() -> None:
            _, now = self._caller(context, method)
            if now.namespace != transitions.namespace:
                raise PermissionDenied(
                    f"your token or certificate is no longer for namespace "
                    f"{transitions.namespace!r}: connect again, or use another one",
                    field="corral-namespace",
                )

        return self._access.guards.watch(check)

    def _read(self, request: Any, context: Any, method: str) -> Transitions:
        _, transitions = self._caller(context, method)
        if isinstance(request, Malformed):
            raise InvalidRequest(request.detail)
        return transitions

    def _unary(self, name: str) -> Any:
        method = getattr(self._orchestrator, name)

        async def call(request: Any, context: Any) -> Any:
            try:
                return await self._in_time(
                    name, method(request, self._read(request, context, name))
                )
            except HubError as error:
                await abort(context, error)

        return call

    async def _in_time(self, name: str, answer: Awaitable[AnswerT]) -> AnswerT:
        """What a method answers; raises HubError when the store does not, or not in time."""
        seconds = self._config.unary_seconds
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            advice = "ask again" if name in READS else "outcome unknown: send the same call again"
            raise Unavailable(
                f"the store did not answer within {seconds:g} s; {advice}, here or at another hub"
            ) from None
        except StoreError as error:
            raise of_store(error) from error

    async def _submit_stream(self, requests: AsyncIterator[Any], context: Any) -> None:
        await context.send_initial_metadata(())
        try:
            _, transitions = self._caller(context, SUBMIT_STREAM)

            async def submit(
                request: pb.SubmitWorkflowsRequest, out: pb.SubmitWorkflowsResponse
            ) -> None:
                answer = self._orchestrator.submit(request, out, transitions)
                await self._in_time("SubmitWorkflows", answer)

            with self._guarded(context, SUBMIT_STREAM, transitions):
                await self._submits.serve(requests, context, submit)
        except HubError as error:
            await abort(context, error)

    def _stream(self, name: str) -> Any:
        method = getattr(self._orchestrator, name)

        async def call(request: Any, context: Any) -> None:
            await context.send_initial_metadata(())
            try:
                transitions = self._read(request, context, name)
                with self._guarded(context, name, transitions):
                    async for reply in method(request, transitions):
                        await context.write(reply)
            except HubError as error:
                await abort(context, error)
            except StoreError as error:
                await abort(context, of_store(error))

        return call
