"""A hub as a process, with the library of another release, or one with a fault in it.

`python -m tests.chaos.hub_process '<JSON of HubConfig>'`. `CORRAL_CHAOS_RELEASE` names a
release: its library differs in the text of a transition, so both stand side by side in the
server, and its calls go side by side however small they are. `CORRAL_CHAOS_FAULT` names a
fault, to see that the checker notices.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from corral_hub.config import HubConfig
from corral_hub.main import run_hub
from corral_hub.session import reporting
from corral_store import batching, connection
from corral_store.library import Library, build, read_sources
from tests.lua import mutations
from tests.processes import HubProcess

# A guard alone is often covered by another, as it should be; a fault of a round takes all that
# keep the same promise.
LEASE_CLOCK = "leases run by the wall clock"
FENCE = "an outcome counts whatever its fence"
MAIL = "mail is not kept until it is acknowledged"
STREAM = "an older stream may still speak"
ANSWER = "a later answer counts"
STEP = "the result of a step is not kept"
FEED = "the feed has one event of each call"
FAULTS: dict[str, list[tuple[str, str, str]]] = {
    LEASE_CLOCK: [
        mutations.FAULTS["leases run on through an outage"],
        (
            "parts/unit",
            "if passed > max(u.lease_ms / 4, 1000) then u.settle = u.lease + u.lease_ms end",
            "",
        ),
    ],
    FENCE: [
        mutations.FAULTS["no fence check"],
        ("transitions/report", "return r.session == s.id", "return true"),
        (
            "transitions/report",
            "if r.done == fence or r.status == 'completed' and mine(r, s, fence) then",
            "if false then",
        ),
    ],
    MAIL: [
        (
            "parts/mail",
            "out[#out + 1] = letter",
            "out[#out + 1] = letter; heard(u, s.id, run, fence);"
            " unit.set_hand(u, keys.mail(u, s.id), run, false)",
        ),
        ("parts/sessions", "mail.assign(u, s, run, fence)", "local _ = run"),
    ],
    ANSWER: [
        (
            "parts/questions",
            "if standing == 'answered' then return was == json and 'same' or 'conflict' end",
            "",
        ),
    ],
    STEP: [("parts/steps", "call('HSET', key, step, json)", "local _ = json")],
    FEED: [("parts/events", "concat(list, ',')", "list[1] .. (list[2] and ']}' or '')")],
    STREAM: [mutations.FAULTS["no stream number"]],
}


def library(release: str, fault: str) -> Library:
    """The packaged library as another release would have it, with a fault or without."""
    sources = read_sources()
    for file, right, wrong in FAULTS[fault] if fault else ():
        assert right in sources[file], f"{file}.lua no longer has the line of the fault {fault!r}"
        sources[file] = sources[file].replace(right, wrong)
    sources["transitions/submit"] += f"\n-- Release {release}.\n"
    return build(sources)


@dataclass
class ChaosHub(HubProcess):
    """A hub process that runs this module."""

    release: str = ""
    fault: str = ""

    def start(self, *, wait: bool = True) -> ChaosHub:
        settings = {
            "name": self.name, "valkey": self.valkey, "listen": self.address, **self.settings
        }  # fmt: skip
        chosen = {"CORRAL_CHAOS_RELEASE": self.release, "CORRAL_CHAOS_FAULT": self.fault}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.hub_process", json.dumps(settings)],
                stdout=log, stderr=log, env={**os.environ, **chosen},
            )  # fmt: skip
        if wait:
            self.wait_ready()
        return self


def main() -> int:
    """Runs the hub until a signal."""
    release = os.environ.get("CORRAL_CHAOS_RELEASE", "")
    fault = os.environ.get("CORRAL_CHAOS_FAULT", "")
    if release or fault:
        changed = library(release, fault)
        connection.packaged = lambda: changed
    if release:
        # The loads of a round are too small for what only large ones have.
        batching.LARGE = reporting.LARGE = 1
    return run_hub(HubConfig(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    sys.exit(main())
