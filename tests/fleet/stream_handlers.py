"""A handler that streams from a process, in a module that children can import."""

from __future__ import annotations

import os
from collections.abc import Iterator

import corral


def stream(ctx: corral.Context, count: int) -> Iterator[int | corral.Result[dict[str, int]]]:
    """Streams numbers, and says so."""
    ctx.log.info("in %s", "a process")
    for number in range(count):
        ctx.progress(number / count)
        yield number
    yield corral.Result({"pid": os.getpid()})
