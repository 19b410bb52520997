"""An event loop in a thread of its own, for code that has none: each call of it waits.

Ends with `close`, with the last who refers to it, or with the program, whichever comes first.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from corral.errors import ClientClosed

ValueT = TypeVar("ValueT")
# What calls are made by, and what ends the loop.
Started = Future[tuple[BlockingPortal, Callable[[], object]]]


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Gives the event loop of this thread; None where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class LoopThread:
    """Runs a loop until it is closed, and `closing` on it as the last. Safe in threads."""

    def __init__(self, closing: Callable[[], Awaitable[None]] | None = None) -> None:
        started: Started = Future()
        # A daemon: Python waits for other threads before it ends what is left open.
        thread = threading.Thread(
            target=_run, args=(started, closing), name="corral-client", daemon=True
        )
        thread.start()
        self._portal, stop = started.result()
        self._lock = threading.Lock()
        # Called once at most, also when a program ends that forgot to close.
        self._end = weakref.finalize(self, _end, thread, stop)

    @property
    def closed(self) -> bool:
        """True once it was closed."""
        return not self._end.alive

    def call(self, call: Callable[[], Awaitable[ValueT]]) -> ValueT:
        """Waits for a call that is made on the loop; raises `ClientClosed` after the end."""
        with self._lock:
            if self.closed:
                raise ClientClosed
            # Not behind the end, where nobody would make it.
            future = self._portal.start_task_soon(call)
        return future.result()

    def close(self) -> None:
        """Ends the loop and waits until it has ended. May be called again."""
        with self._lock:
            self._end()


def _run(started: Started, closing: Callable[[], Awaitable[None]] | None) -> None:
    async def serve() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with BlockingPortal() as portal:
            started.set_result((portal, lambda: loop.call_soon_threadsafe(stopped.set)))
            await stopped.wait()
            if closing is not None:
                await closing()

    try:
        anyio.run(serve)
    except BaseException as error:
        if started.done():
            raise
        # Whoever waits for the loop hears why there is none.
        started.set_exception(error)


def _end(thread: threading.Thread, stop: Callable[[], object]) -> None:
    stop()
    if thread is not threading.current_thread():
        thread.join()
