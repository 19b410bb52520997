"""The cases by name. Each takes the rig and adds its figures, `<case>.<quantity>`."""

from collections.abc import Awaitable, Callable, Mapping

from bench.cases.batches import batches
from bench.cases.chunks import chunks
from bench.cases.cpu import cpu
from bench.cases.durability import durability
from bench.cases.events import events
from bench.cases.growth import growth
from bench.cases.hubs import hubs
from bench.cases.instructions import instructions
from bench.cases.latency import latency
from bench.cases.limits import limits
from bench.cases.memory import memory
from bench.cases.singles import singles
from bench.figures import Figures
from bench.rig import Rig

CASES: Mapping[str, Callable[[Rig, Figures], Awaitable[None]]] = {
    "limits": limits,
    "batches": batches,
    "singles": singles,
    "latency": latency,
    "hubs": hubs,
    "growth": growth,
    "memory": memory,
    "events": events,
    "cpu": cpu,
    "instructions": instructions,
    "durability": durability,
    "chunks": chunks,
}
