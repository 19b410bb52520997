"""One typed method per transition of one namespace.

Turns records into arguments and replies into records, and nothing else. All methods
raise the errors of `corral_store.errors`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from corral_store.batching import ITEMS_PER_CALL, Lane
from corral_store.connection import root_of
from corral_store.filters import RunFilter, WorkerFilter
from corral_store.records import (
    ClassRow,
    Described,
    Explained,
    Feed,
    Held,
    Kept,
    Letter,
    NewBatch,
    NewRun,
    NewSession,
    Opened,
    Question,
    QueueRow,
    Queues,
    Report,
    Ring,
    RunEvents,
    SessionRow,
    Stats,
    Submitted,
    Ticked,
    names_of,
)

# As much as a session may take, so that none holds more than it can name when it is back.
HELD = 100_000


def text(value: Any) -> str:
    """A reply of the store as text; replies come as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def table(flat: Sequence[Any]) -> dict[str, str]:
    """A flat list of fields and values as a dict."""
    return {text(flat[i]): text(flat[i + 1]) for i in range(0, len(flat), 2)}


# Events of a run of which no list is kept, as its status says.
_COURSE = {"pending": "1", "running": "2", "completed": "3"}


def run_of(flat: Sequence[Any]) -> dict[str, str]:
    """The record of a run, with what every run has but most say by leaving it out."""
    run = table(flat)
    if "fence" in run:
        run.setdefault("version", "1")
    if "worker" in run:
        run.setdefault("started", run["submitted"])
        run.setdefault("attempt", "1")
    run.setdefault("events", _COURSE.get(run["status"], "0"))
    return run


# Numbers come as the text that they are kept as.
letters_of = msgspec.msgpack.Decoder(list[Letter], strict=False).decode
_submitted = msgspec.msgpack.Decoder(Submitted, strict=False).decode
_pack = msgspec.msgpack.Encoder().encode


def packed_runs(runs: Iterable[NewRun]) -> list[bytes]:
    """Runs as submit.lua takes them; the text of a class goes with the first run of it."""
    told: set[str] = set()
    packed: list[bytes] = []
    for run in runs:
        if run.class_ in told:
            run = msgspec.structs.replace(run, class_json="")
        told.add(run.class_)
        packed.append(_pack(run))
    return packed


def _in_order(record: type) -> attrgetter[Any]:
    """Reads a record's fields as a tuple; dataclasses.astuple copies each value deeply."""
    return attrgetter(*names_of(record))


_report_fields = _in_order(Report)
_batch_fields = _in_order(NewBatch)
_session_fields = _in_order(NewSession)


class Transitions:
    """The transitions of a namespace, as one hub calls them.

    `work` carries what changes runs, `leases` what keeps sessions alive: the latter never
    waits behind the former. `relays` carries what nobody is told to be durable.
    """

    def __init__(
        self, namespace: str, hub: str, work: Lane, leases: Lane, reads: Lane, relays: Lane
    ) -> None:
        self.namespace = namespace
        self.root = root_of(namespace)
        self.hub = hub
        self._work = work
        self._leases = leases
        self._reads = reads
        self._relays = relays

    async def _call(
        self, lane: Lane, name: str, head: tuple[Any, ...] = (), items: Sequence[Any] = (),
        merge: bool = False, most: int = ITEMS_PER_CALL,
    ) -> tuple[Any, Any]:  # fmt: skip
        return await lane.call(
            name, self.namespace, self.root, (self.hub, *head), items, merge=merge, most=most
        )

    async def submit(self, runs: Sequence[NewRun]) -> list[Submitted]:
        """Accepts up to 256 runs; see submit.lua for the verdicts."""
        items = [(asked,) for asked in packed_runs(runs)]
        verdicts, _ = await self._call(self._work, "submit", (), items, merge=True)
        return [_submitted(verdict) for verdict in verdicts]

    async def cancel(self, runs: Sequence[tuple[str, str]]) -> list[str]:
        """Cancels up to 256 runs, each with a reason as JSON text."""
        verdicts, _ = await self._call(self._work, "cancel", (), list(runs), merge=True)
        return [text(verdict) for verdict in verdicts]

    async def report(self, session: str, stream: int, reports: Sequence[Report]) -> list[str]:
        """Stores what a worker says about its runs, in order; up to 256 at once."""
        items = [_report_fields(report) for report in reports]
        verdicts, _ = await self._call(self._work, "report", (session, stream), items)
        return [verdict.decode() for verdict in verdicts]

    async def relay(self, batches: Sequence[NewBatch]) -> list[str]:
        """Hands ephemeral events on; up to 256 batches, see relay.lua for the verdicts."""
        items = [_batch_fields(batch) for batch in batches]
        verdicts, _ = await self._call(self._relays, "relay", (), items, merge=True)
        return [verdict.decode() for verdict in verdicts]

    async def listen(self, run: str, how: str, fence: str = "", number: int = 0) -> Ring | None:
        """Follows a run's ephemeral events with this hub (how: on, off), or only reads what
        is kept of them beyond a number of an assignment (read)."""
        found, more = await self._call(self._relays, "listen", (run, how, fence, number))
        if not found:
            return None
        own, last, batches = more
        return Ring(text(found[0]), text(own), int(last), tuple(batches))

    async def open_session(
        self, session: NewSession, held: Sequence[Held], *, resume: bool
    ) -> Opened:
        """Opens a session, or a later stream of it; see opening.lua. All that is held goes
        in one call, as what is not named is sent again."""
        name = "resume_session" if resume else "open_session"
        items = [(one.run, one.fence) for one in held]
        verdict, more = await self._call(
            self._work, name, _session_fields(session), items, most=HELD
        )
        if text(verdict[0]) != "ok":
            return Opened(text(verdict[0]))
        kept = tuple(
            Kept(text(more[i]), text(more[i + 1]), text(more[i + 2]) == "keep")
            for i in range(0, len(more), 3)
        )
        _, stream, resumed, draining = (text(part) for part in verdict)
        return Opened("ok", int(stream), resumed == "1", draining == "1", kept)

    async def close_session(self, session: str, stream: int, how: str, grace_ms: int) -> str:
        """Ends a stream: cut (a grace begins), goodbye or lost."""
        verdict, _ = await self._call(self._work, "close_session", (session, stream, how, grace_ms))
        return text(verdict[0])

    async def renew(
        self, ttl_ms: int, sessions: Sequence[tuple[str, int]]
    ) -> tuple[list[str], int, list[str]]:
        """Renews up to 256 leases and this hub's own; gives verdicts, the number of sessions
        in the namespace, and the live hubs."""
        verdicts, (count, hubs) = await self._call(self._leases, "renew", (ttl_ms,), list(sessions))
        return [text(v) for v in verdicts], int(count), [text(h) for h in hubs]

    async def tick(self, interval_ms: int) -> Ticked:
        """Lets happen what time alone brings about."""
        verdict, _ = await self._call(self._leases, "tick", (interval_ms,))
        return Ticked(text(verdict[0]), *(int(n) for n in verdict[1:]))

    async def drain(self, worker: str, how: str) -> tuple[str, int]:
        """Stops new work for a worker; how: drain, drain_now, or quiet (it knows)."""
        verdict, _ = await self._call(self._work, "drain", (worker, how))
        return text(verdict[0]), int(verdict[1])

    async def retry(self, runs: Sequence[tuple[str, str]]) -> list[str]:
        """Gives ended runs a new set of attempts; each with the JSON of its class."""
        verdicts, _ = await self._call(self._work, "retry", (), list(runs), merge=True)
        return [text(verdict) for verdict in verdicts]

    async def pause(self, kind: str, paused: bool) -> list[str]:
        """Stops or resumes giving out a kind; gives the kinds that are paused."""
        kinds, _ = await self._call(self._work, "pause", (kind, int(paused)))
        return sorted(text(kind) for kind in kinds)

    async def explain(self, run: str) -> Explained | None:
        """Why a run waits."""
        found, workers = await self._call(self._reads, "explain", (run,))
        if not found:
            return None
        status, band, ahead, flows, waiting, stages, awaits = found
        return Explained(
            text(status), int(band), int(ahead), int(flows),
            {int(k): int(v) for k, v in table(waiting).items()},
            {k: int(v) for k, v in table(stages).items()},
            tuple((text(w), text(v), int(score)) for w, v, score in workers),
            text(awaits),
        )  # fmt: skip

    async def resident(self, session: str, stream: int, models: Sequence[str]) -> str:
        """Says which models a session has loaded now."""
        verdict, _ = await self._call(
            self._work, "resident", (session, stream, ",".join(sorted(models)))
        )
        return text(verdict[0])

    async def fetch_mail(
        self, sessions: Sequence[tuple[str, int]] = ()
    ) -> tuple[list[tuple[str, str]], int]:
        """Reads all mail of these sessions, or what the hub's news say; the letters go to the
        hub's mailroom like those of every call. Gives a verdict for each session (`later`: ask
        again for this one), and how many news are left."""
        verdicts, (left,) = await self._call(self._work, "fetch_mail", (), list(sessions))
        return [(text(session), text(verdict)) for session, verdict in verdicts], int(left)

    async def describe(self, runs: Sequence[str], what: str = "") -> list[Described | None]:
        """Runs as they stand; what: i(nput), o(utput), a(ttempts)."""
        verdicts, _ = await self._call(self._reads, "describe", (what, *runs))
        return [_described(raw) if raw else None for raw in verdicts]

    async def list_runs(
        self, filter: RunFilter, limit: int, cursor: tuple[str, str]
    ) -> tuple[list[tuple[str, dict[str, str]]], tuple[str, str]]:
        """A page of runs, newest first, and where the next begins ("" at the end)."""
        head = (filter.text(), limit, *cursor)
        rows, more = await self._call(self._reads, "list_runs", head)
        return [(text(run), run_of(fields)) for run, fields in rows], (text(more[0]), text(more[1]))

    async def answer_input(self, run: str, request: str, answer: bytes) -> str:
        """Answers a question; see answer_input.lua for the verdicts."""
        verdict, _ = await self._call(self._work, "answer_input", (run, request, answer))
        return text(verdict[0])

    async def list_inputs(
        self, run: str, limit: int, cursor: tuple[str, str]
    ) -> tuple[list[Question], tuple[str, str]]:
        """A page of open questions, oldest first, and where the next begins ("" at the end)."""
        rows, more = await self._call(self._reads, "list_inputs", (run, limit, *cursor))
        found = [
            Question(text(r), text(q), bytes(json), int(asked), int(due), text(w), text(status))
            for r, q, json, asked, due, w, status in rows
        ]
        return found, (text(more[0]), text(more[1]))

    async def list_sessions(
        self, filter: WorkerFilter, limit: int, after: str
    ) -> tuple[list[SessionRow], str]:
        """A page of live sessions, and where the next begins ("" at the end)."""
        rows, more = await self._call(self._reads, "list_sessions", (filter.text(), limit, after))
        return [SessionRow(text(s), table(f), bytes(p)) for s, f, p in rows], text(more[0])

    async def read_events(
        self, runs: Sequence[str], after: int, limit: int = ITEMS_PER_CALL
    ) -> tuple[list[RunEvents | None], int]:
        """Events of runs beyond a number, and the epoch."""
        rows, more = await self._call(self._reads, "read_events", (after, limit, *runs))
        found = [
            RunEvents(text(row[0]), int(row[1]), tuple(bytes(e) for e in row[2])) if row else None
            for row in rows
        ]
        return found, int(more[0])

    async def read_feed(self, after: str, limit: int = 100) -> Feed:
        """Entries of the feed beyond an id; "$" reads none and tells where it ends."""
        rows, more = await self._call(self._reads, "read_feed", (after, limit))
        entries = tuple((text(entry), bytes(events)) for entry, events in rows)
        return Feed(entries, int(more[0]), text(more[1]), text(more[2]))

    async def stats(self) -> Stats:
        """Counters, queues and deficits."""
        totals, (queues, facts, hubs) = await self._call(self._reads, "stats")
        rows = tuple(
            QueueRow(
                text(kind),
                {key: int(n) for key, n in table(waiting).items()},
                {int(band): float(deficit) for band, deficit in table(deficits).items()},
            )
            for kind, waiting, deficits in queues
        )
        return Stats(
            {name: int(n) for name, n in table(totals).items()}, rows, int(facts[0]),
            text(facts[1]) == "1", int(facts[2]), tuple(text(hub) for hub in hubs),
        )  # fmt: skip

    async def queues(self, kind: str, limit: int, cursor: tuple[str, str]) -> Queues:
        """A page of what waits, by kind, band and class."""
        rows, (kinds, (*more, now)) = await self._call(
            self._reads, "queues", (kind, limit, *cursor)
        )
        return Queues(
            tuple(
                ClassRow(
                    text(k), int(band), text(c), bytes(json), int(waiting), int(flows),
                    float(deficit), int(oldest), text(fits) == "1",
                )
                for k, band, c, json, waiting, flows, deficit, oldest, fits in rows
            ),
            tuple((text(k), int(waiting), text(paused) == "1") for k, waiting, paused in kinds),
            (text(more[0]), text(more[1])),
            int(now),
        )  # fmt: skip

    async def check(self) -> list[tuple[str, str]]:
        """Broken invariants as (name, what breaks it); walks everything."""
        rows, _ = await self._call(self._reads, "check")
        return [(text(name), text(what)) for name, what in rows]


def _described(raw: Sequence[Any]) -> Described:
    fields, job, output, attempts, hands, hub = raw
    return Described(
        run_of(fields), bytes(job), bytes(output), tuple(bytes(a) for a in attempts),
        text(hands), text(hub),
    )  # fmt: skip
