"""What a handler keeps for its next attempt: `ctx.checkpoint` and `ctx.step`.

Returns when the hub has it. What a step gives is always what was kept, read back, so that
the first attempt and a later one see the same. Knows no network.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple, overload

import anyio.to_thread

from corral import encoding
from corral.asking import KEY
from corral.errors import (
    BadCheckpoint,
    BadStep,
    CorralError,
    StateRefused,
    StateTooLarge,
    StepRepeated,
    TooManySteps,
)
from corral.memory import Memory, Remembering, wait, wait_sync
from corral.session.messages import Told
from corral_proto.v1 import worker_pb2

T = TypeVar("T")
ArgsT = TypeVarTuple("ArgsT")

CHECKPOINT_BYTES = 262_144
STEP_BYTES = 65_536
MAX_STEPS = 256


@dataclass(frozen=True, slots=True)
class _Step:
    """A step under a key, with the type of what its function gives."""

    key: str
    type_: Any
    memory: Memory

    def read(self, data: bytes) -> Any:
        """A result as it was kept; raises `BadStep` when it has another type."""
        try:
            return encoding.decode(data, self.type_)
        except ValueError as error:
            raise BadStep(
                f"The result of step {self.key!r} does not fit {self.type_!r}: {error}. Correct "
                "the annotation, or give a step that changed its meaning another key."
            ) from error

    def written(self, value: Any) -> bytes:
        """A result as it is kept; raises `BadStep`."""
        try:
            data = encoding.encode(value)
        except (TypeError, ValueError) as error:
            raise BadStep(
                f"The result of step {self.key!r}, a {type(value).__name__}, cannot be written as "
                f"JSON: {error}. Return plain values, a dataclass or a msgspec.Struct."
            ) from error
        if len(data) > STEP_BYTES:
            raise BadStep(
                f"The result of step {self.key!r} has {len(data)} bytes, the limit is "
                f"{STEP_BYTES}. Store it elsewhere and return a reference."
            )
        self.read(data)
        return data

    def wire(self, data: bytes) -> worker_pb2.Step:
        """The word that keeps a result."""
        return worker_pb2.Step(key=self.key, result=data)

    def refused(self, told: Told) -> Exception:
        """The error of a result that was not kept."""
        if told.word == "unsupported":
            return BadStep(f"The hub does not keep step {self.key!r}: {told.detail}.")
        return _too_much(f"step {self.key!r}", self.memory, told)


class Keeping(Remembering):
    """The part of a `Context` that keeps things for later attempts."""

    async def checkpoint(self, data: Any) -> None:
        """Keeps a state that a later attempt finds in `last_checkpoint`; the latest counts.

        Returns when it is durable. JSON of at most 256 KiB; with steps and answers a run may
        keep 512 KiB. Raises `BadCheckpoint`, `StateTooLarge` and `StateRefused`, `AttemptEnded`.
        """
        wire, refused = self._checkpoint(data)
        await wait(self._memory.say(wire, refused))
        self._memory.checkpoint = wire.state

    def checkpoint_sync(self, data: Any) -> None:
        """The same as `checkpoint`, for handlers in threads and processes."""
        wire, refused = self._checkpoint(data)
        wait_sync(self._memory.say(wire, refused), "checkpoint")
        self._memory.checkpoint = wire.state

    def last_checkpoint(self, default: Any = None, type: Any = Any) -> Any:
        """Gives the latest checkpoint of this or an earlier attempt as a type.

        `default` when there is none. Raises `BadCheckpoint` when it has another type.
        """
        data = self._memory.checkpoint
        if not data:
            return default
        try:
            return encoding.decode(data, type)
        except ValueError as error:
            raise BadCheckpoint(
                f"The checkpoint does not fit {type!r}: {error}. Read an older form too, or "
                "take plain JSON."
            ) from error

    @overload
    async def step(self, key: str, fn: Callable[[*ArgsT], Awaitable[T]], /, *args: *ArgsT) -> T: ...
    @overload
    async def step(self, key: str, fn: Callable[[*ArgsT], T], /, *args: *ArgsT) -> T: ...
    async def step(self, key: str, fn: Callable[..., Any], /, *args: Any) -> Any:
        """Calls a function once over all attempts and gives its result.

        The result is durable before it is given, and a later attempt gets it instead of a
        call. A worker that dies between the end of the function and that moment calls it again:
        hand `ctx.run_id` and the key to what must not happen twice. A worker that stood still, so
        that its lease may be over, waits for a hub to say that the run is still its own. `fn` is a
        coroutine function, or a plain one, which is called in a thread. What it raises is not kept.
        `key`: 1 to 64 characters of [A-Za-z0-9._-], once per attempt. The result is JSON of at
        most 64 KiB, of the type that the function's annotation says; at most 256 steps.

        Raises `BadStep`, `StepRepeated`, `StateRefused`, `StateTooLarge`, `TooManySteps`,
        `AttemptEnded`.
        """
        step = self._begin(key, fn)
        kept = self._memory.steps.get(key)
        if kept is not None:
            return step.read(kept)
        try:
            value = await self._call(step, fn, args)
            data = step.written(value)
        except BaseException:
            self._memory.begun.discard(key)
            raise
        await wait(self._memory.say(step.wire(data), step.refused))
        self._memory.step_kept(key, data)
        return step.read(data)

    def step_sync(self, key: str, fn: Callable[[*ArgsT], T], /, *args: *ArgsT) -> T:
        """The same as `step`, for handlers in threads and processes; `fn` is a plain function."""
        if inspect.iscoroutinefunction(fn):
            raise BadStep(f"Step {key!r} is a coroutine function; give a plain one here.")
        step = self._begin(key, fn)
        kept = self._memory.steps.get(key)
        if kept is not None:
            return step.read(kept)
        try:
            data = step.written(self._call_held(fn, args))
        except BaseException:
            self._memory.begun.discard(key)
            raise
        wait_sync(self._memory.say(step.wire(data), step.refused), "step")
        self._memory.step_kept(key, data)
        return step.read(data)

    async def _call(self, step: _Step, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if inspect.iscoroutinefunction(fn):
            await self.hold()
            return await fn(*args)
        calling = functools.partial(self._call_held, fn, args)
        working = asyncio.ensure_future(anyio.to_thread.run_sync(calling))
        try:
            value = await asyncio.shield(working)
        except asyncio.CancelledError:
            await _finished(working)
            if not working.cancelled() and working.exception() is None:
                # It has happened: another attempt must not do it again.
                self._keep_at_least(step, working.result())
            raise
        if not inspect.isawaitable(value):
            return value
        await self.hold()
        return await value

    def _call_held(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        # In the thread, for which it may have waited.
        self.hold_sync()
        return fn(*args)

    def _keep_at_least(self, step: _Step, value: Any) -> None:
        if inspect.isawaitable(value):
            return
        # What is wrong with it is of no interest any more.
        with contextlib.suppress(CorralError):
            self._memory.say(step.wire(step.written(value)), step.refused)

    def _begin(self, key: str, fn: Callable[..., Any]) -> _Step:
        memory = self._memory
        if not KEY.fullmatch(key):
            raise BadStep(
                f"The key {key!r} is not accepted; use 1 to 64 characters of [A-Za-z0-9._-]."
            )
        if key in memory.begun:
            raise StepRepeated(
                f"Step {key!r} was called before in this attempt. Give every step a key of its "
                "own, with a number in loops."
            )
        if key not in memory.steps and len(memory.steps) >= MAX_STEPS:
            raise TooManySteps(
                f"Step {key!r} is one too many: a run keeps the results of {MAX_STEPS}. Do more "
                "in one step, or keep a checkpoint."
            )
        memory.begun.add(key)
        return _Step(key, _result_type(fn), memory)

    def _checkpoint(self, data: Any) -> tuple[worker_pb2.Checkpoint, Callable[[Told], Exception]]:
        try:
            state = encoding.encode(data)
        except (TypeError, ValueError) as error:
            raise BadCheckpoint(
                f"The checkpoint, a {type(data).__name__}, cannot be written as JSON: {error}. Use "
                "plain values, a dataclass or a msgspec.Struct."
            ) from error
        if len(state) > CHECKPOINT_BYTES:
            raise StateTooLarge(
                f"The checkpoint has {len(state)} bytes, the limit is {CHECKPOINT_BYTES}. Store "
                "it elsewhere and keep a reference."
            )
        memory = self._memory

        def refused(told: Told) -> Exception:
            if told.word == "unsupported":
                return BadCheckpoint(f"The hub does not keep the checkpoint: {told.detail}.")
            return _too_much("the checkpoint", memory, told)

        return worker_pb2.Checkpoint(state=state), refused


def _too_much(what: str, memory: Memory, told: Told) -> Exception:
    limit = told.limit or "a limited number of"
    text = (
        f"The hub does not keep {what}: a run keeps at most {limit} bytes in checkpoint, steps, "
        f"questions and answers (this one has at least {memory.bytes_known}), and a store near "
        "its memory limit takes no more. Keep references, or try again later."
    )
    # A run that is far from its limit was refused for want of memory.
    full = told.limit and memory.bytes_known > told.limit // 4
    return StateTooLarge(text) if full else StateRefused(text)


async def _finished(working: asyncio.Future[Any]) -> None:
    """Waits for a thread: what still works must not count as stopped."""
    while not working.done():
        try:
            await asyncio.wait({working})
        except asyncio.CancelledError:
            # Told again; it cannot be hurried.
            continue


def _result_type(fn: Callable[..., Any]) -> Any:
    """What a function's annotation says about its result; anything, where it says nothing."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    try:
        hints = typing.get_type_hints(fn)
    except (NameError, TypeError):
        return Any
    found = hints.get("return", Any)
    return found if found is type(None) or encoding.has_json_form(found) else Any
