"""The Worker service: one bidirectional stream a session, driven by `session.driver`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import anyio
import structlog

from corral_hub.config import HubConfig
from corral_hub.errors import HubError
from corral_hub.session.core import Gate
from corral_hub.session.driver import Driver
from corral_hub.session.messages import Incoming, Odd, Outgoing, Reject
from corral_hub.session.registry import Registry
from corral_hub.wires.grpc_v1 import reading, writing
from corral_hub.wires.grpc_v1.gathering import Gathering
from corral_hub.wires.grpc_v1.parsing import Malformed
from corral_proto.v1 import worker_pb2 as wk
from corral_store.errors import StoreError
from corral_store.transitions import Transitions

HELLO_SECONDS = 10.0

log = structlog.get_logger("corral.worker")


class WorkerService:
    """Holds the streams of this hub. `stopping` refuses new ones."""

    def __init__(self, config: HubConfig, registry: Registry) -> None:
        self._config = config
        self._registry = registry
        self.stopping = False

    async def session(
        self, frames: AsyncIterator[Any], context: Any, transitions: Transitions, principal: str,
        connection: str, gate: Gate,
    ) -> None:  # fmt: skip
        """One stream from Hello, past the gate, to its end. Writes to the context."""
        config = self._config
        driver = Driver(
            transitions,
            principal=principal,
            connection=connection,
            lease_ms=config.lease_ms,
            ping_ms=config.ping_ms,
            grace_ms=config.grace_ms,
            max_sessions=config.max_sessions,
            open_seconds=config.unary_seconds,
            register=self._registry.add,
            expect=self._registry.expect,
            move_after_ms=self._move_after(),
            gate=gate,
        )

        async def write(batch: list[Outgoing]) -> None:
            for frame in writing.frames(batch, config):
                await context.write(frame)

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._read, frames, driver)
                await driver.run_writer(write)
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    async with asyncio.timeout(config.unary_seconds):
                        await driver.close()
                except (StoreError, TimeoutError) as error:
                    log.warning(
                        "the end of a stream is not in the store; its lease will run out",
                        session=driver.core.session,
                        error=repr(error),
                    )
            # Only now, as a hub that stops waits until it has no session left.
            self._registry.remove(driver)

    def _move_after(self) -> float:
        """With jitter, so that sessions which came together do not move together."""
        after = self._config.move_after_ms
        return after * random.uniform(0.75, 1.25) if after else float("inf")

    async def _read(self, frames: AsyncIterator[Any], driver: Driver) -> None:
        if self.stopping:
            driver.refuse(Reject("stopping", "this hub is stopping; go to another"))
            return
        until = asyncio.get_running_loop().time() + HELLO_SECONDS
        while driver.core.state in ("new", "challenged"):
            wanted = "Hello" if driver.core.state == "new" else "answer to the Challenge"
            try:
                async with asyncio.timeout_at(until):
                    first = await anext(frames, None)
            except TimeoutError:
                driver.refuse(Reject("bad_hello", f"no {wanted} came within {HELLO_SECONDS:.0f} s"))
                return
            if first is None:
                break
            await self._take([first], driver)
        gathering = Gathering()
        async with anyio.create_task_group() as group:
            group.start_soon(gathering.fill, frames)
            while not driver.ended and (together := await gathering.take()):
                await self._take(together, driver)
            group.cancel_scope.cancel()
        if not driver.ended:
            await driver.hang_up()

    async def _take(self, frames: list[Any], driver: Driver) -> None:
        """Treats frames as one; what came before a frame that ends the stream still counts."""
        messages: list[Incoming] = []
        refusal: Reject | None = None
        for frame in frames:
            read = self._read_frame(frame, driver)
            if isinstance(read, Reject):
                refusal = read
                break
            messages.extend(read)
        if messages:
            try:
                await driver.receive(messages)
            except StoreError as error:
                refusal = Reject("unavailable", f"the store of this hub refuses: {error}")
        if refusal is not None:
            driver.refuse(refusal)

    def _read_frame(self, frame: Any, driver: Driver) -> list[Incoming] | Reject:
        if isinstance(frame, Malformed):
            return Reject("protocol", frame.detail)
        messages: list[Incoming] = []
        for message in frame.messages:
            kind = message.WhichOneof("message") or ""
            if kind == "hello" and driver.core.state == "new":
                reject = self._bad_hello(message.hello)
                if reject is not None:
                    return reject
            elif kind == "hello":
                messages.append(
                    Odd(
                        "hello", "Hello came twice on one stream; it is its first message", "", True
                    )
                )
                break
            read = reading.incoming(kind, message, self._config.max_payload_bytes)
            messages.extend(read if isinstance(read, list) else [read])
        return messages

    def _bad_hello(self, hello: wk.Hello) -> Reject | None:
        if hello.protocol != reading.PROTOCOL:
            return Reject(
                "unsupported_version",
                f"protocol {hello.protocol} is not spoken here, {reading.PROTOCOL} is: use an SDK "
                "of this release",
                "protocol",
            )
        try:
            reading.hello(hello)
        except HubError as error:
            return Reject("bad_hello", error.message, error.field)
        return None
