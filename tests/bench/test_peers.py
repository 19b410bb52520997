"""A peer that fails takes no round of the others away."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.figures import Figures
from bench.peers import Peer
from bench.rig import Rig
from bench.turns import turn


class _Program(Peer):
    """A peer whose program is a line of Python."""

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", self.name]


GOOD = _Program("import sys; print('RESULT', sys.argv[2])")
BAD = _Program("raise SystemExit('no such module')")


async def test_a_peer_that_fails_is_noted_and_is_out_of_the_later_rounds(tmp_path: Path) -> None:
    rig, figures = Rig(tmp_path, quick=True, rounds=2), Figures(quick=True)
    peers: list[Peer] = [BAD, GOOD]
    first = [found async for found in turn(rig, figures, peers, 7)]
    second = [found async for found in turn(rig, figures, peers, 8)]
    assert (first, second) == ([(GOOD.name, 7)], [(GOOD.name, 8)])
    (note,) = figures.notes
    assert "was not measured to the end" in note
    assert "no such module" in note
