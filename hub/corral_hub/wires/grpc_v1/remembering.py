"""What a run asks and remembers, between messages of corral.v1 and the hub's records."""

from __future__ import annotations

import msgspec

from corral_hub import names
from corral_hub.errors import InvalidRequest
from corral_hub.inputs import Asked, asked
from corral_hub.jobs import parse_json
from corral_hub.schemas import check_schema
from corral_proto.v1 import common_pb2 as common
from corral_proto.v1 import orchestrator_pb2 as pb
from corral_proto.v1 import worker_pb2 as wk
from corral_store.records import Letter, Question, Report

PROMPT_CHARS = 4096
METADATA_BYTES = 16_384
SCHEMA_BYTES = 16_384
CHECKPOINT_BYTES = 262_144
STEP_BYTES = 65_536
# As in steps.lua: checkpoint, steps and answers of one run.
STATE_BYTES = 524_288
TIMEOUT_MS = 366 * 86_400_000


class Told(msgspec.Struct):
    """What earlier attempts left behind, as the store gives it."""

    checkpoint: msgspec.Raw = msgspec.Raw(b"")
    steps: dict[str, msgspec.Raw] = {}
    answers: dict[str, msgspec.Raw] = {}
    lapsed: list[str] = []


_told = msgspec.json.Decoder(Told)


def question(said: wk.InputRequest) -> Report:
    """A question as it is kept. Raises InvalidRequest."""
    request = names.require(names.NAME, said.request_id, "request_id")
    if not 1 <= len(said.prompt) <= PROMPT_CHARS:
        raise InvalidRequest(
            f"prompt has {len(said.prompt)} characters; 1 to {PROMPT_CHARS}", field="prompt"
        )
    if said.timeout_ms > TIMEOUT_MS:
        raise InvalidRequest(
            f"timeout_ms {said.timeout_ms}: at most {TIMEOUT_MS}, a year", field="timeout_ms"
        )
    kept = Asked(request, said.prompt)
    if said.metadata:
        kept.metadata = _json(said.metadata, "metadata", METADATA_BYTES)
    if said.schema:
        kept.schema = _json(said.schema, "schema", SCHEMA_BYTES)
        check_schema(parse_json(said.schema, "schema"))
    if said.timeout_ms:
        kept.timeout_ms = said.timeout_ms
    return _report("ask", said, request, msgspec.json.encode(kept))


def checkpoint(said: wk.Checkpoint) -> Report:
    """A checkpoint as it is kept. Raises InvalidRequest."""
    return _report("checkpoint", said, "", bytes(_json(said.state, "state", CHECKPOINT_BYTES)))


def step(said: wk.Step) -> Report:
    """The result of a step as it is kept. Raises InvalidRequest."""
    key = names.require(names.NAME, said.key, "key")
    return _report("step", said, key, bytes(_json(said.result, "result", STEP_BYTES)))


def park(said: wk.Park) -> Report:
    """The end of an attempt that waits for an answer. Raises InvalidRequest."""
    return _report("park", said, names.require(names.NAME, said.request_id, "request_id"), "")


Saying = wk.InputRequest | wk.Checkpoint | wk.Step | wk.Park


def _report(word: str, said: Saying, a: str, b: bytes | str) -> Report:
    run = names.require(names.RUN_ID, said.run_id, "run_id")
    return Report(word, run, names.fence(said.fence), said.seq, a, b)


def _json(raw: bytes, field: str, limit: int) -> msgspec.Raw:
    if len(raw) > limit:
        raise InvalidRequest(
            f"{field} has {len(raw)} bytes; the limit is {limit}", field=field, limit=str(limit)
        )
    parse_json(raw or b"null", field)
    return msgspec.Raw(raw or b"null")


def recalled(letter: Letter, out: wk.Assignment) -> None:
    """Puts what earlier attempts left behind into an assignment."""
    if not letter.told:
        return
    told = _told.decode(letter.told)
    out.checkpoint = bytes(told.checkpoint)
    for key, result in told.steps.items():
        out.steps[key] = bytes(result)
    out.answers.extend(_answers(told))


def answers(letter: Letter) -> wk.InputAnswers:
    """The word that tells a running handler what people have answered."""
    return wk.InputAnswers(
        run_id=letter.run,
        fence=letter.fence,
        word=letter.word,
        answers=_answers(_told.decode(letter.told)),
    )


def _answers(told: Told) -> list[common.InputAnswer]:
    given = [
        common.InputAnswer(request_id=request, response=bytes(answer))
        for request, answer in told.answers.items()
    ]
    return given + [common.InputAnswer(request_id=request, lapsed=True) for request in told.lapsed]


def open_question(found: Question) -> pb.ListInputsResponse.Input:
    """An open question of a listing."""
    kept = asked.decode(found.json)
    return pb.ListInputsResponse.Input(
        run_id=found.run,
        request_id=found.request,
        prompt=kept.prompt,
        metadata=b"" if kept.metadata == b"null" else bytes(kept.metadata),
        schema=b"" if kept.schema is msgspec.UNSET else bytes(kept.schema),
        asked_at_ms=found.asked_ms,
        due_at_ms=found.due_ms,
        workflow=found.workflow,
        status=f"RUN_STATUS_{found.status.upper()}",
    )
