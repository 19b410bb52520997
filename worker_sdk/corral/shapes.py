"""Whether a value is of the type that an annotation says: one check for what users hand over.

Reads classes, unions, literals, lists and mappings, and looks into dataclasses. Knows no limits,
and is too slow for every run: where values go on the wire, it is asked when they do not fit there.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from reprlib import repr as short
from typing import Any

from corral.errors import WrongType

_WORDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    types.NoneType: "None",
}


def check(name: str, value: Any, annotation: Any) -> None:
    """Raises `WrongType` that names the place in a value which is not as annotated."""
    complaint = misfit(name, value, annotation)
    if complaint:
        raise WrongType(complaint, field=name)


def check_arguments(call: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Checks the arguments of a call, e.g. its `locals()`, by the annotations that it has."""
    for name, annotation in _annotations(call).items():
        if name in given:
            check(name, given[name], annotation)


def check_fields(value: Any) -> None:
    """Checks the fields of a dataclass by their annotations."""
    for name, annotation in _annotations(type(value)).items():
        check(name, getattr(value, name), annotation)


def check_options(options: Mapping[str, Any], known: type) -> None:
    """Checks options by the annotations of their `TypedDict`."""
    for name, value in options.items():
        check(name, value, _annotations(known)[name])


def misfit(place: str, value: Any, annotation: Any) -> str:
    """Says what of a value is not as annotated and what would be; empty when all is."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return ""
    if origin in (typing.Union, types.UnionType):
        complaints = [misfit(place, value, part) for part in parts]
        if not all(complaints):
            return ""
        # Of a list or mapping that is nearly right, what is wrong in it.
        inner = [one for one in complaints if not one.startswith(f"{place} is ")]
        return inner[0] if inner else _complaint(place, value, annotation)
    wanted = origin or annotation
    if wanted is typing.Literal:
        return "" if value in parts else _complaint(place, value, annotation)
    if wanted is Sequence:
        fits = isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)
    elif wanted in (int, float):
        # True is an int to Python, and hardly ever meant as one.
        fits = isinstance(value, (int, wanted)) and not isinstance(value, bool)
    else:
        fits = isinstance(value, wanted)
    if not fits:
        return _complaint(place, value, annotation)
    inner = _inside(place, value, wanted, parts)
    return next((complaint for one in inner if (complaint := misfit(*one))), "")


def _inside(
    place: str, value: Any, wanted: Any, parts: tuple[Any, ...]
) -> Iterator[tuple[str, Any, Any]]:
    """The parts of a value, each with its place and annotation."""
    if wanted is Sequence:
        for number, item in enumerate(value):
            yield f"{place}[{number}]", item, parts[0]
    elif wanted is Mapping:
        for key, item in value.items():
            yield f"A key of {place}", key, parts[0]
            yield f"{place}[{key!r}]", item, parts[1]
    elif dataclasses.is_dataclass(value):
        for name, annotation in _annotations(type(value)).items():
            yield f"{place}.{name}", getattr(value, name), annotation


@functools.cache
def _annotations(of: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(of)
    hints.pop("return", None)
    return hints


def _complaint(place: str, value: Any, annotation: Any) -> str:
    if isinstance(value, str) and "a list" in _words(annotation):
        return f"{place} is the text {value!r}; give a list, e.g. [{value!r}]."
    return f"{place} is {short(value)}; give {_words(annotation)}."


def _words(annotation: Any) -> str:
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(part) for part in parts)
    if origin is typing.Literal:
        return " or ".join(repr(part) for part in parts)
    if origin is Sequence:
        return f"a list, each of it {_words(parts[0])}"
    if origin is Mapping:
        return f"a mapping of {_words(parts[0])} to {_words(parts[1])}"
    if origin is Callable:
        return "a function"
    kind = origin or annotation
    return _WORDS.get(kind, f"a {kind.__name__}")
