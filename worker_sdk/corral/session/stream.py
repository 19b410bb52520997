"""One gRPC stream to one hub, on threads: frames out of messages, and frames handed on.

Uses gRPC's threads and not its asyncio: a process may hold several event loops, and the older
releases of grpcio log errors when more than one of them uses `grpc.aio`. Decides nothing.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import grpc

from corral.addresses import Address
from corral.channel import Metadata, open_channel
from corral_proto.v1 import worker_pb2

METHOD = "/corral.v1.Worker/Session"
FRAME_MESSAGES = 256
FRAME_BYTES = 3 * 1024 * 1024

OnFrame = Callable[[int, worker_pb2.HubFrame], None]
OnClosed = Callable[[int, str, str], None]


class Stream(Protocol):
    """A stream to one hub, as the session uses it. No call waits."""

    @property
    def waiting(self) -> int:
        """How many messages the hub has not taken yet."""
        ...

    def send(self, messages: Sequence[worker_pb2.WorkerMessage]) -> None:
        """Queues messages."""
        ...

    def half_close(self) -> None:
        """Ends the sending side behind what is queued."""
        ...

    def hang_up(self) -> None:
        """Cuts the stream; what is queued may be lost."""
        ...


# Opens a stream: its number, the hub's address, metadata, the Hello, and who is told.
Dial = Callable[[int, Address, Metadata, worker_pb2.WorkerMessage, OnFrame, OnClosed], Stream]


class HubStream:
    """A stream with a number; `on_frame` and `on_closed` are called on a thread of its own.

    Owns its channel: no state of an earlier attempt to reach the hub delays this one.
    """

    def __init__(
        self,
        number: int,
        address: Address,
        metadata: Metadata,
        hello: worker_pb2.WorkerMessage,
        on_frame: OnFrame,
        on_closed: OnClosed,
    ) -> None:
        self.number = number
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._out: queue.SimpleQueue[Sequence[worker_pb2.WorkerMessage] | None] = (
            queue.SimpleQueue()
        )
        # Each is counted by one thread only.
        self._queued = self._taken = 0
        self._channel = open_channel(address)
        method: Any = self._channel.stream_stream(
            METHOD,
            request_serializer=worker_pb2.WorkerFrame.SerializeToString,
            response_deserializer=worker_pb2.HubFrame.FromString,
        )
        self._call: Any = method(self._frames(hello), metadata=metadata)
        self._reader = threading.Thread(
            target=self._read, name=f"corral-stream-{number}", daemon=True
        )
        self._reader.start()

    def send(self, messages: Sequence[worker_pb2.WorkerMessage]) -> None:
        """Queues messages; those that wait together leave as one frame."""
        self._queued += len(messages)
        self._out.put(messages)

    @property
    def waiting(self) -> int:
        """How many messages the hub has not taken yet."""
        return self._queued - self._taken

    def half_close(self) -> None:
        """Ends the sending side behind what is queued."""
        self._out.put(None)

    def hang_up(self) -> None:
        """Cuts the stream; what is queued may be lost."""
        self._call.cancel()
        self._out.put(None)
        self._channel.close()

    def _frames(self, hello: worker_pb2.WorkerMessage) -> Iterator[worker_pb2.WorkerFrame]:
        yield worker_pb2.WorkerFrame(messages=[hello])
        left: deque[worker_pb2.WorkerMessage] = deque()
        more = True
        while more:
            frame, size = worker_pb2.WorkerFrame(), 0
            while more and len(frame.messages) < FRAME_MESSAGES:
                if not left:
                    if frame.messages and self._out.empty():
                        break
                    messages = self._out.get()
                    more = messages is not None
                    left.extend(messages or ())
                    continue
                size += left[0].ByteSize()
                if frame.messages and size > FRAME_BYTES:
                    break
                frame.messages.append(left.popleft())
                self._taken += 1
            if frame.messages:
                yield frame

    def _read(self) -> None:
        code, detail = "OK", ""
        try:
            for frame in self._call:
                self._on_frame(self.number, frame)
        except grpc.RpcError as error:
            # The raised object is the call itself; its interface is untyped in grpc.
            call: Any = error
            code, detail = call.code().name, str(call.details() or "")
        self._on_closed(self.number, code, detail)
