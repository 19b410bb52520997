"""`python -m bench`: runs cases, shows figures and targets, and keeps them as JSON and a plot.

Ends with 1 when a target was missed, with 2 when a case could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from bench import plot, report
from bench.cases import CASES
from bench.figures import Figures
from bench.origin import Origin, Tree
from bench.rig import Rig
from bench.targets import judge

RESULTS = Path(__file__).parent / "results"
# More than any case takes: a run that is lost must not hold up the rest.
CASE_SECONDS = 1800.0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; default: all"
    )
    parser.add_argument("--quick", action="store_true", help="smaller sizes, to see that it works")
    parser.add_argument("--rounds", type=int, help="rounds of what is compared; default 5, quick 3")
    parser.add_argument(
        "--keep", metavar="PATH", help="write PATH.json and PATH.png in place of bench/results/"
    )
    options = parser.parse_args()
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"there is no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    return options


async def _measure(names: list[str], rig: Rig, figures: Figures) -> None:
    task = asyncio.current_task()
    assert task is not None
    # So that everything that was started ends too.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    for name in names:
        report.begin(name, CASES[name].__doc__ or "")
        start = time.monotonic()
        try:
            async with asyncio.timeout(CASE_SECONDS):
                await CASES[name](rig, figures)
        # A case starts a dozen processes of other people: one that fails must not take the
        # figures of the others with it. It is shown, and ends the whole with 2.
        except Exception as error:
            traceback.print_exc()
            figures.failed[name] = f"{type(error).__name__}: {error}"
        figures.seconds[name] = time.monotonic() - start
        report.figures(figures, name)


def main() -> int:
    """Reads the options, measures, and gives the exit code."""
    options = _options()
    logging.basicConfig(level=logging.WARNING)
    figures = Figures(quick=options.quick)
    origin = Origin.now()
    names = options.cases or list(CASES)
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        rig = Rig(Path(folder), quick=options.quick, rounds=options.rounds)
        try:
            asyncio.run(_measure(names, rig, figures))
        except (KeyboardInterrupt, asyncio.CancelledError):
            figures.failed["the rest"] = "interrupted"
    # Hubs and workers are started from the tree as it is then.
    if (tree := Tree.now()) != origin.tree:
        figures.note(f"the tree changed while it was measured: at the end it was {tree}")
    verdicts = judge(figures, names)
    report.targets(verdicts, figures, origin)
    stem = options.keep or RESULTS / time.strftime("%Y%m%d-%H%M%S")
    report.save(Path(f"{stem}.json"), figures, verdicts, origin)
    plot.draw(Path(f"{stem}.png"), figures, verdicts, origin)
    if figures.failed:
        return 2
    return 1 if any(verdict.word == "missed" for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
