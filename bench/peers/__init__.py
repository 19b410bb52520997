"""Other queues, each with pinned versions in an environment of its own, `.venv-bench-<peer>`.

Every peer has a program that takes a socket of Valkey, a number of runs, and of them in a second
(0: as fast as it goes). It starts a worker process, enqueues, waits until the last run has begun,
and prints `RESULT {"runs_per_s": ...}`, or with a rate `RESULT {"late_ms": [...]}`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.alike import BATCH, BATCHES, ROOM, TEXT, WARM

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
INSTALL_SECONDS = 300
NODE_PINS = ("package.json", "package-lock.json")
# For those that cannot import it.
ALIKE = {
    "room": ROOM["bullmq"],
    "batch": BATCH["bullmq"],
    "batches": BATCHES["bullmq"],
    "warm": WARM,
    "text": TEXT,
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer by the name of its folder; `node` is true for those that need Node."""

    name: str
    node: bool = False

    @property
    def home(self) -> Path:
        """Its environment."""
        return ROOT / f".venv-bench-{self.name}"

    @property
    def command(self) -> list[str]:
        """How its program is started, without arguments."""
        if self.node:
            return ["node", str(self.home / "bench.mjs"), json.dumps(ALIKE)]
        return [str(self.home / "bin/python"), "-m", f"bench.peers.{self.name}.program"]


PEERS = (Peer("saq"), Peer("dramatiq"), Peer("taskiq"), Peer("bullmq", node=True))


def install(peer: Peer) -> str:
    """Makes the environment where it is missing; gives why it cannot, or ""."""
    if peer.node and not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not on PATH"
    sources = [HERE / peer.name / name for name in ("requirements.txt", *NODE_PINS)]
    pins = "".join(source.read_text() for source in sources if source.exists())
    mark = peer.home / ".ready"
    try:
        if not mark.exists() or mark.read_text() != pins:
            _node(peer) if peer.node else _python(peer)
            mark.write_text(pins)
        if peer.node:
            shutil.copy(HERE / peer.name / "bench.mjs", peer.home)
    except subprocess.CalledProcessError as error:
        return f"{' '.join(map(str, error.cmd))}: {error.stderr[-500:]}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ""


def _python(peer: Peer) -> None:
    _run(sys.executable, "-m", "venv", "--clear", str(peer.home))
    pip = (str(peer.home / "bin/python"), "-m", "pip", "install", "--quiet")
    _run(*pip, "--requirement", str(HERE / peer.name / "requirements.txt"))


def _node(peer: Peer) -> None:
    peer.home.mkdir(exist_ok=True)
    for name in NODE_PINS:
        shutil.copy(HERE / peer.name / name, peer.home)
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=peer.home)


def _run(*words: str, cwd: Path = ROOT) -> None:
    subprocess.run(
        words, cwd=cwd, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
