"""The client for code without a loop: how it ends, and what it says then."""

from __future__ import annotations

import gc
import inspect
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import corral
from corral_proto.v1 import common_pb2
from corral_proto.v1 import orchestrator_pb2 as pb
from tests.sdk.hubs import ScriptedHub

SCRIPT = """
import sys, threading
import corral

client = corral.SyncClient(sys.argv[1])
"""
CALLS = {
    "nothing": "",
    "a call": "print(client.submit_workflow('w', run_id='r').run_id)",
    "events": "events = client.run('r').events(); next(events); print('r')",
    "a thread": """
def call():
    threading.main_thread().join()
    print(client.submit_workflow('w', run_id='r').run_id)

threading.Thread(target=call).start()
""",
}
# Python lets no thread begin any more while it waits for those that are there; gRPC needs one.
NO_LATE_THREADS = (3, 12) <= sys.version_info < (3, 12, 2)


class Asked:
    """Accepts every run; its events never end. `waited` is set once somebody waits for them."""

    def __init__(self, hub: ScriptedHub) -> None:
        self.waited = threading.Event()
        self.over = threading.Event()
        hub.calls["SubmitWorkflow"] = lambda request, context: pb.SubmitWorkflowResponse(
            run=common_pb2.Run(run_id=request.run_id)
        )
        hub.calls["SubscribeRunEvents"] = self.events

    def events(self, request: Any, context: Any) -> Any:
        context.add_callback(self.over.set)
        yield pb.SubscribeRunEventsResponse(event=common_pb2.Event(number=1, type="e"))
        self.waited.set()
        self.over.wait(10)


@pytest.fixture
def asked(hub: ScriptedHub) -> Asked:
    return Asked(hub)


@pytest.mark.parametrize(
    ("waits", "awaited"), [(corral.SyncClient, corral.Client), (corral.SyncRun, corral.Run)]
)
def test_all_calls_have_the_same_names_and_parameters(waits: type, awaited: type) -> None:
    def calls(of: type) -> dict[str, list[str]]:
        named = inspect.getmembers(of, inspect.isfunction)
        return {
            name: list(inspect.signature(call).parameters)
            for name, call in named
            if not name.startswith("_")
        }

    assert calls(waits) == calls(awaited)


@pytest.mark.parametrize("last", CALLS)
def test_a_script_that_forgets_to_close_ends_and_loses_nothing(
    hub: ScriptedHub, asked: Asked, last: str
) -> None:
    if last == "a thread" and NO_LATE_THREADS:
        pytest.skip("no thread can begin at the end of the program, an error of these releases")
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT + CALLS[last], hub.address],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    said = "" if last == "nothing" else "r\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, said, "")


def test_a_run_keeps_its_client_open_and_the_last_of_them_closes_it(
    hub: ScriptedHub, asked: Asked
) -> None:
    before = set(threading.enumerate())
    run = corral.SyncClient(hub.address).submit_workflow("w")
    assert next(run.events()).type == "e"
    (loop,) = (thread for thread in set(threading.enumerate()) - before if "corral" in thread.name)
    del run
    gc.collect()
    loop.join(10)
    assert not loop.is_alive()


@pytest.mark.parametrize(
    "use",
    [
        lambda client, run: client.stats(),
        lambda client, run: run.result(),
        lambda client, run: next(client.runs()),
    ],
    ids=["client", "run", "iterator"],
)
def test_a_closed_client_says_so(
    hub: ScriptedHub, asked: Asked, use: Callable[[Any, Any], Any]
) -> None:
    with corral.SyncClient(hub.address) as client:
        run = client.submit_workflow("w")
    with pytest.raises(corral.ClientClosed, match="is closed"):
        use(client, run)


def test_closing_ends_what_another_thread_waits_for(hub: ScriptedHub, asked: Asked) -> None:
    client = corral.SyncClient(hub.address)
    events = client.run("r").events()
    next(events)
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(client.run("r").result)
        assert asked.waited.wait(10)
        client.close()
        with pytest.raises(corral.CorralError, match="closed"):
            result.result(10)
    events.close()
