"""An outlet of contexts that answers remarks as a hub would, or as a test says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from corral.context import Context
from corral.session.credit import Credit
from corral.session.lease import Horizon
from corral.session.messages import Remark, Told
from corral_proto.v1 import common_pb2, worker_pb2

Word = Literal["kept", "refused", "unsupported", "over"]


class Outlet:
    """Keeps what is said; `word` is the verdict on every remark, None: none comes."""

    def __init__(self) -> None:
        self.credit = Credit(10)
        self.horizon = Horizon(math.inf)
        self.said: list[Any] = []
        self.word: Word | None = "kept"
        self.detail = ""
        self.limit = 524_288
        self.then: Callable[[], None] | None = None
        self.context: Context

    def say_event(self, run_id: str, fence: str, type_: str, payload: bytes) -> None:
        raise AssertionError("no event was expected")

    def say_remark(self, run_id: str, fence: str, remark: Remark) -> None:
        assert (run_id, fence) == ("r", "9")
        self.said.append(remark.saying)
        if self.word is not None:
            told = Told("r", "9", remark.ticket, self.word, self.detail, self.limit)
            self.context.tell_word(told)
        if self.then is not None:
            self.then()


def answer(request_id: str, response: bytes = b"", *, lapsed: bool = False) -> Any:
    return common_pb2.InputAnswer(request_id=request_id, response=response, lapsed=lapsed)


def context_of(outlet: Any = None, **more: Any) -> Context:
    """A context of run "r" with fence "9"; `more` are fields of its assignment."""
    outlet = outlet or Outlet()
    fields: dict[str, Any] = {"run_id": "r", "fence": "9", "attempt": 1, "device": -1} | more
    outlet.context = Context(worker_pb2.Assignment(**fields), outlet, None)
    return outlet.context
