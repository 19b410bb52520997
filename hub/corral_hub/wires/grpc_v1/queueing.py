"""Queues as messages of corral.v1."""

from __future__ import annotations

from corral_hub.queues import cursor_of
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_store.records import Queues


def response(page: Queues) -> pb.ListQueuesResponse:
    """A page of what waits."""
    out = pb.ListQueuesResponse(cursor=cursor_of(page), now_ms=page.now_ms)
    for row in page.rows:
        out.queues.add(
            kind=row.kind,
            band=row.band,
            class_id=row.class_,
            constraints=row.class_json,
            waiting=row.waiting,
            flows=row.flows,
            deficit=row.deficit,
            oldest_at_ms=row.oldest_ms,
            placeable=row.placeable,
        )
    for kind, waiting, paused in page.kinds:
        out.kinds.add(kind=kind, waiting=waiting, paused=paused)
    return out
