"""A command ends at Ctrl-C whichever thread gets the signal, and gives its result otherwise."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from corral.cli import loop

SECONDS = 10.0


def interrupt_this_thread() -> None:
    # So that the loop sleeps by then; when it does not, nothing is shown and nothing fails.
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)


async def wait_for_ever() -> None:
    threading.Thread(target=interrupt_this_thread).start()
    # The loop is woken in the end, and would hear of the signal then.
    await asyncio.sleep(SECONDS)
    pytest.fail("the signal was not heard")


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    # As in a terminal, whatever other tests and who started them have left.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    yield
    signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < SECONDS


def test_ctrl_c_that_another_thread_gets_ends_the_job() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run(wait_for_ever)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_during_the_clearing_up_ends_it_too() -> None:
    cleared: list[str] = []

    async def job() -> None:
        try:
            await wait_for_ever()
        except asyncio.CancelledError:
            cleared.append("began")
            await wait_for_ever()
            cleared.append("ended")
            raise

    with pytest.raises(KeyboardInterrupt):
        loop.run(job)
    assert cleared == ["began"]


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    async def job() -> str:
        signal.raise_signal(signal.SIGINT)
        return "done"

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert loop.run(job) == "done"
    finally:
        signal.signal(signal.SIGINT, before)
