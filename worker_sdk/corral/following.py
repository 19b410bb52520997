"""A run as it goes on: its events, and what its handler says for the moment.

Outlives hubs like other subscriptions: goes on from both cursors at the next one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from corral.calls import Hubs
from corral.ephemeral import ChunkGap, Ephemeral, EphemeralEvent, Position, StreamRestarted
from corral.records import Event, GapInEvents, RunSnapshot, event_from_wire, run_from_wire
from corral.subscription import Messages, gap_from_wire
from corral_proto.v1 import orchestrator_pb2

CHUNK = "chunk"


class RunFollowing:
    """The events and ephemeral events of one run, until it has ended.

    Iterate over it for `Event`, `GapInEvents`, `EphemeralEvent`, `ChunkGap` and
    `StreamRestarted`; afterwards `ended` is the run as it ended. `cursor` is that of the
    events.
    """

    def __init__(self, hubs: Hubs, run_id: str, cursor: str, timeout: float) -> None:
        self.run_id = run_id
        self.cursor = cursor
        self.ended: RunSnapshot | None = None
        self._position = Position()
        self._hubs = hubs
        self._timeout = timeout

    def _request(self) -> orchestrator_pb2.SubscribeRunEventsRequest:
        return orchestrator_pb2.SubscribeRunEventsRequest(
            run_id=self.run_id,
            cursor=self.cursor,
            ephemeral=True,
            ephemeral_cursor=self._position.cursor,
        )

    async def __aiter__(self) -> AsyncIterator[Event | GapInEvents | Ephemeral]:
        position = self._position
        response = orchestrator_pb2.SubscribeRunEventsResponse.FromString
        stream = Messages(self._hubs, "SubscribeRunEvents", self._request, response, self._timeout)
        try:
            async for message in stream.messages():
                match message.WhichOneof("message"):
                    case "ephemeral":
                        for item in position.read(message.ephemeral):
                            yield item
                    case "event":
                        event = event_from_wire(message.event)
                        self.cursor = event.cursor or self.cursor
                        yield event
                    case "gap" if message.gap.ephemeral:
                        for item in position.skip(message.gap):
                            yield item
                    case "gap":
                        gap = gap_from_wire(self.run_id, message.gap)
                        self.cursor = gap.cursor
                        yield gap
                    case "end":
                        for item in position.rest():
                            yield item
                        self.ended = run_from_wire(message.end.run)
                        return
                    case _:
                        pass
        finally:
            stream.cancel()


class RunStream:
    """The parts of a run's answer, until the run has ended.

    Iterate over it for what the handler yielded, as plain JSON values; `ChunkGap` stands where
    parts are gone, and `StreamRestarted` where another attempt begins anew.
    """

    def __init__(self, following: RunFollowing, ended: Callable[[RunSnapshot], None]) -> None:
        self._following = following
        self._tell_ended = ended

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for item in self._following:
            match item:
                case EphemeralEvent():
                    if item.type == CHUNK:
                        yield item.payload
                case ChunkGap() | StreamRestarted():
                    yield item
                case _:
                    pass
        if self._following.ended is not None:
            self._tell_ended(self._following.ended)
