"""What a run remembers over its attempts, as one attempt knows it, and who waits for it.

Hands what a handler says to the session and the verdict back to who waits for it, on loops
and in threads; `asking.py` and `keeping.py` are what handlers call. Decides nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, TypeVar

from corral.clock import now_ms
from corral.errors import AttemptEnded, CorralError
from corral.session.lease import Horizon
from corral.session.messages import GONE, Remark, Saying, Told
from corral_proto.v1 import common_pb2, worker_pb2

T = TypeVar("T")

# Makes the error of a remark that was not kept.
Refusal = Callable[[Told], Exception]


class Parked(BaseException):
    """Unwinds a handler in a thread or process that waits for an answer without holding room."""

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id)
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One remark on its way: who waits for its verdict, and how a bad one is raised; None for one
    that says nothing, and only wants to know that the session lives."""

    future: Future[None]
    refusal: Refusal | None


class Memory:
    """Checkpoint, steps and answers of a run. Safe in threads.

    `say` hands a remark to the session and never waits.
    """

    def __init__(self, assignment: worker_pb2.Assignment, say: Callable[[Remark], None]) -> None:
        self.checkpoint: bytes = assignment.checkpoint
        self.steps: dict[str, bytes] = dict(assignment.steps)
        # Steps that this attempt has begun.
        self.begun: set[str] = set()
        self.questions: set[str] = {answer.request_id for answer in assignment.answers}
        self._name = f"attempt {assignment.attempt} of run {assignment.run_id}"
        self._say = say
        self._lock = threading.Lock()
        self._answers = {answer.request_id: answer for answer in assignment.answers}
        self._tickets = 0
        self._asked = 0
        self._waiting: dict[int, _Waiting] = {}
        self._listening: dict[str, list[Future[common_pb2.InputAnswer]]] = {}
        # Waits of threads, which nobody can cancel from outside.
        self._sync_answers: set[Future[Any]] = set()
        self._stopped: str | None = None
        self._over = False

    @property
    def bytes_known(self) -> int:
        """How large the run's state is, as far as this attempt knows."""
        with self._lock:
            steps = sum(len(key) + len(result) for key, result in self.steps.items())
            answers = sum(len(answer.response) for answer in self._answers.values())
            return len(self.checkpoint) + steps + answers

    @property
    def waits(self) -> int:
        """How many waits for verdicts and answers there are."""
        with self._lock:
            return len(self._waiting) + sum(len(each) for each in self._listening.values())

    def next_question(self) -> int:
        """Counts a question of this attempt, and gives its number from 1."""
        with self._lock:
            self._asked += 1
            return self._asked

    def step_kept(self, key: str, result: bytes) -> None:
        """A step has a result."""
        with self._lock:
            self.steps[key] = result

    def say(self, saying: Saying, refusal: Refusal) -> Future[None]:
        """Says something; the future ends when it is kept, or with the error that says why not.

        Raises `AttemptEnded` when the attempt is over.
        """
        return self._remark(saying, refusal)

    def assure(self) -> Future[None]:
        """Asks whether the session lives; the future ends when it certainly does.

        Or with `AttemptEnded`, which is also raised, when the run is no longer this worker's.
        """
        return self._remark(None, None)

    def _remark(self, saying: Saying | None, refusal: Refusal | None) -> Future[None]:
        future: Future[None] = Future()
        with self._lock:
            if self._over or (saying is None and self._stopped in GONE):
                raise self._ended_error()
            self._tickets += 1
            ticket = self._tickets
            self._waiting[ticket] = _Waiting(future, refusal)
        self._say(Remark(ticket, saying))
        return future

    def answer_to(self, request_id: str) -> common_pb2.InputAnswer | None:
        """Gives the answer to a question, None while there is none."""
        with self._lock:
            return self._answers.get(request_id)

    def listen(self, request_id: str, *, sync: bool = False) -> Future[common_pb2.InputAnswer]:
        """Waits for the answer to a question; `sync` when a thread does."""
        future: Future[common_pb2.InputAnswer] = Future()
        with self._lock:
            found = self._answers.get(request_id)
            if found is not None:
                future.set_result(found)
            elif self._over:
                future.set_exception(self._ended_error())
            elif sync and self._stopped is not None:
                future.set_exception(self._stop_error(self._stopped))
            else:
                self._listening.setdefault(request_id, []).append(future)
                if sync:
                    self._sync_answers.add(future)
        future.add_done_callback(lambda future: self._left(request_id, future))
        return future

    def ended(self) -> Future[None]:
        """A future that ends with an error, when the attempt does."""
        future: Future[Any] = self.listen("")
        return future

    def told(self, told: Told) -> None:
        """The session knows what became of a remark."""
        with self._lock:
            waiting = self._waiting.pop(told.ticket, None)
        if waiting is None:
            return
        if told.word == "kept":
            _settle(waiting.future, None)
        elif told.word == "over" or waiting.refusal is None:
            _fail(waiting.future, self._ended_error())
        else:
            _fail(waiting.future, waiting.refusal(told))

    def answered(self, answers: Sequence[common_pb2.InputAnswer]) -> None:
        """Answers have come, some perhaps again."""
        ready: list[tuple[Future[common_pb2.InputAnswer], common_pb2.InputAnswer]] = []
        with self._lock:
            for answer in answers:
                self._answers[answer.request_id] = answer
                listening = self._listening.pop(answer.request_id, ())
                ready.extend((future, answer) for future in listening)
                self._sync_answers.difference_update(listening)
        for future, answer in ready:
            _settle(future, answer)

    def stop(self, reason: str) -> None:
        """The handler was told to stop: threads wait no longer for people, and nobody for a run
        that is gone."""
        with self._lock:
            self._stopped = reason
            waiting, self._sync_answers = self._sync_answers, set()
            unsure = [one.future for one in self._waiting.values() if one.refusal is None]
        for future in waiting:
            _fail(future, self._stop_error(reason))
        for future in unsure if reason in GONE else ():
            _fail(future, self._ended_error())

    def end(self) -> None:
        """The attempt, or the session, is over: nothing is heard any more."""
        with self._lock:
            self._over = True
            kept = [waiting.future for waiting in self._waiting.values()]
            asked = [future for futures in self._listening.values() for future in futures]
            self._waiting.clear()
            self._listening.clear()
            self._sync_answers.clear()
        for future in (*kept, *asked):
            _fail(future, self._ended_error())

    def _left(self, request_id: str, future: Future[common_pb2.InputAnswer]) -> None:
        """Somebody who was cancelled waits no longer."""
        if future.cancelled():
            with self._lock:
                listening = self._listening.get(request_id, [])
                if future in listening:
                    listening.remove(future)

    def _ended_error(self) -> AttemptEnded:
        return AttemptEnded(
            f"{self._name.capitalize()} is over, or is no longer this worker's; nothing more "
            "can be kept or asked for it. Return from the handler."
        )

    def _stop_error(self, reason: str) -> AttemptEnded:
        return AttemptEnded(
            f"{self._name.capitalize()} was told to stop ({reason}) while it waited for an "
            "answer. Return from the handler."
        )


# One for all: it is held while a memory is made, which few attempts need.
_making = threading.Lock()


class Remembering:
    """What has a memory, made at its first use. Base of the parts of a `Context`."""

    parked_for: str = ""

    def __init__(
        self,
        assignment: worker_pb2.Assignment,
        say: Callable[[Remark], None],
        horizon: Horizon,
    ) -> None:
        self._assignment = assignment
        self._say_remark = say
        self._horizon = horizon
        self._made: Memory | None = None
        self._stop_reason = ""
        self._over = False
        self._unwind: Callable[[Any], None] | None = None

    @property
    def _memory(self) -> Memory:
        if self._made is None:
            with _making:
                if self._made is None:
                    made = Memory(self._assignment, self._say_remark)
                    if self._stop_reason:
                        made.stop(self._stop_reason)
                    if self._over:
                        made.end()
                    self._made = made
        return self._made

    async def hold(self) -> None:
        """Waits until the run is certainly this worker's, which it mostly is; before an effect.

        A process that stood still does not know what became of its lease, whatever it had heard
        before. Raises `AttemptEnded`.
        """
        while not self._holds():
            await wait(self._memory.assure())

    def hold_sync(self) -> None:
        """The same as `hold`, in a thread."""
        while not self._holds():
            wait_sync(self._memory.assure(), "step")

    def _holds(self) -> bool:
        # In this order: a lease that is known anew was preceded by what it brought to an end.
        holds = now_ms() < self._horizon.until_ms
        return holds and not (self._over or self._stop_reason in GONE)

    def unwind_by(self, unwind: Callable[[Any], None]) -> None:
        """Sets what unwinds the handler from outside, given this. Called by the executor."""
        self._unwind = unwind

    def tell_stop(self, reason: str) -> None:
        """Nobody is waited for in threads any more. Called when the handler is told to stop."""
        with _making:
            if reason in GONE or not self._stop_reason:
                self._stop_reason = reason
        if self._made is not None:
            self._made.stop(reason)

    def tell_over(self) -> None:
        """Nothing of the attempt is heard any more. Called by executor and dispatcher."""
        with _making:
            self._over = True
        if self._made is not None:
            self._made.end()

    def tell_word(self, told: Told) -> None:
        """Hands on what became of a remark. Called by the dispatcher."""
        self._memory.told(told)

    def tell_answers(self, answers: Sequence[common_pb2.InputAnswer]) -> None:
        """Hands on what people have answered. Called by the dispatcher."""
        self._memory.answered(answers)


async def wait(future: Future[T]) -> T:
    """Waits on the running loop."""
    return await asyncio.wrap_future(future)


def wait_sync(future: Future[T], call: str) -> T:
    """Waits in a thread; `call` is what an event loop should use instead.

    Raises `CorralError` on an event loop, which must not wait.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return future.result()
    raise CorralError(f"This would stop the event loop; use await ctx.{call}() in a coroutine.")


def _settle(future: Future[T], value: T) -> None:
    try:
        future.set_result(value)
    except InvalidStateError:
        # Who waited was cancelled.
        return


def _fail(future: Future[Any], error: Exception) -> None:
    try:
        future.set_exception(error)
    except InvalidStateError:
        # Who waited was cancelled.
        return
