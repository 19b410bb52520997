"""Open questions and their answers, as orchestrators see them.

Functions over the hubs of a client, which hands its calls on to them. Answering may be
repeated: the same answer again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from corral import encoding
from corral.calls import Hubs, Method
from corral.errors import InvalidRequest
from corral.records import RunStatus, status_from_wire
from corral_proto.v1 import orchestrator_pb2 as pb

PAGE = 100

_RESPOND = Method[pb.RespondToInputRequest, pb.RespondToInputResponse](
    "RespondToInput", pb.RespondToInputResponse.FromString
)
_LIST = Method[pb.ListInputsRequest, pb.ListInputsResponse](
    "ListInputs", pb.ListInputsResponse.FromString
)


@dataclass(frozen=True, slots=True)
class InputRecord:
    """An open question.

    `request_id` is its key in the run, `metadata` what the handler gave for whoever shows it,
    `schema` the JSON Schema that an answer must fit, None for any JSON. `due_at_ms` is when it
    lapses, 0: with the run. `status` is that of the run: running, or parked.
    """

    run_id: str
    request_id: str
    prompt: str
    metadata: Any
    schema: Any
    asked_at_ms: int
    due_at_ms: int
    workflow: str
    status: RunStatus


@dataclass(frozen=True, slots=True)
class InputPage:
    """A page of open questions, oldest first; `cursor` is empty on the last one."""

    inputs: list[InputRecord]
    cursor: str


async def list_page(hubs: Hubs, run_id: str, limit: int, cursor: str, timeout: float) -> InputPage:
    """Gives a page of open questions."""
    request = pb.ListInputsRequest(run_id=run_id, limit=limit, cursor=cursor)
    response = await hubs.call(_LIST, request, timeout)
    return InputPage([input_from_wire(wire) for wire in response.inputs], response.cursor)


async def respond(hubs: Hubs, run_id: str, request_id: str, response: Any, timeout: float) -> bool:
    """Answers a question; tells whether the same answer was there already."""
    try:
        data = encoding.encode(response)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(
            f"The response cannot be written as JSON: {error}. Use plain values.",
            field="response",
        ) from error
    request = pb.RespondToInputRequest(run_id=run_id, request_id=request_id, response=data)
    return (await hubs.call(_RESPOND, request, timeout)).deduplicated


def input_from_wire(wire: pb.ListInputsResponse.Input) -> InputRecord:
    """Makes a record of an open question."""
    return InputRecord(
        run_id=wire.run_id,
        request_id=wire.request_id,
        prompt=wire.prompt,
        metadata=encoding.decode(wire.metadata),
        schema=encoding.decode(wire.schema),
        asked_at_ms=wire.asked_at_ms,
        due_at_ms=wire.due_at_ms,
        workflow=wire.workflow,
        status=status_from_wire(wire.status),
    )
