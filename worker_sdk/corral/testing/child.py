"""The program of a process of a test's fleet: a hub, or a worker of some module.

Started by its path, with what to do as JSON. Ends when the process that started it does,
however that ended: a killed test run leaves nothing behind.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from typing import Any

READY = "ready "


def _end_with_the_owner() -> None:
    """Waits for the end of the owner, which holds the other end of our stdin."""
    while os.read(0, 4096):
        continue
    os._exit(1)


def _hub(settings: dict[str, Any]) -> int:
    from corral_hub.config import HubConfig
    from corral_hub.hub import Hub
    from corral_hub.main import run_hub

    def ready(hub: Hub) -> None:
        print(READY + hub.address, flush=True)

    return run_hub(HubConfig(**settings), ready)


def _worker(target: str, worker_id: str, hubs: list[str]) -> int:
    from corral.terms import Backoff
    from corral.worker import Worker

    name, _, path = target.partition(":")
    found: Any = importlib.import_module(name)
    for part in path.split("."):
        found = getattr(found, part)
    if not isinstance(found, Worker):
        print(f"{target} is of type {type(found).__name__}, no corral.Worker", file=sys.stderr)
        return 2
    found.worker_id, found.hubs = worker_id, hubs
    found.backoff = Backoff(initial_ms=20, maximum_ms=200)
    found.run_forever()
    return 0


def main() -> int:
    """Does what the arguments say; gives the exit code."""
    wanted = json.loads(sys.argv[1])
    sys.path[:] = wanted["path"]
    threading.Thread(target=_end_with_the_owner, name="corral-owner", daemon=True).start()
    if wanted["what"] == "hub":
        return _hub(wanted["settings"])
    return _worker(wanted["target"], wanted["worker_id"], wanted["hubs"])


if __name__ == "__main__":
    sys.exit(main())
