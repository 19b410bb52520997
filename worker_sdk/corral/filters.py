"""One filter language: which runs and which workers a call is about, as values and as text.

The same filters choose in listings, cancels, retries, drains and subscriptions. Checked where
they are made; what a hub finds wrong beyond that is its own answer.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Self, TypeVar

from corral.errors import InvalidRequest
from corral.records import status_to_wire
from corral.shapes import check, check_fields
from corral_proto.v1 import common_pb2
from corral_proto.v1 import orchestrator_pb2 as pb

_RUN_TERMS = ("status", "workflow", "kind", "worker", "label.<key>", "tag.<key>")
_WORKER_TERMS = ("worker", "kind", "tag.<key>", "label.<key>")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs a call is about; all conditions must hold, and one that is empty is none.

    `labels` must all be there with this value, `"*"` for any. `kind` is the capability that a
    run needs, e.g. `workflow:summarize`. `worker_id` is the worker that has a run, or had it
    last, and `worker_tags` are what that worker must all have: "key=value", or "key=*". As
    text: `status=failed,cancelled workflow=summarize label.team=a worker=gpu-1 tag.gpu=*`.
    """

    statuses: Sequence[str] = ()
    workflow: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    kind: str = ""
    worker_id: str = ""
    worker_tags: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        statuses_to_wire(self.statuses)
        _check_tags(self.worker_tags, "worker_tags")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text form; values with blanks stand in quotes.

        Raises `InvalidRequest` that names the term, and what is known.
        """
        said = _Terms(text, _RUN_TERMS)
        return cls(
            statuses=said.several("status"),
            workflow=said.one("workflow"),
            labels=said.keyed("label"),
            kind=said.one("kind"),
            worker_id=said.one("worker"),
            worker_tags=_tags(said.keyed("tag")),
        )

    def to_wire(self) -> pb.RunFilter:
        """Gives the wire form."""
        return pb.RunFilter(
            statuses=statuses_to_wire(self.statuses),
            workflow=self.workflow,
            labels=self.labels,
            kind=self.kind,
            worker_id=self.worker_id,
            worker_tags=self.worker_tags,
        )

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))

    def __str__(self) -> str:
        return _written(
            ("status", ",".join(self.statuses)),
            ("workflow", self.workflow),
            ("kind", self.kind),
            ("worker", self.worker_id),
            *_keyed("label", self.labels),
            *_keyed("tag", dict(tag.split("=", 1) for tag in self.worker_tags)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFilter:
    """Which workers a call is about; all conditions must hold, and one that is empty is none.

    Any of `worker_ids`; those that offer `kind`, and have all `tags` ("key=value", or "key=*")
    and `labels` (`"*"` for any value). As text: `worker=gpu-1,gpu-2 kind=workflow:summarize
    tag.gpu=a100 label.zone=*`.
    """

    worker_ids: Sequence[str] = ()
    kind: str = ""
    tags: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        check_fields(self)
        _check_tags(self.tags, "tags")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text form, as `RunFilter.parse`."""
        said = _Terms(text, _WORKER_TERMS)
        return cls(
            worker_ids=said.several("worker"),
            kind=said.one("kind"),
            tags=_tags(said.keyed("tag")),
            labels=said.keyed("label"),
        )

    def to_wire(self) -> pb.WorkerFilter:
        """Gives the wire form."""
        return pb.WorkerFilter(
            worker_ids=self.worker_ids, kind=self.kind, tags=self.tags, labels=self.labels
        )

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))

    def __str__(self) -> str:
        return _written(
            ("worker", ",".join(self.worker_ids)),
            ("kind", self.kind),
            *_keyed("tag", dict(tag.split("=", 1) for tag in self.tags)),
            *_keyed("label", self.labels),
        )


def run_filter(
    chosen: RunFilter | str | None,
    workflow: str = "",
    statuses: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    kind: str = "",
    worker_id: str = "",
    worker_tags: Sequence[str] = (),
) -> RunFilter:
    """A filter, or its text, with what is said beside it.

    Raises `InvalidRequest` when both say something of the same.
    """
    check("filter", chosen, RunFilter | str | None)
    filter = RunFilter.parse(chosen) if isinstance(chosen, str) else chosen or RunFilter()
    beside = RunFilter(
        workflow=workflow,
        statuses=statuses,
        labels=labels or {},
        kind=kind,
        worker_id=worker_id,
        worker_tags=worker_tags,
    )
    return _joined(filter, beside)


def worker_filter(
    chosen: WorkerFilter | str | None,
    kind: str = "",
    tags: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> WorkerFilter:
    """A filter, or its text, with what is said beside it, as `run_filter`."""
    check("filter", chosen, WorkerFilter | str | None)
    filter = WorkerFilter.parse(chosen) if isinstance(chosen, str) else chosen or WorkerFilter()
    return _joined(filter, WorkerFilter(kind=kind, tags=tags, labels=labels or {}))


def something(filter: RunFilter | WorkerFilter) -> None:
    """Raises `InvalidRequest` for a filter that would mean everything."""
    if not filter:
        runs = isinstance(filter, RunFilter)
        raise InvalidRequest(
            f"The filter names nothing, which would be every {'run' if runs else 'worker'}. Say "
            f"at least one of {', '.join(_RUN_TERMS if runs else _WORKER_TERMS)}.",
            field="filter",
        )


def statuses_to_wire(statuses: Sequence[str]) -> list[common_pb2.RunStatus]:
    """Gives the wire form of statuses; raises `InvalidRequest` for one that is none."""
    try:
        return [status_to_wire(status) for status in statuses]
    except ValueError as error:
        raise InvalidRequest(str(error), field="statuses") from error


FilterT = TypeVar("FilterT", RunFilter, WorkerFilter)


class _Terms:
    """The terms of a filter's text, each at most once."""

    def __init__(self, text: str, known: Sequence[str]) -> None:
        self._found: dict[str, str] = {}
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise InvalidRequest(
                f"Filter {text!r} cannot be read ({error}); write terms with blanks between them.",
                field="filter",
            ) from error
        for word in words:
            name, sign, value = word.partition("=")
            shape = f"{name.partition('.')[0]}.<key>" if "." in name else name
            if shape not in known or name.endswith("."):
                raise InvalidRequest(
                    f"Filter term {word!r} is not known; use {', '.join(known)}, each with =value.",
                    field="filter",
                    limit=", ".join(known),
                )
            if not sign or (not value and not name.startswith("label.")):
                raise InvalidRequest(
                    f"Filter term {word!r} has no value; write {name}=value.", field="filter"
                )
            if name in self._found:
                raise InvalidRequest(f"Filter term {name!r} is given twice.", field="filter")
            self._found[name] = value

    def one(self, name: str) -> str:
        return self._found.get(name, "")

    def several(self, name: str) -> tuple[str, ...]:
        if name not in self._found:
            return ()
        parts = tuple(self.one(name).split(","))
        if not all(parts):
            # As of "worker=$A,$B" with neither set, which must not mean every worker.
            raise InvalidRequest(
                f"Filter term {name}={self.one(name)} has an empty part; write {name}=a,b.",
                field="filter",
            )
        return parts

    def keyed(self, prefix: str) -> dict[str, str]:
        start = f"{prefix}."
        return {
            name.removeprefix(start): value
            for name, value in self._found.items()
            if name.startswith(start)
        }


def _tags(pairs: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in pairs.items())


def _check_tags(tags: Sequence[str], name: str) -> None:
    for tag in tags:
        if not all(tag.partition("=")):
            raise InvalidRequest(
                f"{name} {tag!r} is no tag: write key=value, or key=* for any value.", field=name
            )


def _joined(filter: FilterT, beside: FilterT) -> FilterT:
    said = {one.name: getattr(beside, one.name) for one in fields(beside)}
    for name, value in said.items():
        if value and getattr(filter, name):
            raise InvalidRequest(
                f"{name} is given beside the filter and in it; give it once.", field=name
            )
    return replace(filter, **{name: value for name, value in said.items() if value})


def _keyed(prefix: str, pairs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((f"{prefix}.{key}", value) for key, value in sorted(pairs.items()))


def _written(*terms: tuple[str, str]) -> str:
    said = ((name, value) for name, value in terms if value or "." in name)
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in said)
