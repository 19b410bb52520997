"""The store of one hub: its connections, lanes and namespaces put together.

Owns three connections, for work, for leases and for hints, named `corral-hub:<hub>:<what>` in
CLIENT LIST, and the tasks of their lanes. Enters a namespace again whenever one is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from redis.exceptions import RedisError

from corral_store.batching import Lane
from corral_store.connection import Barrier, Call, Connection, explain, root_of
from corral_store.ending import cancel_all
from corral_store.errors import StoreUnavailable
from corral_store.outage import Outage
from corral_store.records import Entered, Letter, Settings
from corral_store.transitions import Transitions, letters_of, text

LetterSink = Callable[[str, list[Letter]], None]


class Store:
    """What a hub, a test or an operator's tool opens: `async with Store(url, hub)`.

    `settings_of` gives the settings of a namespace, where they differ from `settings`.
    `on_letters` gets the namespace and the mail that came with a reply, for sessions of
    this hub. `on_entered` is told whenever a namespace was entered, and `on_doubt` when mail
    of it may have been lost with a reply. `on_lost` gets the error of the first call that finds
    the store away, `on_back` the seconds until every connection has had an answer again.
    """

    def __init__(
        self,
        url: str,
        hub: str,
        *,
        settings: Settings | None = None,
        settings_of: Callable[[str], Settings] | None = None,
        barrier: Barrier | None = None,
        on_letters: LetterSink | None = None,
        on_entered: Callable[[str, Entered], None] | None = None,
        on_doubt: Callable[[str], None] | None = None,
        on_lost: Callable[[StoreUnavailable], None] | None = None,
        on_back: Callable[[float], None] | None = None,
        on_part_ended: Callable[[asyncio.Task[None]], None] | None = None,
    ) -> None:
        self.hub = hub
        common = settings or Settings()
        self._settings_of = settings_of or (lambda _: common)
        self.work = Connection(url, barrier=barrier, name=f"corral-hub:{hub}:work")
        self.leases = Connection(url, name=f"corral-hub:{hub}:leases")
        self.hints = Connection(url, name=f"corral-hub:{hub}:hints")
        self._on_letters = on_letters
        self._on_entered = on_entered
        self._on_doubt = on_doubt
        self._outage = Outage(on_lost, on_back)
        self._entered: dict[tuple[int, str], int] = {}
        self._lanes = {
            "work": self._lane(self.work),
            "reads": self._lane(self.work),
            "leases": self._lane(self.leases),
            "relays": self._lane(self.leases),
        }
        self._served: dict[str, Transitions] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._on_part_ended = on_part_ended
        for connection in (self.work, self.leases):
            connection.greetings = lambda link=connection: self._greetings(link)

    async def __aenter__(self) -> Store:
        for name, lane in self._lanes.items():
            task = asyncio.create_task(lane.run(), name=f"store-{name}")
            if self._on_part_ended is not None:
                task.add_done_callback(self._on_part_ended)
            self._tasks.append(task)
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_all(self._tasks)
        await self.work.close()
        await self.leases.close()
        await self.hints.close()

    def namespace(self, name: str) -> Transitions:
        """The transitions of a namespace; it is created by its first call."""
        lanes = self._lanes
        return self._served.get(name) or Transitions(
            name, self.hub, lanes["work"], lanes["leases"], lanes["reads"], lanes["relays"]
        )

    def serve(self, name: str) -> Transitions:
        """The same, of a namespace that is this hub's to look after until `leave`."""
        return self._served.setdefault(name, self.namespace(name))

    def leave(self, name: str) -> None:
        """Has nothing more to do with a namespace."""
        self._served.pop(name, None)
        for link in (self.work, self.leases):
            self._entered.pop((id(link), name), None)

    def names(self) -> list[str]:
        """Namespaces that this hub looks after."""
        return list(self._served)

    def _lane(self, connection: Connection) -> Lane:
        async def prepare(namespace: str) -> None:
            generation = self._entered.get((id(connection), namespace))
            if generation != connection.generation or connection.generation == 0:
                await self.enter(namespace, connection)

        def forget(namespace: str) -> None:
            self._entered.pop((id(connection), namespace), None)

        return Lane(
            connection,
            prepare=prepare,
            forget=forget,
            on_letters=self._deliver,
            on_doubt=self._doubt,
            outage=self._outage,
        )

    def _doubt(self, namespace: str) -> None:
        if self._on_doubt is not None:
            self._on_doubt(namespace)

    async def enter(self, namespace: str, connection: Connection | None = None) -> Entered:
        """Enters a namespace over a connection; creates it when it is new.

        Raises StoreFormat for data of another release, and the other store errors.
        """
        link = connection or self.work
        try:
            # A server at its memory limit refuses to add even what is there already.
            if not await link.redis.sismember("corral:namespaces", namespace):
                await link.redis.sadd("corral:namespaces", namespace)
        except (RedisError, OSError, TimeoutError) as error:
            raise explain(error) from error
        (reply,) = await link.run([self._enter_call(namespace)])
        if isinstance(reply, Exception):
            raise explain(reply)
        entered = Entered(text(reply[1]), int(reply[2]), int(reply[3]), int(reply[4]))
        self._entered[id(link), namespace] = link.generation
        if self._on_entered is not None:
            self._on_entered(namespace, entered)
        return entered

    def _enter_call(self, namespace: str) -> Call:
        s = self._settings_of(namespace)
        arguments = (
            self.hub, s.hub_ttl_ms, s.lease_ms, s.max_waiting, s.soft_bytes, f"{s.per_second:g}",
            s.burst,
        )  # fmt: skip
        return Call("enter", root_of(namespace), arguments)

    def _greetings(self, connection: Connection) -> list[Call]:
        """Namespaces that this connection's lane has entered before are entered again."""
        known = [name for link, name in self._entered if link == id(connection)]
        return [self._enter_call(namespace) for namespace in known]

    def _deliver(self, namespace: str, letters: bytes) -> None:
        if self._on_letters is not None:
            self._on_letters(namespace, letters_of(letters))

    async def probe(self) -> dict[str, str]:
        """Version and settings of the server, with a limit of 5 s."""
        try:
            async with asyncio.timeout(5):
                return await self.work.probe()
        except TimeoutError as error:
            raise StoreUnavailable("the store did not answer within 5 s") from error
