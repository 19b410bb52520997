"""Questions that a handler asks of people: what `ctx.request_input` is.

A question belongs to the run and not to the attempt: asked again under its key it is the same
one, and what was answered is there at once. Knows no network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import msgspec

from corral import encoding
from corral.errors import (
    BadQuestion,
    InputTimedOut,
    StateRefused,
    StateTooLarge,
    TooManyInputs,
    UnreadableAnswer,
)
from corral.memory import Memory, Parked, Remembering, wait, wait_sync
from corral.session.messages import Told
from corral_proto.v1 import common_pb2, worker_pb2

T = TypeVar("T")

KEY = re.compile(r"[A-Za-z0-9._-]{1,64}")
PROMPT_CHARS = 4096
METADATA_BYTES = 16_384
SCHEMA_BYTES = 16_384
MAX_TIMEOUT_SECONDS = 366 * 86_400
MAX_INPUTS = 64


@dataclass(frozen=True, slots=True)
class _Question:
    """A question that a hub would take, and the type of its answer."""

    wire: worker_pb2.InputRequest
    answer_type: Any
    memory: Memory

    @property
    def key(self) -> str:
        return self.wire.request_id

    def refused(self, told: Told) -> Exception:
        """The error of a question that was not taken."""
        if told.word == "unsupported":
            return BadQuestion(f"The hub does not take question {self.key!r}: {told.detail}.")
        if len(self.memory.questions) >= MAX_INPUTS:
            return TooManyInputs(
                f"Question {self.key!r} is refused: a run asks at most {MAX_INPUTS}. Ask for "
                "several things in one question."
            )
        size = self.memory.bytes_known + self.wire.ByteSize()
        if told.limit and size > told.limit:
            return StateTooLarge(
                f"Question {self.key!r} is refused: checkpoint, steps, questions and answers of "
                f"the run would have {size} bytes, the limit is {told.limit}. Keep references."
            )
        return StateRefused(
            f"Question {self.key!r} is refused: a run asks at most {MAX_INPUTS}, keeps at most "
            f"{told.limit} bytes, and a store near its memory limit takes no more. Keep less, or "
            "try again later."
        )

    def read(self, answer: common_pb2.InputAnswer) -> Any:
        """The answer as its type; raises `InputTimedOut` and `UnreadableAnswer`."""
        if answer.lapsed:
            raise InputTimedOut(
                f"Nobody answered question {self.key!r} in time. Go on without, or ask under "
                "another key."
            )
        try:
            return encoding.decode(answer.response, self.answer_type)
        except ValueError as error:
            raise UnreadableAnswer(
                f"The answer to question {self.key!r} does not fit {self.answer_type!r}: {error}. "
                "Ask again under another key, or take any JSON with schema=None."
            ) from error


class Asking(Remembering):
    """The part of a `Context` that asks people."""

    @overload
    async def request_input(
        self,
        prompt: str,
        *,
        schema: type[T],
        metadata: Any = None,
        key: str | None = None,
        timeout: float | None = None,
        park: bool = False,
    ) -> T: ...
    @overload
    async def request_input(
        self,
        prompt: str,
        *,
        schema: Any = None,
        metadata: Any = None,
        key: str | None = None,
        timeout: float | None = None,
        park: bool = False,
    ) -> Any: ...
    async def request_input(
        self,
        prompt: str,
        *,
        schema: Any = None,
        metadata: Any = None,
        key: str | None = None,
        timeout: float | None = None,
        park: bool = False,
    ) -> Any:
        """Asks people a question and gives their answer, however long that takes.

        `schema`: what an answer must be, as a Python type (the answer is given as one) or a
        JSON Schema; default: any JSON. `metadata`: JSON of at most 16 KiB for whoever shows the
        question. `key` names the question in the run, default `input-<n>` for the n-th one of
        the attempt: a later attempt that asks under the same key gets the same answer, and
        nobody is asked twice. `timeout`: seconds from the first asking until the question
        lapses, default with the run.

        `park`: gives the room back while nobody has answered. The handler is unwound here
        (`finally` blocks run), and starts again from the top when the answer is there, perhaps
        elsewhere; its answers, steps and checkpoint are kept. It spends no attempt.

        Raises `InputTimedOut`; `BadQuestion` for what no hub takes; `TooManyInputs` beyond 64
        questions and `StateTooLarge` beyond what a run may keep, both `StateRefused`;
        `UnreadableAnswer`; `AttemptEnded`.
        """
        question = self._question(prompt, schema, metadata, key, timeout)
        found = self._memory.answer_to(question.key)
        if found is None:
            await wait(self._memory.say(question.wire, question.refused))
            found = self._memory.answer_to(question.key)
        if found is None and park:
            self._park(question.key)
            await wait(self._memory.ended())
        if found is None:
            found = await wait(self._memory.listen(question.key))
        return question.read(found)

    @overload
    def request_input_sync(
        self,
        prompt: str,
        *,
        schema: type[T],
        metadata: Any = None,
        key: str | None = None,
        timeout: float | None = None,
        park: bool = False,
    ) -> T: ...
    @overload
    def request_input_sync(
        self,
        prompt: str,
        *,
        schema: Any = None,
        metadata: Any = None,
        key: str | None = None,
        timeout: float | None = None,
        park: bool = False,
    ) -> Any: ...
    def request_input_sync(
        self,
        prompt: str,
        *,
        schema: Any = None,
        metadata: Any = None,
        key: str | None = None,
        timeout: float | None = None,
        park: bool = False,
    ) -> Any:
        """The same as `request_input`, for handlers in threads and processes.

        Told to stop while it waits, it raises `AttemptEnded`. Parking unwinds the handler with
        an exception that `except Exception` does not catch.
        """
        question = self._question(prompt, schema, metadata, key, timeout)
        found = self._memory.answer_to(question.key)
        if found is None:
            wait_sync(self._memory.say(question.wire, question.refused), "request_input")
            found = self._memory.answer_to(question.key)
        if found is None and park:
            self.parked_for = question.key
            raise Parked(question.key)
        if found is None:
            found = wait_sync(self._memory.listen(question.key, sync=True), "request_input")
        return question.read(found)

    def _park(self, key: str) -> None:
        self.parked_for = key
        if self._unwind is None:
            raise Parked(key)
        # By cancelling its task, which unwinds what else the handler has begun.
        self._unwind(self)

    def _question(
        self, prompt: str, schema: Any, metadata: Any, key: str | None, timeout: float | None
    ) -> _Question:
        memory = self._memory
        number = memory.next_question()
        key = f"input-{number}" if key is None else key
        if not KEY.fullmatch(key):
            raise BadQuestion(
                f"The key {key!r} is not accepted; use 1 to 64 characters of [A-Za-z0-9._-]."
            )
        if not 1 <= len(prompt) <= PROMPT_CHARS:
            raise BadQuestion(
                f"The prompt of question {key!r} has {len(prompt)} characters; use 1 to "
                f"{PROMPT_CHARS}, and put more into metadata."
            )
        if timeout is not None and not 0 < timeout <= MAX_TIMEOUT_SECONDS:
            raise BadQuestion(
                f"The timeout of question {key!r} is {timeout}; give more than 0 and at most "
                f"{MAX_TIMEOUT_SECONDS} seconds, or None."
            )
        answer_type, described = _described(key, schema)
        wire = worker_pb2.InputRequest(
            request_id=key,
            prompt=prompt,
            metadata=b"" if metadata is None else _json(key, "metadata", metadata, METADATA_BYTES),
            schema=b"" if described is None else _json(key, "schema", described, SCHEMA_BYTES),
            timeout_ms=0 if timeout is None else max(1, round(timeout * 1000)),
        )
        if memory.answer_to(key) is None:
            memory.questions.add(key)
        return _Question(wire, answer_type, memory)


def _described(key: str, schema: Any) -> tuple[Any, Any]:
    """From what a handler gave to the type of the answer, and its JSON Schema."""
    if schema is None or isinstance(schema, Mapping):
        given: Any = schema
        return Any, given
    try:
        return schema, msgspec.json.schema(schema)
    except (TypeError, msgspec.MsgspecError) as error:
        raise BadQuestion(
            f"The schema of question {key!r}, {schema!r}, cannot be described as JSON Schema: "
            f"{error}. Use plain types, a dataclass, a msgspec.Struct, or a JSON Schema."
        ) from error


def _json(key: str, what: str, value: Any, limit: int) -> bytes:
    try:
        data = encoding.encode(value)
    except (TypeError, ValueError) as error:
        raise BadQuestion(
            f"The {what} of question {key!r} cannot be written as JSON: {error}. Use plain values."
        ) from error
    if len(data) > limit:
        raise BadQuestion(
            f"The {what} of question {key!r} has {len(data)} bytes, the limit is {limit}. Give "
            "a reference."
        )
    return data
