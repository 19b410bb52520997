"""Puts submits into one call that are made at the same moment, or while another is on its way.

Those of one turn of the event loop go together, e.g. all of an `asyncio.gather`, and whoever was
answered together asks again together. What comes while a submit is on its way leaves behind it, as
the calls of a group commit do: so the more there is to do, the more goes in one call, which costs
a hub little more than a call for one run. None waits longer than BEHIND_SECONDS, and none for a
list of runs. Where none has had company for a while and none is on its way, one goes at once, which
saves it the turn.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Sequence

from corral import refusals
from corral.calls import Hubs, Method
from corral.errors import HubError, InternalHubError
from corral.submission import batches
from corral.submit_stream import Shortcut, ShortcutLost
from corral_proto.v1 import orchestrator_pb2 as pb

_ONE = Method[pb.SubmitWorkflowRequest, pb.SubmitWorkflowResponse](
    "SubmitWorkflow", pb.SubmitWorkflowResponse.FromString
)
_MANY = Method[pb.SubmitWorkflowsRequest, pb.SubmitWorkflowsResponse](
    "SubmitWorkflows", pb.SubmitWorkflowsResponse.FromString
)

# Submits in a row without company, after which none is expected.
LONELY = 16
# How long a submit waits at most for one that is on its way.
BEHIND_SECONDS = 0.005


class Submitter:
    """Submits of one client. All methods belong to one event loop."""

    def __init__(self, hubs: Hubs) -> None:
        self._hubs = hubs
        self._shortcut = Shortcut(hubs)
        self._asked: list[_Asked] = []
        self._leaving: asyncio.Handle | None = None
        # Submits on their way, and those without company since the last that had some.
        self._flying = 0
        self._lonely = LONELY

    async def one(
        self, request: pb.SubmitWorkflowRequest, timeout: float
    ) -> pb.SubmitWorkflowResponse:
        """Submits a run, for at most `timeout` seconds; raises the refusal, or what the call
        raised."""
        if self._lonely >= LONELY and not self._flying:
            return await self._alone(request, timeout)
        if not self._asked:
            self._expect()
        asked = _Asked(request, timeout)
        self._asked.append(asked)
        try:
            answer = await asked.answer
        except asyncio.CancelledError:
            if asked.shared is not None:
                asked.shared.left_by_one()
            raise
        return await self._alone(request, timeout) if answer is None else answer

    async def _alone(
        self, request: pb.SubmitWorkflowRequest, timeout: float
    ) -> pb.SubmitWorkflowResponse:
        self._flying += 1
        try:
            began = time.monotonic()
            items = await self._by_stream([request], timeout)
            if items is None:
                return await self._hubs.call(_ONE, request, timeout, began)
            return _accepted(items[0])
        finally:
            self._landed()

    async def many(
        self,
        requests: Sequence[pb.SubmitWorkflowRequest],
        timeout: float,
        began: float | None = None,
    ) -> Sequence[pb.SubmitWorkflowsResponse.Item]:
        """Makes one call; gives a verdict for each run, in order. For `began` see `Hubs.call`."""
        call = pb.SubmitWorkflowsRequest(runs=requests)
        items = (await self._hubs.call(_MANY, call, timeout, began)).items
        if len(items) != len(requests):
            raise InternalHubError(
                f"The hub answered for {len(items)} of {len(requests)} runs; what became of them "
                "is unknown. Repeat the call with the same ids, and see the hub's log."
            )
        return items

    async def together(
        self, requests: Sequence[pb.SubmitWorkflowRequest], timeout: float
    ) -> Sequence[pb.SubmitWorkflowsResponse.Item]:
        """As `many`, for submits that were made one by one."""
        self._flying += 1
        try:
            began = time.monotonic()
            items = await self._by_stream(requests, timeout)
            return await self.many(requests, timeout, began) if items is None else items
        finally:
            self._landed()

    async def close(self) -> None:
        """Ends what is open."""
        await self._shortcut.close()

    async def _by_stream(
        self, requests: Sequence[pb.SubmitWorkflowRequest], timeout: float
    ) -> Sequence[pb.SubmitWorkflowsResponse.Item] | None:
        """The verdicts, when there is a stream and it gives them; None: make the call."""
        if not self._shortcut.takes(requests):
            self._shortcut.called()
            return None
        try:
            items = await self._shortcut.submit(requests, timeout)
        except ShortcutLost:
            self._hubs.check_open("SubmitWorkflow")
            return None
        return items if len(items) == len(requests) else None

    def _expect(self) -> None:
        """What is asked leaves in the next turn, or behind what is on its way."""
        loop = asyncio.get_running_loop()
        if self._flying:
            self._leaving = loop.call_later(BEHIND_SECONDS, self._leave)
        else:
            self._leaving = loop.call_soon(self._leave)

    def _landed(self) -> None:
        self._flying -= 1
        if self._asked and self._leaving is not None and not self._flying:
            self._leaving.cancel()
            self._expect()

    def _leave(self) -> None:
        """Sends what was asked until now, in one call what has the same time."""
        by_time: dict[float, list[_Asked]] = {}
        for asked in self._asked:
            # Else its task was cancelled already.
            if not asked.answer.done():
                by_time.setdefault(asked.timeout, []).append(asked)
        self._lonely = 0 if len(self._asked) > 1 else self._lonely + 1
        self._asked, self._leaving = [], None
        for timeout, group in by_time.items():
            rest = iter(group)
            for batch in batches([asked.request for asked in group]):
                part = [next(rest) for _ in batch]
                if len(part) == 1:
                    part[0].answer.set_result(None)
                else:
                    _Shared(self, part, timeout)


def _accepted(item: pb.SubmitWorkflowsResponse.Item) -> pb.SubmitWorkflowResponse:
    """The run; raises what it was refused with."""
    if item.WhichOneof("verdict") != "accepted":
        raise refusals.from_detail(item.refused)
    return item.accepted


class _Asked:
    """One submit that has not left yet, or that shares a call."""

    __slots__ = ("answer", "request", "shared", "timeout")

    def __init__(self, request: pb.SubmitWorkflowRequest, timeout: float) -> None:
        self.request = request
        self.timeout = timeout
        self.shared: _Shared | None = None
        # None: it is alone, so its own task makes the call.
        self.answer: asyncio.Future[pb.SubmitWorkflowResponse | None] = (
            asyncio.get_running_loop().create_future()
        )

    def answered(self, item: pb.SubmitWorkflowsResponse.Item) -> None:
        """Its verdict is there, unless nobody waits for it any more."""
        if self.answer.done():
            return
        try:
            self.answer.set_result(_accepted(item))
        except HubError as refusal:
            self.answer.set_exception(refusal)

    def failed(self, error: Exception) -> None:
        """The call failed; a copy, as a traceback belongs to one task."""
        if not self.answer.done():
            own = copy.copy(error)
            own.__cause__ = error.__cause__
            self.answer.set_exception(own)


class _Shared:
    """A call for several submits; it ends early only when all of them have been given up."""

    def __init__(self, submitter: Submitter, part: Sequence[_Asked], timeout: float) -> None:
        self._part = part
        self._waiting = len(part)
        for asked in part:
            asked.shared = self
        self._task = asyncio.create_task(self._call(submitter, timeout))

    def left_by_one(self) -> None:
        """Someone does not wait any longer; whether the run is submitted is then unknown."""
        self._waiting -= 1
        if not self._waiting:
            self._task.cancel()

    async def _call(self, submitter: Submitter, timeout: float) -> None:
        try:
            items = await submitter.together([asked.request for asked in self._part], timeout)
            for asked, item in zip(self._part, items, strict=True):
                asked.answered(item)
        except Exception as error:
            for asked in self._part:
                asked.failed(error)
        finally:
            # Only when it is cancelled from outside, e.g. by the end of the loop.
            for asked in self._part:
                asked.answer.cancel()
