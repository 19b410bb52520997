"""Who a worker process is and how the system talks to it: ids, tags, signals."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Generator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from types import FrameType

from corral.errors import InvalidRequest

MODEL = re.compile(r"[A-Za-z0-9._:/@+-]{1,128}")
MAX_MODELS = 64
WORKER_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def default_worker_id() -> str:
    """Gives `CORRAL_WORKER_ID`, else the name of the host, in the accepted characters."""
    given = os.environ.get("CORRAL_WORKER_ID")
    if given:
        return given
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:128] or "worker"


def check_worker_id(worker_id: str) -> None:
    """Raises `InvalidRequest` for an id that no hub accepts."""
    if not WORKER_ID.fullmatch(worker_id):
        raise InvalidRequest(
            f"Worker id {worker_id!r} is not accepted; use 1 to 128 characters of [A-Za-z0-9._-].",
            field="worker_id",
        )


def check_model(model: str, vram_mb: int, models: Set[str]) -> None:
    """Raises `InvalidRequest` for a resident model that no hub accepts."""
    if not MODEL.fullmatch(model):
        raise InvalidRequest(
            f"Model {model!r} is not accepted; use 1 to 128 characters of [A-Za-z0-9._:/@+-].",
            field="model",
        )
    if not 0 <= vram_mb < 2**63:
        raise InvalidRequest(f"vram_mb is {vram_mb}; give 0 or more MB.", field="vram_mb")
    if len(models) > MAX_MODELS:
        raise InvalidRequest(
            f"{len(models)} models are resident, the limit is {MAX_MODELS}. Call evicted() for "
            "those that are gone.",
            field="model",
            limit=str(MAX_MODELS),
        )


def tag_list(tags: Mapping[str, str] | Sequence[str]) -> tuple[str, ...]:
    """Gives tags as `key=value`; raises `InvalidRequest` for one of another form."""
    if isinstance(tags, str):
        raise InvalidRequest(
            f"tags is the text {tags!r}; give a mapping, or a list of key=value.", field="tags"
        )
    if isinstance(tags, Mapping):
        return tuple(f"{key}={value}" for key, value in tags.items())
    for tag in tags:
        if "=" not in tag:
            raise InvalidRequest(f"Tag {tag!r} is no key=value.", field="tags")
    return tuple(tags)


# What a process is asked with to end.
ENDING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def signals(
    signalled: Callable[[], None], numbers: Sequence[signal.Signals] = ENDING
) -> Generator[None, None, None]:
    """Calls `signalled` on the running loop at SIGTERM and SIGINT, or at others, while inside.

    Does nothing outside of the main thread, where Python gives no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(signalled)

    before = {number: signal.getsignal(number) for number in numbers}
    for number in before:
        try:
            # A handler without the loop's help runs when this thread next executes something: a
            # signal that another thread gets, or this one just before it sleeps, wakes nobody.
            loop.add_signal_handler(number, signalled)
        except NotImplementedError:
            # Windows, whose loop is woken by every signal.
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            if handler is not None:
                signal.signal(number, handler)
