"""How many instructions Valkey executes for a whole run: the same on a busy machine as on a
quiet one, so a change of one percent shows. Says nothing of the time that memory takes.

Valkey runs under valgrind's callgrind, some fifty times slower, and runs are put straight on it.
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
# What is there at the beginning, and the room of the one session.
WORLDS = {"started": (256, 512), "waited": (2000, 256)}


async def instructions(rig: Rig, figures: Figures) -> None:
    """Instructions of Valkey for a whole run, of one that starts at once and one that waits."""
    if shutil.which("valgrind") is None:
        figures.note("instructions were not counted: install valgrind, e.g. apt install valgrind")
        return
    for name, (ahead, room) in WORLDS.items():
        few = await _total(rig, ahead, room, FEW)
        many = await _total(rig, ahead, room, MANY)
        figures.add(f"instructions.{name}", (many - few) / (MANY - FEW), "for a run")


async def _total(rig: Rig, ahead: int, room: int, runs: int) -> int:
    folder = Path(tempfile.mkdtemp(dir=rig.folder))
    socket, counted = folder / "valkey.sock", folder / "callgrind.out"
    binary = await asyncio.to_thread(find_binary)
    words = (
        "valgrind", "--tool=callgrind", f"--callgrind-out-file={counted}", str(binary.path),
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
    found = re.search(r"^(?:totals|summary): (\d+)", counted.read_text(), re.M)
    if found is None:
        raise RuntimeError(f"callgrind left no total in {counted}")
    return int(found[1])
