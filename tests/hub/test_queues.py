"""What a hub says to pages of queues that cannot be, before it asks the store."""

from __future__ import annotations

import pytest

from corral_hub.errors import InvalidRequest
from corral_hub.queues import cursor_of, list_queues
from corral_store import Store
from corral_store.records import Queues

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("kind", "limit", "cursor", "field"),
    [
        ("a b", 0, "", "kind"),
        ("", 65, "", "limit"),
        ("", 0, "nonsense", "cursor"),
        ("", 0, "x:workflow:a", "cursor"),
        ("", 0, f"{'1' * 21}:workflow:a", "cursor"),
        ("", 0, "0:a b", "cursor"),
    ],
)
async def test_a_page_that_cannot_be_is_refused_with_its_field(
    valkey: str, kind: str, limit: int, cursor: str, field: str
) -> None:
    transitions = Store(valkey, "hub").namespace("default")
    with pytest.raises(InvalidRequest) as refused:
        await list_queues(transitions, kind, limit, cursor)
    assert refused.value.field == field


async def test_a_cursor_leads_on_after_kinds_with_colons(valkey: str) -> None:
    page = Queues((), (), ("inference:llm:ollama", "17"), 0)
    assert cursor_of(page) == "17:inference:llm:ollama"
    assert cursor_of(Queues((), (), ("", ""), 0)) == ""
    async with Store(valkey, "hub") as store:
        found = await list_queues(store.namespace("default"), "", 0, cursor_of(page))
    assert found.kinds == ()
