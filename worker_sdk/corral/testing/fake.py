"""One run of a handler in a test, without hub and store: what `FakeContext` is.

The handler gets the context that it always gets, executed as a worker executes it; only the
hub at the other end is in memory. So what a handler may do here is what it may do in a fleet.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

import anyio

from corral import encoding
from corral.errors import CorralError, ResultTimeout
from corral.handlers import Handler
from corral.records import ErrorRecord
from corral.testing.hearing import Hearing, outcome_of
from corral.testing.loopback import LoopbackHub, LoopbackWorker
from corral.testing.said import LAPSED, Line, Progress, Question, Said
from corral.testing.watched import WatchedHandler, handler_of
from corral.worker import Worker
from corral_proto.v1 import common_pb2, worker_pb2

OutT = TypeVar("OutT")

STATE_BYTES = 524_288
UNTIL_SECONDS = 10.0
RUN_SECONDS = 30.0

Answerer = Callable[[Question], Any]


class FakeContext:
    """A run in a test: prepared, executed by `run`, and looked at afterwards.

    `attempt`, `labels`, `priority`, `model`, `device`, `deadline_at_ms`, `max_run_ms`, `run_id`
    are what `ctx` will say; `state` is what the worker's lifespan would have yielded.
    `last_checkpoint` and `steps` are what earlier attempts left. `answers` has an answer by key
    or by prompt, or is a function that is given each `Question`; `LAPSED` is the answer of a
    question whose time ran out, and one without an answer stays open (None from a function
    too; the key of an answer that is null must be in a dict). `max_state_bytes`: what
    checkpoint, steps and questions may have together, default 512 KiB as in a hub.

    Running it again is the next attempt of the same run, which finds what the one before kept.
    """

    def __init__(
        self,
        *,
        run_id: str = "test-run",
        attempt: int = 1,
        state: Any = None,
        labels: Mapping[str, str] | None = None,
        priority: int = 128,
        model: str = "",
        device: int | None = None,
        deadline_at_ms: int = 0,
        max_run_ms: int = 0,
        last_checkpoint: Any = None,
        steps: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | Answerer | None = None,
        max_state_bytes: int = STATE_BYTES,
    ) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self.state = state
        self._facts = worker_pb2.Assignment(
            run_id=run_id,
            labels=labels or {},
            priority=priority,
            model=model,
            device=-1 if device is None else device,
            deadline_at_ms=deadline_at_ms,
            max_run_ms=max_run_ms,
        )
        self._answers: dict[str, Any] = {}
        self._answerer: Answerer | None = None
        if isinstance(answers, Mapping):
            self._answers.update(answers)
        else:
            self._answerer = answers
        checkpoint = b"" if last_checkpoint is None else encoding.encode(last_checkpoint)
        kept = {key: encoding.encode(result) for key, result in (steps or {}).items()}
        self._heard = Hearing(checkpoint, kept, max_state_bytes)
        self._lock = threading.Lock()
        self._given: dict[str, common_pb2.InputAnswer] = {}
        self._wakers: list[Callable[[], None]] = []
        self._hub: LoopbackHub | None = None
        self._before: list[worker_pb2.HubMessage] = []
        self._fence = 0
        self._raised: BaseException | None = None
        self._cancel_reason = ""

    @property
    def events(self) -> list[Said]:
        """Events that were emitted, in order."""
        return list(self._heard.events)

    @property
    def chunks(self) -> list[Any]:
        """Parts of the answer that were streamed, in order."""
        return list(self._heard.chunks)

    @property
    def progress(self) -> list[Progress]:
        """Words on the progress; as in a fleet, the latest of every 20 ms."""
        return list(self._heard.progress)

    @property
    def log(self) -> list[Line]:
        """Lines of the log as followers of the run get them."""
        return list(self._heard.lines)

    @property
    def checkpoints(self) -> list[Any]:
        """Checkpoints that were kept, in order."""
        return list(self._heard.checkpoints)

    @property
    def steps(self) -> dict[str, Any]:
        """Results of the steps by key, earlier attempts' included."""
        return {key: encoding.decode(data) for key, data in self._heard.steps.items()}

    @property
    def questions(self) -> list[Question]:
        """Questions that were asked, each once."""
        return list(self._heard.questions.values())

    @property
    def error(self) -> ErrorRecord | None:
        """The error of the last attempt as a fleet would store it; None when it ended well.

        Tells whether another attempt would follow (`retryable`), and when.
        """
        return self._heard.error

    @overload
    async def run(
        self,
        handler: Handler[..., Any, OutT],
        input: Any = None,
        *,
        timeout: float = RUN_SECONDS,
    ) -> OutT: ...
    @overload
    async def run(
        self, handler: Callable[..., Any], input: Any = None, *, timeout: float = RUN_SECONDS
    ) -> Any: ...
    async def run(
        self, handler: Callable[..., Any], input: Any = None, *, timeout: float = RUN_SECONDS
    ) -> Any:
        """Executes an attempt of the handler, or of a plain function as one; gives its result.

        Input and result go through JSON, as in a fleet. A handler for a process runs in a
        thread. Raises what the handler raised; else `RunFailed` (a wrong input, say),
        `RunCancelled`, `RunParked`, and `ResultTimeout` after `timeout` seconds.
        """
        watched = WatchedHandler(handler_of(handler), self._keep_raised)
        assignment = self._assignment(watched, encoding.encode(input))
        worker = self._begin(watched, assignment)
        try:
            with anyio.fail_after(timeout):
                await worker.run()
        except TimeoutError as error:
            raise ResultTimeout(
                f"The handler {watched.workflow} did not end within {timeout:g} s. Open "
                f"questions: {', '.join(self._open()) or 'none'}. Answer them, or allow more time."
            ) from error
        finally:
            self._hub = None
        if self._heard.failure is not None:
            raise self._heard.failure
        return self._result(watched)

    @overload
    def run_sync(
        self,
        handler: Handler[..., Any, OutT],
        input: Any = None,
        *,
        timeout: float = RUN_SECONDS,
    ) -> OutT: ...
    @overload
    def run_sync(
        self, handler: Callable[..., Any], input: Any = None, *, timeout: float = RUN_SECONDS
    ) -> Any: ...
    def run_sync(
        self, handler: Callable[..., Any], input: Any = None, *, timeout: float = RUN_SECONDS
    ) -> Any:
        """The same as `run`, for tests that are no coroutines."""
        return asyncio.run(self.run(handler, input, timeout=timeout))

    def answer(self, key: str, answer: Any) -> None:
        """Answers a question by its key or prompt, asked or not yet. Safe in threads."""
        with self._lock:
            self._answers[key] = answer
        for question in self.questions:
            if key in (question.key, question.prompt):
                self._give(question, answer)

    def cancel(self, reason: str = "cancelled") -> None:
        """Tells the handler to stop, as a cancel of the run does; before `run`, the next one.

        `reason` is `ctx.cancel_reason`: also "deadline", "run_time", "lost", "drain".
        """
        self._cancel_reason = reason
        stop = worker_pb2.Stop(run_id=self.run_id, fence=str(self._next_fence()), reason=reason)
        self._say(worker_pb2.HubMessage(stop=stop))

    def drain(self) -> None:
        """Tells the handler that its worker takes no new work; before `run`, the next one."""
        self._say(worker_pb2.HubMessage(drain=worker_pb2.Drain()))

    async def until(self, truth: Callable[[], Any], timeout: float = UNTIL_SECONDS) -> None:
        """Waits until what the handler said makes it true, e.g. `lambda: context.questions`.

        Raises `ResultTimeout` after `timeout` seconds.
        """
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        with self._lock:
            self._wakers.append(wake)
        try:
            with anyio.fail_after(timeout):
                while not truth():
                    await changed.wait()
                    changed.clear()
        except TimeoutError as error:
            raise ResultTimeout(
                f"It did not become true within {timeout:g} s. The handler said {self._heard}."
            ) from error
        finally:
            with self._lock:
                self._wakers.remove(wake)

    def _assignment(self, handler: Handler[..., Any, Any], data: bytes) -> worker_pb2.Assignment:
        assignment = worker_pb2.Assignment()
        assignment.CopyFrom(self._facts)
        assignment.fence = str(self._next_fence())
        assignment.attempt = self.attempt
        assignment.workflow = handler.workflow
        assignment.capability.CopyFrom(handler.capability.to_wire())
        assignment.input = data
        assignment.checkpoint = self._heard.checkpoint
        for key, result in self._heard.steps.items():
            assignment.steps[key] = result
        assignment.answers.extend(self._given.values())
        return assignment

    def _begin(self, handler: WatchedHandler, assignment: worker_pb2.Assignment) -> Worker:
        if self._hub is not None:
            raise CorralError("This context runs a handler already; make one for each run.")
        self._heard.begin()
        self._raised = None
        hub = LoopbackHub(assignment, self._listen, self._heard.max_state_bytes)
        before, self._before = self._before, []
        self._fence += 1
        hub.say(*before)
        self._hub = hub
        return LoopbackWorker(handler, hub, self.state)

    def _next_fence(self) -> int:
        return self._fence if self._hub is not None else self._fence + 1

    def _say(self, message: worker_pb2.HubMessage) -> None:
        if self._hub is None:
            self._before.append(message)
        else:
            self._hub.say(message)

    def _listen(self, kind: str, body: Any) -> bool:
        kept = self._heard.heard(kind, body)
        if kind == "input_request" and kept:
            question = self._heard.questions[body.request_id]
            answer = self._prepared(question)
            if answer is not None:
                self._give(question, answer[0])
        with self._lock:
            wakers = list(self._wakers)
        for wake in wakers:
            wake()
        return kept

    def _prepared(self, question: Question) -> tuple[Any] | None:
        with self._lock:
            for key in (question.key, question.prompt):
                if key in self._answers:
                    return (self._answers[key],)
        if self._answerer is None:
            return None
        try:
            answer = self._answerer(question)
        except Exception as error:
            # The edge of user code, on the session's thread: raised again by `run`.
            self._heard.failure = error
            self.cancel("the function that answers raised")
            return None
        return None if answer is None else (answer,)

    def _give(self, question: Question, answer: Any) -> None:
        lapsed = answer is LAPSED
        wire = common_pb2.InputAnswer(
            request_id=question.key,
            response=b"" if lapsed else encoding.encode(answer),
            lapsed=lapsed,
        )
        with self._lock:
            self._given[question.key] = wire
            answers = list(self._given.values())
        if self._hub is not None:
            words = worker_pb2.InputAnswers(
                run_id=self.run_id,
                fence=str(self._fence),
                answers=answers,
                word=f"answer:{len(answers)}",
            )
            self._hub.say(worker_pb2.HubMessage(answers=words))

    def _open(self) -> list[str]:
        return [key for key in self._heard.questions if key not in self._given]

    def _keep_raised(self, error: BaseException) -> None:
        self._raised = error

    def _result(self, handler: WatchedHandler) -> Any:
        outcome, attempt = self._heard.outcome, self.attempt
        if isinstance(outcome, worker_pb2.Result):
            # An attempt was spent; one that is parked or given back spends none.
            self.attempt += 1
            code = outcome.error.code if outcome.HasField("error") else None
            if code == common_pb2.ERROR_CODE_HANDLER and self._raised is not None:
                raise self._raised
        return outcome_of(outcome, self.run_id, attempt, self._cancel_reason, handler.output_type)
