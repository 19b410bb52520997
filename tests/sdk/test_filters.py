"""Filters as values and as text: what is read, what is written, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from corral import InvalidRequest, RunFilter, WorkerFilter
from corral.filters import run_filter, worker_filter

WHOLE = "status=failed,cancelled workflow=w kind=tool worker=gpu-1 label.a=1 label.b='x y' tag.g=*"


def test_text_and_value_say_the_same() -> None:
    value = RunFilter(
        statuses=("failed", "cancelled"),
        workflow="w",
        labels={"a": "1", "b": "x y"},
        kind="tool",
        worker_id="gpu-1",
        worker_tags=("g=*",),
    )
    assert RunFilter.parse(WHOLE) == value
    assert RunFilter.parse(str(value)) == value
    workers = WorkerFilter(worker_ids=("a", "b"), kind="k", tags=("g=1",), labels={"z": "*"})
    assert WorkerFilter.parse("worker=a,b kind=k tag.g=1 label.z=*") == workers
    assert WorkerFilter.parse(str(workers)) == workers


def test_an_empty_filter_is_false() -> None:
    assert not RunFilter()
    assert not RunFilter.parse("  ")
    assert RunFilter(labels={"a": ""})
    assert RunFilter.parse("label.a=") == RunFilter.parse(str(RunFilter(labels={"a": ""})))
    assert not WorkerFilter()
    assert WorkerFilter(tags=["a=b"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("state=failed", "'state=failed' is not known; use status, workflow, kind, worker, label"),
        ("label=a", "'label=a' is not known"),
        ("label.=a", "'label.=a' is not known"),
        ("status.x=a", "'status.x=a' is not known"),
        ("workflow", "'workflow' has no value; write workflow=value"),
        ("workflow=", "has no value"),
        ("workflow=a workflow=b", "'workflow' is given twice"),
        ("label.a='b", "cannot be read"),
        ("status=,", "status=, has an empty part; write status=a,b"),
        ("status=failed,", "has an empty part"),
        ("status=done", "'done' is not known; use one of pending"),
    ],
)
def test_a_term_that_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        RunFilter.parse(text)
    assert words in str(refused.value)
    assert refused.value.field in ("filter", "statuses")


def test_terms_of_runs_are_none_of_workers() -> None:
    with pytest.raises(InvalidRequest, match=r"use worker, kind, tag.<key>, label.<key>"):
        WorkerFilter.parse("status=failed")


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        (RunFilter, {"statuses": "failed"}, "statuses"),
        (RunFilter, {"statuses": ["done"]}, "statuses"),
        (RunFilter, {"worker_tags": "gpu=1"}, "worker_tags"),
        (RunFilter, {"worker_tags": ["gpu"]}, "worker_tags"),
        (WorkerFilter, {"worker_ids": "a"}, "worker_ids"),
        (WorkerFilter, {"tags": ["=1"]}, "tags"),
    ],
)
def test_values_that_are_none_are_refused_where_they_are_made(
    kind: Any, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        kind(**given)
    assert refused.value.field == field


def test_what_is_said_beside_a_filter_is_added_and_never_twice() -> None:
    both = run_filter("label.a=1", workflow="w", statuses=["failed"])
    assert both == RunFilter(workflow="w", statuses=["failed"], labels={"a": "1"})
    with pytest.raises(InvalidRequest, match="workflow is given beside the filter and in it"):
        run_filter(both, workflow="v")
    assert worker_filter(None, "k", ["a=b"]) == WorkerFilter(kind="k", tags=["a=b"])
    with pytest.raises(InvalidRequest, match="tags is given beside"):
        worker_filter("tag.a=b", tags=["a=c"])
