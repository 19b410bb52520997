"""Faults that can be put into a copy of the Lua, to see that the tests notice.

`CORRAL_TEST_FAULT` names one; the library of the tests is then built with it.
"""

from __future__ import annotations

import os

from corral_store.library import Library, build, packaged, read_sources

# name -> file, the line as it is, the line as it must not be
FAULTS = {
    "no fence check": (
        "transitions/report",
        "return r.session == s.id and r.fence == fence",
        "return r.session == s.id",
    ),
    "no mail acknowledgement": (
        "parts/mail",
        "if word == 'run' then heard(u, sid, run, fence) end",
        "",
    ),
    "mail is gone when it is read": (
        "parts/mail",
        "if assigned and words[run]",
        "heard(u, s.id, run, fence); if assigned and words[run]",
    ),
    "no stream number": ("parts/sessions", "if stream ~= s.stream then return 'moved' end", ""),
    "room comes back at the cancel": (
        "transitions/cancel",
        "attempt.stop(u, unit.session(u, r.session), r, 'cancelled')",
        "attempt.unhold(u, unit.session(u, r.session), r)",
    ),
    "leases run on through an outage": (
        "parts/unit",
        "u.lease = u.lease + min(passed, LEASE_STEP_MS)",
        "u.lease = u.lease + passed",
    ),
    "deficits are not paid": ("parts/line", "deficits[best] = deficits[best] - sum", ""),
}


def library() -> Library:
    """The packaged library, or a copy with the fault that the environment names."""
    name = os.environ.get("CORRAL_TEST_FAULT")
    if name is None:
        return packaged()
    file, right, wrong = FAULTS[name]
    sources = read_sources()
    assert right in sources[file], f"{file}.lua no longer has the line of the fault {name!r}"
    sources[file] = sources[file].replace(right, wrong)
    return build(sources)
