"""Group commit: concurrent calls travel together, and a lone one leaves at once.

Owns the queue of one kind of traffic. While a batch is in flight the next one gathers; calls of
one transition with the same head are put together up to the bound of a call. A next one that
has grown large does not wait for the reply. There is no timer. All calls may be repeated, so a
batch whose reply was lost is sent again until the store answers or its callers have given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from corral_store.connection import Call, Connection, explain
from corral_store.ending import cancel_all
from corral_store.errors import CallTooLarge, StoreError, StoreUnavailable
from corral_store.outage import Outage

ITEMS_PER_CALL = 256
CALLS_PER_PIPELINE = 128
# On their way at once: the server works on one while the hub writes the next and reads the last.
PIPELINES = 2
# Items that are worth a pipeline of their own; fewer cost less when more join them.
LARGE = 64
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

    @property
    def size(self) -> int:
        """How many items it has; a call without any is as much work as one."""
        return len(self.items) or 1


@dataclass(slots=True)
class _Group:
    requests: list[Request] = field(default_factory=list[Request])
    size: int = 0

    @property
    def namespace(self) -> str:
        """The namespace of all its calls."""
        return self.requests[0].namespace

    @property
    def awaited(self) -> bool:
        """False when every caller has its answer, or has given up."""
        return any(not request.reply.done() for request in self.requests)

    def fail(self, error: StoreError) -> None:
        """Gives the error to all who wait."""
        for request in self.requests:
            _fail(request, error)

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
    """A queue of calls, and who has them sent.

    `prepare` is awaited with each namespace of a batch before it is sent, so that it has
    been entered over the present connections; `forget` is told of one that the server does
    not know. `on_doubt` is told of a namespace after replies to its calls were lost, and
    with them the mail that they carried: a call that is sent again brings none. `outage` is
    told which calls found the store, and which did not.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        prepare: Callable[[str], Awaitable[None]],
        forget: Callable[[str], None],
        on_letters: Callable[[str, bytes], None],
        on_doubt: Callable[[str], None],
        outage: Outage,
    ) -> None:
        self._connection = connection
        self._pipe = connection.pipe()
        self._prepare = prepare
        self._forget = forget
        self._on_letters = on_letters
        self._on_doubt = on_doubt
        self._outage = outage
        self._doubtful: set[str] = set()
        self._waiting: list[Request] = []
        self._items = 0
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
        most: int = ITEMS_PER_CALL,
    ) -> Any:
        """Gives (verdicts, more) of a transition; `most` is the bound of its items.

        Raises StoreUnavailable when the queue is full, and what `explain` makes of the
        store's refusals.
        """
        if len(items) > most:
            raise CallTooLarge(f"{len(items)} items for {transition}; {most} at most")
        if len(self._waiting) >= WAITING_CALLS:
            raise StoreUnavailable(f"{WAITING_CALLS} calls wait for the store already; try later")
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        request = Request(transition, namespace, root, head, items, merge, reply)
        self._waiting.append(request)
        self._items += request.size
        self._wake.set()
        return await reply

    async def run(self) -> None:
        """Sends what waits, forever; the owner cancels it."""
        sending: set[asyncio.Task[None]] = set()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                for ended in [task for task in sending if task.done()]:
                    sending.discard(ended)
                    ended.result()
                while self._waiting and (
                    not sending or (len(sending) < PIPELINES and self._items >= LARGE)
                ):
                    task = asyncio.create_task(self._send(self._gather()))
                    task.add_done_callback(lambda _: self._wake.set())
                    sending.add(task)
        finally:
            await cancel_all(list(sending))
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
        self._items -= sum(request.size for request in self._waiting[:taken])
        del self._waiting[:taken]
        return groups

    async def _send(self, groups: list[_Group]) -> None:
        tries = 0
        try:
            while groups:
                groups = [g for g in await self._attempt(groups) if g.awaited]
                if groups:
                    await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                    tries += 1
        except BaseException:
            for group in groups:
                group.fail(StoreUnavailable("the hub is stopping; outcome unknown"))
            raise

    async def _attempt(self, groups: list[_Group]) -> list[_Group]:
        """Sends the calls once; gives those that are to be sent again."""
        ready, again = await self._entered(groups)
        if not ready:
            return again
        try:
            replies = await self._connection.run([group.call() for group in ready], self._pipe)
        except StoreUnavailable as error:
            self._outage.lost(self._connection, error)
            self._doubtful |= {group.namespace for group in ready}
            return ready + again
        except StoreError as error:
            for group in ready:
                group.fail(error)
            return again
        self._outage.answered(self._connection)
        again += self._settle(ready, replies)
        doubtful, self._doubtful = self._doubtful, set()
        for namespace in doubtful:
            self._on_doubt(namespace)
        return again

    async def _entered(self, groups: list[_Group]) -> tuple[list[_Group], list[_Group]]:
        """The calls of namespaces that are entered, and those to be sent later. A namespace
        that refuses to be entered fails its own calls and no others."""
        found: dict[str, StoreError | None] = {}
        ready: list[_Group] = []
        for at, group in enumerate(groups):
            if group.namespace not in found:
                try:
                    await self._prepare(group.namespace)
                    found[group.namespace] = None
                except StoreUnavailable as error:
                    self._outage.lost(self._connection, error)
                    return [], ready + groups[at:]
                except StoreError as error:
                    found[group.namespace] = error
            refusal = found[group.namespace]
            if refusal is None:
                ready.append(group)
            else:
                group.fail(refusal)
        return ready, []

    def _settle(self, groups: list[_Group], replies: list[Any]) -> list[_Group]:
        again: list[_Group] = []
        for group, reply in zip(groups, replies, strict=True):
            if not isinstance(reply, Exception):
                self._share(group, reply)
                continue
            error = explain(reply)
            if str(reply).startswith("NOTENTERED"):
                self._forget(group.namespace)
                again.append(group)
            elif isinstance(error, StoreUnavailable):
                again.append(group)
            else:
                group.fail(error)
        return again

    def _share(self, group: _Group, reply: Any) -> None:
        verdicts, letters, more = reply
        if letters:
            self._on_letters(group.namespace, letters)
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
