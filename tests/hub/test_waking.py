"""What a subscriber's task waits for: a call, or that nobody calls for a while."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from corral_hub.waking import Woken

pytestmark = pytest.mark.anyio

SECONDS = 10.0


async def test_a_call_ends_the_wait_also_one_from_before_it() -> None:
    woken = Woken(SECONDS)
    woken.set()
    woken.set()
    with anyio.fail_after(SECONDS / 2):
        assert await woken.wait()
        asyncio.get_running_loop().call_later(0.01, woken.set)
        assert await woken.wait()
    woken.close()


async def test_a_wait_is_over_when_nobody_has_called_since_it_began() -> None:
    woken = Woken(0.1)
    loop = asyncio.get_running_loop()
    with anyio.fail_after(SECONDS):
        for _ in range(3):
            loop.call_later(0.06, woken.set)
            assert await woken.wait()
        began = loop.time()
        assert not await woken.wait()
        assert 0.1 <= loop.time() - began < SECONDS / 2
        # And again, by a new timer.
        assert not await woken.wait()
        woken.set()
        assert await woken.wait()
    woken.close()


async def test_a_call_between_two_waits_is_none_of_silence() -> None:
    woken = Woken(0.05)
    woken.set()
    assert await woken.wait()
    await asyncio.sleep(0.1)
    woken.set()
    with anyio.fail_after(SECONDS):
        assert await woken.wait()
        assert not await woken.wait()
    woken.close()


async def test_time_in_which_nobody_waits_is_no_silence() -> None:
    woken = Woken(0.2)
    loop = asyncio.get_running_loop()
    woken.set()
    assert await woken.wait()
    await asyncio.sleep(0.3)
    began = loop.time()
    with anyio.fail_after(SECONDS):
        assert not await woken.wait()
    assert loop.time() - began >= 0.2
    woken.close()
