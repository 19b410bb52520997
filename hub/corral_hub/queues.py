"""What waits, for operators: pages of kinds with their bands and classes. Knows no wire."""

from __future__ import annotations

import re

from corral_hub import names
from corral_hub.errors import InvalidRequest
from corral_store.records import Queues
from corral_store.transitions import Transitions

KINDS_PER_PAGE = 64
# A step of the store through the counts of one kind, and the kind.
CURSOR = re.compile(r"([0-9]{1,20}):(.+)")


async def list_queues(transitions: Transitions, kind: str, limit: int, cursor: str) -> Queues:
    """A page of what waits; the next one goes on at `cursor_of` it.

    Raises InvalidRequest for a kind, a limit or a cursor that can be none.
    """
    if kind:
        names.require(names.KIND, kind, "kind")
    if not 0 <= limit <= KINDS_PER_PAGE:
        raise InvalidRequest(
            f"limit is {limit}; 1 to {KINDS_PER_PAGE} kinds are possible",
            field="limit",
            limit=str(KINDS_PER_PAGE),
        )
    step, after = "0", ""
    if cursor:
        match = CURSOR.fullmatch(cursor)
        if match is None or not names.KIND.fullmatch(match[2]):
            raise InvalidRequest(
                f"cursor {cursor[:80]!r} is none; send one that a page carried", field="cursor"
            )
        step, after = match[1], match[2]
    return await transitions.queues(kind, limit or KINDS_PER_PAGE, (after, step))


def cursor_of(page: Queues) -> str:
    """Where the next page begins; "" at the end."""
    kind, step = page.more
    return f"{step}:{kind}" if kind else ""
