"""What waits, as a hub lists it: immutable records, made from the wire here."""

from __future__ import annotations

from typing import Any

import msgspec

from corral.calls import Hubs, Method
from corral_proto.v1 import orchestrator_pb2 as pb

_LIST_QUEUES = Method[pb.ListQueuesRequest, pb.ListQueuesResponse](
    "ListQueues", pb.ListQueuesResponse.FromString
)


class ClassQueue(msgspec.Struct, frozen=True, kw_only=True):
    """What waits of one class (all runs with the same constraints) in one band.

    `flows`: fairness keys that have some of it. `deficit`: what the band is owed in the round
    robin. `oldest_at_ms`: when the oldest of the first runs in line was accepted, 0 when it is
    not known. `placeable`: a live worker fits, whether it has room or not.
    """

    kind: str
    band: int
    class_id: str
    constraints: dict[str, Any]
    waiting: int
    flows: int
    deficit: float
    oldest_at_ms: int
    placeable: bool


class KindQueue(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of capability: how much waits for it, and whether it is paused."""

    kind: str
    waiting: int
    paused: bool


class Queues(msgspec.Struct, frozen=True, kw_only=True):
    """All kinds by name, and what waits for them by band and class; `now_ms`: time of the
    store when it was read."""

    kinds: list[KindQueue]
    queues: list[ClassQueue]
    now_ms: int


async def list_queues(hubs: Hubs, kind: str, timeout: float) -> Queues:
    """Reads all pages. A count may have moved between two of them."""
    kinds: dict[str, KindQueue] = {}
    rows: dict[tuple[str, int, str], ClassQueue] = {}
    cursor = ""
    while True:
        request = pb.ListQueuesRequest(kind=kind, cursor=cursor)
        page = await hubs.call(_LIST_QUEUES, request, timeout)
        for one in page.kinds:
            kinds[one.kind] = KindQueue(kind=one.kind, waiting=one.waiting, paused=one.paused)
        for row in page.queues:
            rows[row.kind, row.band, row.class_id] = _row(row)
        cursor = page.cursor
        if not cursor:
            ordered = [rows[key] for key in sorted(rows)]
            return Queues(kinds=list(kinds.values()), queues=ordered, now_ms=page.now_ms)


def _row(row: pb.ListQueuesResponse.Queue) -> ClassQueue:
    constraints: dict[str, Any] = msgspec.json.decode(row.constraints or b"{}")
    return ClassQueue(
        kind=row.kind,
        band=row.band,
        class_id=row.class_id,
        constraints=constraints,
        waiting=row.waiting,
        flows=row.flows,
        deficit=row.deficit,
        oldest_at_ms=row.oldest_at_ms,
        placeable=row.placeable,
    )
