"""Questions to people: lists the open ones and takes answers, for any run from any hub."""

from __future__ import annotations

import msgspec

from corral_hub import names
from corral_hub.errors import (
    AlreadyAnswered,
    HubError,
    InputLapsed,
    InputNotFound,
    InvalidRequest,
    PayloadTooLarge,
    ResourceExhausted,
    RunEnded,
    RunNotFound,
)
from corral_hub.jobs import parse_json
from corral_hub.schemas import check_answer
from corral_store.records import Question
from corral_store.transitions import Transitions

ANSWER_BYTES = 65_536
PAGE = 256
PAGE_DEFAULT = 100


class Asked(msgspec.Struct):
    """A question as it is kept, and as its event says it."""

    request_id: str
    prompt: str
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    schema: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    timeout_ms: int | msgspec.UnsetType = msgspec.UNSET


asked = msgspec.json.Decoder(Asked)
_schema = msgspec.json.Decoder()


async def respond(t: Transitions, run: str, request: str, response: bytes) -> bool:
    """Answers a question; tells whether the same answer was there already.

    Raises InputNotFound, AlreadyAnswered, InputLapsed, RunEnded, RunNotFound, BadAnswer for
    what does not fit the question's schema, and PayloadTooLarge.
    """
    names.require(names.RUN_ID, run, "run_id")
    names.require(names.NAME, request, "request_id")
    if len(response) > ANSWER_BYTES:
        raise PayloadTooLarge(
            f"response has {len(response)} bytes, the limit is {ANSWER_BYTES}: store the data "
            "elsewhere and answer with a reference",
            field="response",
            limit=str(ANSWER_BYTES),
            run_id=run,
        )
    answer = parse_json(response, "response")
    open_ones, _ = await t.list_inputs(run, PAGE, ("", ""))
    for question in open_ones:
        if question.request == request:
            schema = asked.decode(question.json).schema
            if schema is not msgspec.UNSET:
                check_answer(_schema.decode(schema), answer)
    verdict = await t.answer_input(run, request, response)
    if verdict in ("ok", "same"):
        return verdict == "same"
    raise _refusal(verdict, run, request)


def _refusal(verdict: str, run: str, request: str) -> HubError:
    which = f"question {request!r} of run {run!r}"
    match verdict:
        case "unknown":
            return RunNotFound(
                f"there is no run {run!r}; it may have been removed after its retention",
                run_id=run,
            )
        case "unasked":
            return InputNotFound(
                f"there is no {which}; ListInputs has those that are open", run_id=run
            )
        case "conflict":
            return AlreadyAnswered(
                f"{which} has another answer already; the first one counts", run_id=run
            )
        case "lapsed":
            return InputLapsed(f"the time to answer {which} has run out", run_id=run)
        case "ended":
            return RunEnded(f"run {run!r} has ended without an answer to {request!r}", run_id=run)
        case _:
            return ResourceExhausted(
                f"the checkpoint, steps and answers of run {run!r} would exceed their common limit "
                f"({verdict}): give a shorter answer",
                field="response",
                run_id=run,
            )


async def list_inputs(
    t: Transitions, run: str, limit: int, cursor: str
) -> tuple[list[Question], str]:
    """A page of open questions, oldest first, and the cursor of the next one.

    Raises InvalidRequest for a cursor that is none; a run that does not exist has none open.
    """
    if run:
        names.require(names.RUN_ID, run, "run_id")
    if limit > PAGE:
        raise InvalidRequest(
            f"limit {limit}: 1 to {PAGE}, or 0 for {PAGE_DEFAULT}", field="limit", limit=str(PAGE)
        )
    score, sign, entry = cursor.partition(":")
    if cursor and not (sign and names.NUMBER.fullmatch(score) and len(entry) <= 129):
        raise InvalidRequest(
            f"cursor {cursor[:80]!r} is none of this listing; send the one of the page before",
            field="cursor",
        )
    found, (score, entry) = await t.list_inputs(run, limit or PAGE_DEFAULT, (score, entry))
    return found, f"{score}:{entry}" if entry else ""
