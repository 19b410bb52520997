"""How many instructions Valkey executes for a whole run, and how many lines of memory it brings
into a cache of 1 MB. Both are the same on a busy machine as on a quiet one, so a change of one
percent shows.

Valkey runs under valgrind's callgrind, a hundred times slower, and runs are put straight on it.
Two sizes are counted and one taken from the other, so that starting it has no part in it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from pathlib import Path

from bench.figures import Figures
from bench.fleet import ENDS, Fleet
from bench.rig import Rig
from corral_hub.valkey_binary import find_binary

FEW, MANY = 2 * ENDS, 12 * ENDS
# A cache of the second level as many machines have it for each core: bytes, ways, bytes of a line.
CACHE = "1048576,8,64"
FETCHED = ("ILmr", "DLmr", "DLmw")
# What is there at the beginning, and the room of the one session.
WORLDS = {"started": (256, 512), "waited": (2000, 256)}


async def instructions(rig: Rig, figures: Figures) -> None:
    """Instructions of Valkey for a whole run and the lines of memory that it fetches, of a run that
    starts at once and of one that waits."""
    if shutil.which("valgrind") is None:
        figures.note("instructions were not counted: install valgrind, e.g. apt install valgrind")
        return
    for name, (ahead, room) in WORLDS.items():
        few = await _totals(rig, ahead, room, FEW)
        many = await _totals(rig, ahead, room, MANY)
        each = {event: (many[event] - few[event]) / (MANY - FEW) for event in many}
        figures.add(f"instructions.{name}", each["Ir"], "for a run")
        figures.add(
            f"instructions.{name}.lines", sum(each[event] for event in FETCHED), "for a run"
        )


async def _totals(rig: Rig, ahead: int, room: int, runs: int) -> dict[str, int]:
    folder = Path(tempfile.mkdtemp(dir=rig.folder))
    socket, counted = folder / "valkey.sock", folder / "callgrind.out"
    binary = await asyncio.to_thread(find_binary)
    words = (
        "valgrind", "--tool=callgrind", "--cache-sim=yes", f"--LL={CACHE}",
        f"--callgrind-out-file={counted}", str(binary.path),
        "--port", "0", "--unixsocket", str(socket), "--dir", str(folder),
        "--appendonly", "yes", "--appendfsync", "always", "--save", "",
    )  # fmt: skip
    async with (
        rig.process(*words, ready="Ready to accept connections"),
        Fleet(f"unix://{socket}", "counted") as fleet,
    ):
        await fleet.open(1, room)
        await fleet.fill(ahead)
        await fleet.turn(runs)
    text = counted.read_text()
    events = re.search(r"^events: (.+)$", text, re.M)
    totals = re.search(r"^(?:totals|summary): (.+)$", text, re.M)
    if events is None or totals is None:
        raise RuntimeError(f"callgrind left no totals in {counted}")
    return dict(zip(events[1].split(), map(int, totals[1].split()), strict=True))
