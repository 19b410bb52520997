"""JSON Schemas that workers give with their questions, and the answers that must fit them.

The engine matches patterns in linear time and fetches nothing, as both the schema and the
answer are a client's, and a hub must not stand still for either.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from corral_hub.errors import BadAnswer, InvalidRequest

PATTERN_BYTES = 1_000_000


def check_schema(schema: object) -> None:
    """Raises InvalidRequest when it is no JSON Schema that answers can be held against."""
    try:
        _validator(schema)
    except ValueError as error:
        raise InvalidRequest(
            f"schema is no JSON Schema of this hub: {_said(error)}; patterns have no "
            "look-around, and references stay inside of the schema",
            field="schema",
        ) from error


def check_answer(schema: object, answer: object) -> None:
    """Raises BadAnswer, with the place, when the answer does not fit the schema."""
    try:
        _validator(schema).validate(answer)
    except jsonschema_rs.ValidationError as error:
        place = "".join(f"[{part!r}]" for part in error.instance_path) or "the answer"
        raise BadAnswer(
            f"{place}: {error.message[:512]}; see the question's schema and answer again",
            field="response",
        ) from error


def _validator(schema: object) -> Any:
    if not isinstance(schema, dict | bool):
        raise ValueError("it must be an object, true or false")
    options = jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES)
    return jsonschema_rs.validator_for(schema, pattern_options=options, retriever=_fetch_nothing)


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched")


def _said(error: Exception) -> str:
    return str(error).splitlines()[0][:512]
