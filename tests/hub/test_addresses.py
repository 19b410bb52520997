"""The client against a real hub: every usual form of an address, proxies, and tokens.

The client runs in a process of its own, as its users do.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import anyio
import pytest

from corral_hub.config import HubConfig
from corral_hub.errors import Misconfigured
from corral_hub.hub import Hub
from tests.hub.peers import settings

pytestmark = pytest.mark.anyio

SUBMITS = """
import asyncio, json, sys, corral
async def main():
    for number, hubs in enumerate(json.loads(sys.argv[1])):
        async with corral.Client(hubs, timeout=5) as client:
            try:
                run = await client.submit_workflow("nobody", run_id=f"r{number}")
                print(run.run_id)
            except corral.HubError as error:
                print(type(error).__name__, error)
asyncio.run(main())
"""


async def submits(hubs: list[str | list[str]], **environment: str) -> list[str]:
    """What became of a submit to each of these, by a client in another process."""
    command = [sys.executable, "-c", SUBMITS, json.dumps(hubs)]
    with anyio.fail_after(20):
        done = await anyio.run_process(command, env={**os.environ, **environment}, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


async def test_each_usual_form_of_an_address_reaches_the_hub(valkey: str) -> None:
    async with Hub(settings(valkey)) as hub:
        near = hub.address
        port = near.rpartition(":")[2]
        forms: list[str | list[str]] = [
            near, f"localhost:{port}", f"http://{near}", f"http://{near}/", f"grpc://{near}",
            f"127.0.0.1:1,{near}", [near, "127.0.0.1:1"],
        ]  # fmt: skip
        assert await submits(forms) == [f"r{n}" for n in range(len(forms))]
        assert await submits([near], CORRAL_HUB="127.0.0.1:1") == ["r0"]


async def test_a_socket_reaches_the_hub(valkey: str, tmp_path: Path) -> None:
    path = tmp_path / "hub.sock"
    async with Hub(settings(valkey, listen=f"unix:{path}")):
        assert await submits([f"unix:{path}", f"unix://{path}"]) == ["r0", "r1"]


async def test_a_proxy_in_the_environment_does_not_stand_before_a_near_hub(valkey: str) -> None:
    names = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
    proxies = dict.fromkeys((*names, *map(str.upper, names)), "http://127.0.0.1:1")
    async with Hub(settings(valkey)) as hub:
        assert await submits([hub.address], **proxies, no_proxy="", NO_PROXY="") == ["r0"]


async def test_a_client_without_the_token_is_told_how_to_give_it(valkey: str) -> None:
    async with Hub(settings(valkey, tokens=("right",))) as hub:
        for token in ("", "wrong"):
            (said,) = await submits([hub.address], CORRAL_TOKEN=token)
            assert said.startswith("Unauthenticated ")
            assert "set CORRAL_TOKEN, or pass token=" in said
        assert await submits([hub.address], CORRAL_TOKEN="right") == ["r0"]


def test_a_port_that_there_is_not_is_refused() -> None:
    # The system would take it modulo 65,536.
    with pytest.raises(Misconfigured, match="a port is 0 to 65535"):
        HubConfig(listen="127.0.0.1:99999").check()
    HubConfig(listen="127.0.0.1:65535").check()
