"""Acknowledgements of mail that ride together: gathered for a moment, and left out where a
report says anyway that its mail has arrived. Knows no stream and no clock.
"""

from __future__ import annotations

from corral_proto.v1 import worker_pb2

ACK_DELAY_MS = 50


class Acks:
    """What has arrived on the present stream and is not said yet; `due` is when it must be."""

    def __init__(self) -> None:
        self.due: float | None = None
        self._waiting: dict[tuple[str, str, str], None] = {}

    def add(self, run_id: str, fence: str, word: str, now: float) -> None:
        """A word about a run has arrived."""
        self._waiting[run_id, fence, word] = None
        if self.due is None:
            self.due = now + ACK_DELAY_MS

    def sending(self, message: worker_pb2.WorkerMessage) -> None:
        """A message leaves; most acknowledgements of assignments then need no saying."""
        if message.WhichOneof("message") == "result":
            self._waiting.pop((message.result.run_id, message.result.fence, "run"), None)

    def take(self) -> worker_pb2.WorkerMessage | None:
        """Gives what is to be said, and forgets it."""
        ack = worker_pb2.MailAck()
        for run_id, fence, word in self._waiting:
            ack.items.add(run_id=run_id, fence=fence, word=word)
        self.clear()
        return worker_pb2.WorkerMessage(mail_ack=ack) if ack.items else None

    def clear(self) -> None:
        """The stream is gone: what is not acknowledged is sent again."""
        self.due = None
        self._waiting.clear()
