"""The handle of one run: follow it, wait for its result, cancel it.

Holds the latest snapshot that a hub gave; asks the hub through its client.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from corral import encoding
from corral.errors import (
    BadResult,
    CorralError,
    ResultTimeout,
    RunCancelled,
    RunFailed,
    RunNotFound,
)
from corral.following import RunFollowing, RunStream
from corral.records import RunSnapshot, RunStatus, run_from_wire
from corral.terms import Backoff
from corral_proto.v1 import common_pb2

if TYPE_CHECKING:
    from corral.client import Client
    from corral.explanation import Explanation
    from corral.inputs import InputRecord
    from corral.subscription import RunEvents

OutT = TypeVar("OutT")

# How often `Run.retry` asks again while a worker still has the last attempt in hand.
STOPPING = Backoff(initial_ms=20, maximum_ms=1000)


class Run(Generic[OutT]):
    """One run in the fleet.

    `deduplicated` is true when the submit met an earlier one with the same id or key;
    `warnings` are what the hub thinks the submitter should know; `durability` is how durable
    the acceptance is (`memory`, `fsync`, `replica`), empty for a handle that was not submitted.
    """

    def __init__(
        self,
        client: Client,
        run_id: str,
        *,
        output_type: Any = Any,
        snapshot: RunSnapshot | common_pb2.Run | None = None,
        deduplicated: bool = False,
        warnings: tuple[str, ...] = (),
        durability: str = "",
    ) -> None:
        self.run_id = run_id
        self.deduplicated = deduplicated
        self.warnings = warnings
        self.durability = durability
        self._client = client
        self._output_type = output_type
        self._snapshot = snapshot
        self._ended: RunSnapshot | None = None

    @property
    def snapshot(self) -> RunSnapshot:
        """The run as a hub gave it last; raises `CorralError` before `refresh` on a bare handle."""
        if self._snapshot is None:
            raise CorralError(f"Run {self.run_id} was not asked for yet; await refresh() first.")
        if not isinstance(self._snapshot, RunSnapshot):
            # Read when somebody looks, as most who submit many runs never do.
            self._snapshot = run_from_wire(self._snapshot)
        return self._snapshot

    @property
    def status(self) -> RunStatus:
        """The status of the latest snapshot; `refresh` brings a newer one."""
        return self.snapshot.status

    def events(self, cursor: str = "") -> RunEvents:
        """Gives the run's events from a cursor (empty: from the first) until it has ended.

        Iterate with `async for`: `Event`, and `GapInEvents` where events are gone.
        """
        return self._client.subscribe_run_events(self.run_id, cursor=cursor)

    def stream(self) -> RunStream:
        """Gives the parts of the run's answer as they come, until it has ended.

        Iterate with `async for`: what the handler yielded, as plain JSON values; `ChunkGap`
        where parts are gone, `StreamRestarted` where another attempt begins anew. Who comes
        late gets what is kept: the latest 256 KiB, until some seconds after the end.
        """
        return RunStream(self._client.follow_run(self.run_id), self._tell_ended)

    def follow(self, cursor: str = "") -> RunFollowing:
        """Gives all that happens to the run until it has ended; see `Client.follow_run`."""
        return self._client.follow_run(self.run_id, cursor=cursor)

    async def result(self, timeout: float | None = None) -> OutT:
        """Waits until the run has ended and gives its output as the handler's type.

        `timeout` is in seconds, None: no limit, 0 or less: only what is known here already.
        Raises `RunFailed`, `RunCancelled`, `ResultTimeout` (the run goes on), `BadResult` when the
        output has another type.
        """
        if self._ended is None:
            with anyio.move_on_after(timeout):
                await self._follow()
        ended = self._ended
        if ended is None:
            raise ResultTimeout(
                f"Run {self.run_id} did not end within {timeout} s. It goes on: wait again, or "
                "cancel it."
            )
        return self._output(ended)

    async def cancel(self, reason: str = "") -> bool:
        """Cancels the run; tells whether it is cancelled, false when it had ended otherwise."""
        snapshot, cancelled = await self._client.cancel_run(self.run_id, reason)
        self._snapshot = snapshot
        return cancelled

    async def retry(self) -> bool:
        """Gives the run, when it failed or was cancelled, a new set of attempts.

        Tells whether it did: false when it has not ended, or is completed. A run that was
        cancelled while it ran is retried as soon as its worker has stopped it; false also when
        that takes longer than the client's `timeout`. `result` then waits for the new end.
        Raises `RunNotFound`.
        """
        ends = time.monotonic() + self._client.timeout
        verdict, step = await self._retry_once(), 0
        while verdict == "stopping" and time.monotonic() < ends:
            await anyio.sleep(STOPPING.delay_ms(step, random.random()) / 1000)
            verdict, step = await self._retry_once(), step + 1
        if verdict == "unknown":
            raise RunNotFound(
                f"There is no run {self.run_id}; it may have been removed after its retention. "
                "Submit it again.",
                run_id=self.run_id,
            )
        self._ended = None
        return verdict == "retried"

    async def _retry_once(self) -> str:
        return (await self._client.retry_runs([self.run_id])).get(self.run_id, "unknown")

    async def inputs(self) -> list[InputRecord]:
        """Gives the open questions of the run, oldest first."""
        return (await self._client.list_inputs(self.run_id)).inputs

    async def respond(self, request_id: str, response: Any) -> bool:
        """Answers a question of the run; see `Client.respond`."""
        return await self._client.respond(self.run_id, request_id, response)

    async def explain(self) -> Explanation:
        """Says why the run waits; see `Client.explain`."""
        return await self._client.explain(self.run_id)

    async def describe(self) -> RunSnapshot:
        """Gives the run in full: input, output, error and attempts."""
        self._snapshot = await self._client.describe_workflow(self.run_id)
        return self.snapshot

    async def refresh(self) -> RunSnapshot:
        """Brings `snapshot` and `status` up to date."""
        return await self.describe()

    async def _follow(self) -> None:
        events = self.events()
        async for _ in events:
            pass
        self._ended = events.ended
        self._snapshot = events.ended

    def _tell_ended(self, ended: RunSnapshot) -> None:
        self._ended = ended
        self._snapshot = ended

    def _output(self, ended: RunSnapshot) -> OutT:
        if ended.status is RunStatus.CANCELLED:
            raise RunCancelled(run_id=self.run_id, reason=ended.cancel_reason)
        if ended.status is RunStatus.FAILED:
            error = ended.error
            raise RunFailed(
                run_id=self.run_id,
                code=error.code if error else "UNSPECIFIED",
                type=error.type if error else "",
                message=error.message if error else "",
                retryable=error.retryable if error else False,
                details=error.details if error else None,
                attempt=ended.attempt,
            )
        try:
            return encoding.convert(ended.output, self._output_type)
        except ValueError as error:
            raise BadResult(
                f"The output of run {self.run_id} does not fit {self._output_type!r}: {error}. "
                f'See "corral describe {self.run_id}", or submit by name for plain JSON.'
            ) from error

    def __repr__(self) -> str:
        status = "not asked" if self._snapshot is None else self.status.value
        return f"<Run {self.run_id} {status}>"
