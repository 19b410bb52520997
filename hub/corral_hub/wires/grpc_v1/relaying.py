"""Ephemeral events between corral.v1 and the hub's records, both ways.

Checks what a worker sends; what follows the hub takes for valid JSON.
"""

from __future__ import annotations

import msgspec

from corral_hub import names
from corral_hub.errors import InvalidRequest
from corral_hub.following import Parts, PartsGap
from corral_hub.jobs import MAX_DEPTH, parse_json
from corral_hub.session.messages import Streamed
from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb

TYPES = frozenset({"chunk", "progress", "log"})
ITEMS = 256
ITEM_BYTES = 16_384
BATCH_BYTES = 65_536
MAX_NUMBER = 10**15

# All of it is read, as a raw part is not looked at closely.
_items = msgspec.json.Decoder(list[tuple[str, object]])


def batch(message: common.EphemeralEvents) -> Streamed:
    """A batch of a worker. Raises InvalidRequest that names the field and the limit."""
    run = names.require(names.RUN_ID, message.run_id, "ephemeral.run_id")
    fence = names.fence(message.fence)
    if not 1 <= message.first <= MAX_NUMBER:
        raise InvalidRequest(
            f"ephemeral.first is {message.first}; numbers of an assignment grow by one from 1",
            field="ephemeral.first",
            limit=f"1..{MAX_NUMBER}",
        )
    count, size, chunks = len(message.items), 0, 0
    if not 1 <= count <= ITEMS:
        raise _too_much("items", count, f"1..{ITEMS}")
    parts: list[bytes] = []
    nested = False
    for item in message.items:
        if item.type not in TYPES:
            raise InvalidRequest(
                f"ephemeral.items.type is {item.type[:40]!r}; chunk, progress or log is possible",
                field="ephemeral.items.type",
            )
        payload = item.payload or b"null"
        if len(payload) > ITEM_BYTES:
            raise _too_much("items.payload", len(payload), f"{ITEM_BYTES} bytes")
        size += len(payload)
        chunks += item.type == "chunk"
        nested = nested or payload.count(b"[") + payload.count(b"{") > MAX_DEPTH
        parts.append(b'["%b",%b]' % (item.type.encode(), payload))
    if size > BATCH_BYTES:
        raise _too_much("items", size, f"{BATCH_BYTES} bytes")
    items = b"[" + b",".join(parts) + b"]"
    _check_json(items, count)
    if nested:
        for item in message.items:
            parse_json(item.payload or b"null", "ephemeral.items.payload")
    return Streamed(run, fence, message.first, count, chunks, items)


def _check_json(items: bytes, count: int) -> None:
    try:
        if len(_items.decode(items)) == count:
            return
        why = "a payload is more than one value"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = str(error)
    raise InvalidRequest(
        f"ephemeral.items.payload is no JSON ({why}); send UTF-8 JSON text",
        field="ephemeral.items.payload",
    )


def _too_much(field: str, value: int, limit: str) -> InvalidRequest:
    return InvalidRequest(
        f"ephemeral.{field} has {value}; the limit is {limit}",
        field=f"ephemeral.{field}",
        limit=limit,
    )


def response(item: Parts | PartsGap) -> pb.SubscribeRunEventsResponse:
    """What a subscriber is told of ephemeral events."""
    if isinstance(item, PartsGap):
        return pb.SubscribeRunEventsResponse(
            gap=pb.SubscribeRunEventsResponse.Gap(
                first=item.first, last=item.last, reason=item.reason, ephemeral=True,
                fence=str(item.fence),
            )
        )  # fmt: skip
    reply = pb.SubscribeRunEventsResponse()
    told = reply.ephemeral
    told.run_id, told.fence, told.first = item.run, str(item.fence), item.first
    told.attempt, told.cursor = item.attempt, item.cursor
    for kind, payload in item.items:
        told.items.add(type=kind, payload=payload)
    return reply
