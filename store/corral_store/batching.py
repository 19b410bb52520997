"""Group commit: concurrent calls travel together, and a lone one leaves at once.

Owns the queue of one kind of traffic. While a batch is in flight the next one gathers;
calls of one transition with the same head are put together up to the bound of a call.
There is no timer. All calls may be repeated, so a batch whose reply was lost is sent
again until the store answers or its callers have given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from corral_store.connection import Call, Connection, explain
from corral_store.errors import CallTooLarge, StoreError, StoreUnavailable

ITEMS_PER_CALL = 256
CALLS_PER_PIPELINE = 128
WAITING_CALLS = 20_000
RETRY_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.4)

Argument = bytes | str | int
Item = tuple[Argument, ...]


@dataclass(slots=True)
class Request:
    """One caller's call: a head, items, and where the reply goes."""

    transition: str
    namespace: str
    root: str
    head: Item
    items: Sequence[Item]
    merge: bool
    reply: asyncio.Future[Any]


@dataclass(slots=True)
class _Group:
    requests: list[Request] = field(default_factory=list[Request])
    size: int = 0

    def takes(self, request: Request) -> bool:
        first = self.requests[0]
        return (
            request.merge
            and first.merge
            and first.transition == request.transition
            and first.root == request.root
            and first.head == request.head
            and self.size + len(request.items) <= ITEMS_PER_CALL
        )

    def add(self, request: Request) -> None:
        self.requests.append(request)
        self.size += len(request.items)

    def call(self) -> Call:
        first = self.requests[0]
        flat = [argument for r in self.requests for item in r.items for argument in item]
        return Call(first.transition, first.root, (*first.head, *flat))


class Lane:
    """A queue of calls with one task that sends them.

    `prepare` is awaited with the namespaces of a batch before it is sent, so that each
    has been entered over the present connections.
    """

    def __init__(
        self,
        connection: Connection,
        prepare: Callable[[set[str]], Any],
        on_letters: Callable[[str, list[Any]], None],
    ) -> None:
        self._connection = connection
        self._prepare = prepare
        self._on_letters = on_letters
        self._waiting: list[Request] = []
        self._wake = asyncio.Event()

    async def call(
        self,
        transition: str,
        namespace: str,
        root: str,
        head: Item,
        items: Sequence[Item] = (),
        *,
        merge: bool = False,
    ) -> Any:
        """Gives (verdicts, more) of a transition.

        Raises StoreUnavailable when the queue is full, and what `explain` makes of the
        store's refusals.
        """
        if len(items) > ITEMS_PER_CALL:
            raise CallTooLarge(f"{len(items)} items for {transition}; {ITEMS_PER_CALL} at most")
        if len(self._waiting) >= WAITING_CALLS:
            raise StoreUnavailable(f"{WAITING_CALLS} calls wait for the store already; try later")
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(Request(transition, namespace, root, head, items, merge, reply))
        self._wake.set()
        return await reply

    async def run(self) -> None:
        """Sends what waits, forever; the owner cancels it."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._send(self._gather())
        finally:
            for request in self._waiting:
                _fail(request, StoreUnavailable("the hub is stopping; send the call to another"))
            self._waiting.clear()

    def _gather(self) -> list[_Group]:
        groups: list[_Group] = []
        taken = 0
        for request in self._waiting:
            if request.reply.done():
                taken += 1
                continue
            if groups and groups[-1].takes(request):
                groups[-1].add(request)
            elif len(groups) < CALLS_PER_PIPELINE:
                groups.append(_Group())
                groups[-1].add(request)
            else:
                break
            taken += 1
        del self._waiting[:taken]
        return groups

    async def _send(self, groups: list[_Group]) -> None:
        tries = 0
        try:
            while groups:
                try:
                    await self._prepare({g.requests[0].namespace for g in groups})
                    replies = await self._connection.run([group.call() for group in groups])
                except StoreUnavailable:
                    await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                    tries += 1
                    groups = [g for g in groups if any(not r.reply.done() for r in g.requests)]
                    continue
                groups = self._settle(groups, replies)
        except StoreError as error:
            for group in groups:
                for request in group.requests:
                    _fail(request, error)
        except BaseException:
            for group in groups:
                for request in group.requests:
                    _fail(request, StoreUnavailable("the hub is stopping; outcome unknown"))
            raise

    def _settle(self, groups: list[_Group], replies: list[Any]) -> list[_Group]:
        again: list[_Group] = []
        for group, reply in zip(groups, replies, strict=True):
            if isinstance(reply, Exception):
                error = explain(reply)
                if isinstance(error, StoreUnavailable) or str(reply).startswith("NOTENTERED"):
                    again.append(group)
                    continue
                for request in group.requests:
                    _fail(request, error)
                continue
            self._share(group, reply)
        return again

    def _share(self, group: _Group, reply: Any) -> None:
        verdicts, letters, more = reply
        if letters:
            self._on_letters(group.requests[0].namespace, letters)
        at = 0
        for request in group.requests:
            if request.merge:
                mine = verdicts[at : at + len(request.items)]
                at += len(request.items)
            else:
                mine = verdicts
            if not request.reply.done():
                request.reply.set_result((mine, more))


def _fail(request: Request, error: StoreError) -> None:
    if not request.reply.done():
        request.reply.set_exception(error)
