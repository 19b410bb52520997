"""Rounds of chaos, one after the other: `python -m tests.chaos --minutes 10 --seed 1`.

Prints the figures, keeps the files of rounds with violations, and exits 1 when there are any.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.figures import Figures
from tests.chaos.round import Plan, play

ROUND_SECONDS = 60.0
LEAST_ROUND_SECONDS = 15.0
# A run of so many minutes that hits less work in flight has shown little.
LEAST_HITS_PER_MINUTE = 2
SHOWN = 30


def table(figures: Figures, seed: int, minutes: float) -> Table:
    """The figures of all rounds."""
    made = Table(title=f"Chaos, seed {seed}, {minutes:.1f} minutes")
    made.add_column("what")
    made.add_column("count", justify="right")
    made.add_column("hit work in flight", justify="right")
    for what, number in sorted(figures.counts.items()):
        made.add_row(what, str(number), "")
    made.add_section()
    for kind, number in sorted(figures.disturbances.items()):
        made.add_row(kind, str(number), str(figures.hits[kind]))
    made.add_section()
    made.add_row("violations", str(len(figures.violations)), "")
    return made


def main() -> int:
    """Plays rounds until the minutes are over; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    console = Console()
    root = Path(tempfile.mkdtemp(prefix="corral-chaos-"))
    total, began, number = Figures(), time.monotonic(), 0
    left = given.minutes * 60
    while number == 0 or left > LEAST_ROUND_SECONDS:
        seed, number = given.seed + number, number + 1
        folder = root / f"round-{seed}"
        folder.mkdir()
        figures = asyncio.run(play(Plan(seed, min(ROUND_SECONDS, left)), folder))
        total.add(figures)
        console.print(
            f"round {number}, seed {seed}: {figures.counts['runs submitted']} runs, "
            f"{figures.disturbances.total()} disturbances, {len(figures.violations)} violations"
        )
        if figures.violations:
            console.print(f"  its files: {folder}")
            for violation in figures.violations[:SHOWN]:
                console.print(f"  {violation}", highlight=False)
        else:
            shutil.rmtree(folder)
        left = given.minutes * 60 - (time.monotonic() - began)
    minutes = (time.monotonic() - began) / 60
    console.print(table(total, given.seed, minutes))
    few = total.hits.total() < LEAST_HITS_PER_MINUTE * minutes
    if few:
        console.print(f"Only {total.hits.total()} disturbances hit work in flight.")
    return 1 if total.violations or few else 0


if __name__ == "__main__":
    sys.exit(main())
