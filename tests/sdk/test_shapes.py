"""Arguments of another type than they are annotated with: refused where they are given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import corral


def plain() -> None: ...


async def without_decorator(worker: corral.Worker) -> AsyncIterator[None]:
    yield


class Attached:
    def method(self) -> None: ...


def submit(**options: Any) -> Callable[[], Any]:
    return lambda: corral.Submit("w", **options)


def worker(**options: Any) -> Callable[[], Any]:
    return lambda: corral.Worker("w", **options)


def anything(value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    ("make", "field", "words"),
    [
        (submit(priority="high"), "priority", "priority is 'high'; give a whole number."),
        (submit(deadline_ms=1.5), "deadline_ms", "deadline_ms is 1.5; give a whole number."),
        (submit(retry=3), "retry", "retry is 3; give a RetryPolicy."),
        (
            submit(retry=corral.RetryPolicy(max_attempts=anything("3"))),
            "retry",
            "retry.max_attempts is '3'; give a whole number.",
        ),
        (submit(run_id=7), "run_id", "run_id is 7; give a text."),
        (submit(labels={"a": 1}), "labels", "labels['a'] is 1; give a text."),
        (submit(labels={1: "a"}), "labels", "A key of labels is 1; give a text."),
        (submit(labels="a"), "labels", "labels is 'a'; give a mapping of a text to a text."),
        (
            submit(required_tags="a=b"),
            "required_tags",
            "required_tags is the text 'a=b'; give a list, e.g. ['a=b'].",
        ),
        (
            submit(required_tags={"a": "b"}),
            "required_tags",
            "required_tags is {'a': 'b'}; give a list, each of it a text.",
        ),
        (submit(tolerations=["a"]), "tolerations", "tolerations[0] is 'a'; give a Toleration."),
        (submit(selector={"a": "b"}), "selector", "selector is {'a': 'b'}; give a Selector."),
        (submit(capability=5), "capability", "give a text or a Capability."),
        (submit(wait_for_worker=None), "wait_for_worker", "give True or False."),
        (lambda: corral.Submit(anything(7)), "workflow", "workflow is 7; give a Handler or a text"),
        (lambda: corral.Submit(anything(plain)), "workflow", "plain(); submit the handler that"),
        (lambda: corral.Submit(anything(Attached().method)), "workflow", "submit the handler"),
        (lambda: corral.Client(anything(7445)), "hubs", "hubs is 7445; give a text or a list"),
        (lambda: corral.Client(timeout=anything("3")), "timeout", "timeout is '3'; give a number."),
        (lambda: corral.Client(token=anything(b"t")), "token", "token is b't'; give a text"),
        (worker(admission=4), "admission", "give a Fixed or a VramBudget or a Reactive or None."),
        (lambda: corral.Fixed(anything("4")), "max_in_flight", "give a whole number."),
        (worker(tags=["a=b", 1]), "tags", "tags[1] is 1; give a text."),
        (worker(labels=["a"]), "labels", "labels is ['a']; give a mapping"),
        (worker(taints=["a"]), "taints", "taints[0] is 'a'; give a Taint."),
        (worker(lifespan=5), "lifespan", "lifespan is 5; give a function or None."),
        (worker(backoff=True), "backoff", "backoff is True; give a Backoff or None."),
        (lambda: corral.Worker("w").workflow(anything(5)), "name", "name is 5; give a function"),
        (
            lambda: corral.Worker("w").workflow("x", version=anything("2"))(plain),
            "version",
            "version is '2'; give a whole number.",
        ),
        (lambda: corral.Worker("w").capability(anything(5)), "capability", "capability is 5"),
        (lambda: corral.RunFilter(workflow=anything(5)), "workflow", "workflow is 5; give a text."),
        (lambda: corral.RunFilter(statuses="failed"), "statuses", "give a list, e.g. ['failed']."),
        (lambda: corral.WorkerFilter(tags=anything([1])), "tags", "tags[0] is 1; give a text."),
        (
            lambda: corral.Client().subscribe_all(filter=anything(5)),
            "filter",
            "filter is 5; give a RunFilter or a text or None.",
        ),
    ],
)
def test_what_is_of_another_type_is_named_with_what_would_do(
    make: Callable[[], Any], field: str, words: str
) -> None:
    with pytest.raises(corral.WrongType) as refused:
        make()
    assert isinstance(refused.value, TypeError)
    assert refused.value.field == field
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: corral.Worker("w").workflow(retry=anything(3))(plain),
            r"plain\(\): retry is 3; give a RetryPolicy",
        ),
        (lambda: corral.Worker("w").workflow("x")(anything("y")), "'y' is no function"),
        (worker(lifespan=without_decorator), "asynccontextmanager"),
    ],
)
def test_what_cannot_be_a_handler_or_lifespan_is_refused(
    make: Callable[[], Any], words: str
) -> None:
    with pytest.raises(corral.BadHandler, match=words):
        make()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"run_id": ""}, "run_id is empty; leave it out"),
        ({"idempotency_key": ""}, "idempotency_key is empty; leave it out"),
        ({"labels": {"a": "\ud800"}}, "cannot be put on the wire"),
    ],
)
def test_what_would_silently_be_another_run_is_refused(options: Any, words: str) -> None:
    with pytest.raises(corral.InvalidRequest, match=words):
        corral.Submit("w", **options)


def test_what_is_as_annotated_is_taken() -> None:
    corral.Submit(
        "w",
        labels={},
        required_tags=("a=b",),
        capability=corral.Capability("k"),
        retry=corral.RetryPolicy(multiplier=2),
        tolerations=[corral.Toleration("a", effect="NoSchedule")],
    )
    corral.Worker(
        "w",
        hubs=["127.0.0.1"],
        admission=corral.VramBudget([1, 2]),
        tags={"a": "b"},
        taints=[corral.Taint("a")],
        in_use_seconds=1,
    )
    corral.Client(timeout=1)
