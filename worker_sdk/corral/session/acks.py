"""Acknowledgements of mail that ride together: gathered for a moment, and left out where a
report says anyway that its mail has arrived. Knows no stream and no clock.
"""

from __future__ import annotations

from corral_proto.v1 import worker_pb2

ACK_DELAY_MS = 50
# Who is younger waits on when others are due: a report may come that says it anyway.
YOUNG_MS = 25


class Acks:
    """What has arrived on the present stream and is not said yet; `due` is when some of it must
    be."""

    def __init__(self) -> None:
        self.due: float | None = None
        self._waiting: dict[tuple[str, str, str], float] = {}

    def add(self, run_id: str, fence: str, word: str, now: float) -> None:
        """A word about a run has arrived."""
        self._waiting.setdefault((run_id, fence, word), now)
        if self.due is None:
            self.due = now + ACK_DELAY_MS

    def sending(self, message: worker_pb2.WorkerMessage) -> None:
        """A message leaves; most acknowledgements of assignments then need no saying."""
        if message.WhichOneof("message") == "result":
            self._waiting.pop((message.result.run_id, message.result.fence, "run"), None)

    def take(self) -> worker_pb2.WorkerMessage | None:
        """Gives all that is to be said, and forgets it."""
        return self._take(float("inf"))

    def take_old(self, now: float) -> worker_pb2.WorkerMessage | None:
        """Gives what has waited for half of the delay, and forgets it."""
        return self._take(now - YOUNG_MS)

    def _take(self, until: float) -> worker_pb2.WorkerMessage | None:
        ack = worker_pb2.MailAck()
        young: dict[tuple[str, str, str], float] = {}
        for word, arrived in self._waiting.items():
            if arrived > until:
                young[word] = arrived
            else:
                run_id, fence, what = word
                ack.items.add(run_id=run_id, fence=fence, word=what)
        self._waiting = young
        self.due = min(young.values()) + ACK_DELAY_MS if young else None
        return worker_pb2.WorkerMessage(mail_ack=ack) if ack.items else None

    def clear(self) -> None:
        """The stream is gone: what is not acknowledged is sent again."""
        self.due = None
        self._waiting.clear()
