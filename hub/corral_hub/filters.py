"""Filters of runs and workers: what is acceptable in one, and which events of the feed pass.

Listings are filtered by the store, events here, both by the same conditions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from corral_hub import names
from corral_hub.errors import InvalidRequest
from corral_hub.feed import FeedEvent
from corral_store.filters import Pairs, RunFilter, WorkerFilter, holds

MAX_LABELS = 16
MAX_TAGS = 32
MAX_WORKERS = 256
MAX_VALUE = 256


def run_filter(
    statuses: tuple[str, ...],
    workflow: str,
    labels: Mapping[str, str],
    kind: str,
    worker: str,
    worker_tags: Collection[str],
) -> RunFilter:
    """A filter of runs. Raises InvalidRequest for what can never match."""
    if workflow:
        names.require(names.WORKFLOW, workflow, "filter.workflow")
    if kind:
        names.require(names.KIND, kind, "filter.kind")
    if worker:
        names.require(names.WORKER_ID, worker, "filter.worker_id")
    return RunFilter(
        tuple(dict.fromkeys(statuses)),
        workflow,
        _labels(labels),
        kind,
        worker,
        _tags(worker_tags, "filter.worker_tags"),
    )


def worker_filter(
    workers: Collection[str], kind: str, tags: Collection[str], labels: Mapping[str, str]
) -> WorkerFilter:
    """A filter of workers. Raises InvalidRequest for what can never match."""
    _count(workers, MAX_WORKERS, "filter.worker_ids")
    for worker in workers:
        names.require(names.WORKER_ID, worker, "filter.worker_ids")
    if kind:
        names.require(names.KIND, kind, "filter.kind")
    return WorkerFilter(tuple(workers), kind, _tags(tags, "filter.tags"), _labels(labels))


def both(one: RunFilter, other: RunFilter) -> RunFilter:
    """What both filters say. Raises InvalidRequest where they say something about the same."""
    if other.says_something and one.says_something:
        for part in ("statuses", "workflow"):
            if getattr(one, part) and getattr(other, part):
                raise InvalidRequest(
                    f"{part} is given beside the filter and in it: give it once", field=part
                )
        return RunFilter(
            one.statuses or other.statuses, one.workflow or other.workflow, one.labels,
            one.kind, one.worker, one.worker_tags,
        )  # fmt: skip
    return one if one.says_something else other


def of_kind(filter: WorkerFilter, kind: str) -> WorkerFilter:
    """The filter and a kind. Raises InvalidRequest where both name one."""
    if not kind:
        return filter
    if filter.kind:
        raise InvalidRequest(
            "kind is given beside the filter and in it: give it once", field="kind"
        )
    return replace(filter, kind=names.require(names.KIND, kind, "kind"))


def something(filter: RunFilter | WorkerFilter) -> None:
    """Raises InvalidRequest for a filter that would mean everything."""
    if not filter.says_something:
        every = "run" if isinstance(filter, RunFilter) else "worker"
        raise InvalidRequest(
            f"the filter is empty and would mean every {every}: say at least one condition",
            field="filter",
        )


def passes(filter: RunFilter, status_only: bool, found: FeedEvent) -> bool:
    """True when an event of the feed is among those that were asked for."""
    if status_only or filter.statuses:
        word, _, status = found.event.type.partition("status.")
        if word or (filter.statuses and status not in filter.statuses):
            return False
    about = found.about
    if filter.workflow and about.workflow != filter.workflow:
        return False
    if filter.kind and (about.kind or f"workflow:{about.workflow}") != filter.kind:
        return False
    if filter.worker and about.worker != filter.worker:
        return False
    return holds(about.labels, filter.labels) and holds(about.tags, filter.worker_tags)


def _count(terms: Collection[str], limit: int, field: str) -> None:
    if len(terms) > limit:
        raise InvalidRequest(
            f"{field} has {len(terms)} entries; {limit} at most", field=field, limit=str(limit)
        )


def _tags(tags: Collection[str], field: str) -> Pairs:
    _count(tags, MAX_TAGS, field)
    return tuple(names.tag(tag, field) for tag in tags)


def _labels(labels: Mapping[str, str]) -> Pairs:
    _count(labels, MAX_LABELS, "filter.labels")
    for key, value in labels.items():
        names.require(names.TAG_KEY, key, "filter.labels")
        if len(value) > MAX_VALUE:
            raise InvalidRequest(
                f"the value of label {key!r} has {len(value)} characters; {MAX_VALUE} at most",
                field="filter.labels",
                limit=str(MAX_VALUE),
            )
    return tuple(sorted(labels.items()))
