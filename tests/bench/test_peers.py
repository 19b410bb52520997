"""Peers are pinned, and one that fails takes no round of the others away."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from bench.figures import Figures
from bench.peers import HERE, PEERS, Peer
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


@pytest.mark.parametrize("peer", [peer for peer in PEERS if not peer.node], ids=lambda p: p.name)
def test_every_package_of_a_peer_is_pinned(peer: Peer) -> None:
    for line in (HERE / peer.name / "requirements.txt").read_text().splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.]+", line), line


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.node], ids=lambda p: p.name)
def test_every_package_of_node_is_pinned_by_content_and_from_no_host(peer: Peer) -> None:
    wanted = json.loads((HERE / peer.name / "package.json").read_text())["dependencies"]
    text = (HERE / peer.name / "package-lock.json").read_text()
    own, *packages = json.loads(text)["packages"].values()
    assert own["dependencies"] == wanted
    assert all(package["integrity"].startswith("sha512-") for package in packages)
    assert "://" not in text
