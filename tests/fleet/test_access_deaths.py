"""A locked fleet loses a hub: TLS, tokens and signatures stand in nobody's way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import corral
from corral.enrolment import new_key
from tests.fleet.conftest import SHORT, Fleet
from tests.fleet.locked import Pki, token_entry
from tests.processes import HubProcess

pytestmark = pytest.mark.anyio


async def test_a_signed_worker_goes_on_at_another_hub(fleet: Fleet, tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    tls = corral.Tls(ca=pki.ca)
    access, enrolment = tmp_path / "access.toml", tmp_path / "enrolment.toml"
    access.write_text(
        token_entry("caller", "team-a", "orchestrator") + token_entry("box", "team-a", "worker")
    )
    public = new_key(tmp_path / "box.key.pem")
    enrolment.write_text(f'policy = "signed"\n[[key]]\nname = "box"\npublic = "{public}"\n')
    settings: dict[str, Any] = {
        **SHORT,
        "access_file": str(access),
        "enrolment_file": str(enrolment),
        "tls": [str(path) for path in pki.server()],
    }
    for name in ("a", "b"):
        log = tmp_path / f"{name}.log"
        hub = HubProcess(name, fleet.valkey, log, settings, credentials=tls.credentials())
        fleet.hubs.append(hub.start())
    client = await fleet.client(token="caller", tls=tls)
    await fleet.worker(
        "box",
        token="box",
        tls=tls,
        enrolment_key=corral.EnrolmentKey(tmp_path / "box.key.pem", "box"),
    )
    run = await client.submit_workflow("nap", {"seconds": 3})
    await fleet.until(lambda: run.run_id in fleet.running)
    (found,) = await client.list_workers()
    next(hub for hub in fleet.hubs if hub.name == found.hub).kill()
    assert await run.result(timeout=30) == {"slept": 3}
    assert fleet.executions[run.run_id] == 1
    (after,) = await client.list_workers()
    assert (after.session_id, after.connected) == (found.session_id, True)
    assert after.hub != found.hub
