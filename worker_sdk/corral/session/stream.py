"""One gRPC stream to one hub, on threads: frames out of messages, and frames handed on.

Uses gRPC's threads and not its asyncio: a process may hold several event loops, and the older
releases of grpcio log errors when more than one of them uses `grpc.aio`. Decides nothing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
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
    """A stream to one hub, as the session's thread uses it. No call waits."""

    @property
    def waiting(self) -> int:
        """How many messages the hub has not taken yet."""
        ...

    def send(self, message: worker_pb2.WorkerMessage) -> None:
        """Queues a message."""
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
        self._out: queue.SimpleQueue[worker_pb2.WorkerMessage | None] = queue.SimpleQueue()
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

    def send(self, message: worker_pb2.WorkerMessage) -> None:
        """Queues a message; those that wait together leave as one frame."""
        self._out.put(message)

    @property
    def waiting(self) -> int:
        """How many messages the hub has not taken yet."""
        return self._out.qsize()

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
        left: worker_pb2.WorkerMessage | None = None
        while True:
            message = left or self._out.get()
            left = None
            if message is None:
                return
            frame = worker_pb2.WorkerFrame(messages=[message])
            size = message.ByteSize()
            last = False
            while len(frame.messages) < FRAME_MESSAGES:
                try:
                    message = self._out.get_nowait()
                except queue.Empty:
                    break
                if message is None:
                    last = True
                    break
                size += message.ByteSize()
                if size > FRAME_BYTES:
                    left = message
                    break
                frame.messages.append(message)
            yield frame
            if last:
                return

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
