"""Handlers: what signatures and annotations mean, and complaints where they are written."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import pytest

import corral
from corral.handlers import Handler
from tests.sdk.hubs import ScriptedHub


class Doc(msgspec.Struct):
    text: str
    pages: int = 1


@dataclasses.dataclass
class Summary:
    words: int


class Opaque:
    pass


CTX: Any = object()


def handler_of(fn: Any) -> Handler[..., Any, Any]:
    return corral.Worker("w").workflow(fn)


def test_the_name_and_capability_come_from_the_function_or_the_decorator() -> None:
    worker = corral.Worker("w")

    @worker.workflow
    def bare(ctx: corral.Context) -> None: ...
    @worker.workflow("named", version=3)
    async def other(doc: Doc) -> Summary:
        return Summary(len(doc.text))

    @worker.capability("inference:llm@2")
    def infer(ctx: corral.Context, input: Any) -> Any: ...

    assert [str(capability) for capability in worker.handlers] == [
        "workflow:bare@1",
        "workflow:named@3",
        "inference:llm@2",
    ]
    assert (other.workflow, other.version, other.is_async) == ("named", 3, True)
    assert (other.input_type, other.output_type) == (Doc, Summary)
    assert (infer.workflow, infer.is_workflow) == ("infer", False)
    assert bare.__name__ == "bare"


def test_a_handler_can_still_be_called() -> None:
    def double(n: int) -> int:
        return 2 * n

    assert handler_of(double)(4) == 8


def with_both(ctx: corral.Context, doc: Doc) -> Any:
    return ctx, doc


def swapped(doc: Doc, c: corral.Context) -> Any:
    return c, doc


def by_name(ctx: Any, doc: Doc) -> Any:
    return ctx, doc


def input_only(doc: Doc) -> Any:
    return CTX, doc


@pytest.mark.parametrize("fn", [with_both, swapped, by_name, input_only])
def test_context_and_input_go_where_the_signature_has_them(fn: Any) -> None:
    handler = handler_of(fn)
    value = handler.read_input(b'{"text":"t"}')
    assert handler.invoke(CTX, value) == (CTX, Doc("t"))


def test_a_function_without_input_takes_any_and_a_default_replaces_null() -> None:
    def none() -> str:
        return "none"

    def context(ctx: corral.Context) -> Any:
        return ctx

    def default(n: int = 5) -> int:
        return n

    assert handler_of(none).invoke(CTX, handler_of(none).read_input(b"7")) == "none"
    assert handler_of(context).invoke(CTX, handler_of(context).read_input(b"7")) is CTX
    handler = handler_of(default)
    assert handler.invoke(CTX, handler.read_input(b"null")) == 5
    assert handler.invoke(CTX, handler.read_input(b"6")) == 6


def test_a_wrong_input_names_the_field() -> None:
    with pytest.raises(ValueError, match=r"\$\.pages"):
        handler_of(with_both).read_input(b'{"text":"t","pages":"many"}')


def with_models(count: int) -> None:
    worker = corral.Worker("w")
    for n in range(count):
        worker.resident(f"m{n}")


def too_many(ctx: corral.Context, a: int, b: int) -> None: ...
def keyword(ctx: corral.Context, *, a: int) -> None: ...
def opaque(value: Opaque) -> None: ...


@pytest.mark.parametrize("fn", [too_many, keyword, opaque])
def test_a_function_that_cannot_be_a_handler_is_refused_where_it_is_written(fn: Any) -> None:
    with pytest.raises(corral.BadHandler, match=fn.__name__):
        handler_of(fn)


def test_a_type_that_cannot_be_found_is_refused() -> None:
    class Local(msgspec.Struct):
        n: int

    def fn(value: Local) -> None: ...

    with pytest.raises(corral.BadHandler, match="outside of functions"):
        handler_of(fn)


def test_two_handlers_of_one_capability_are_refused() -> None:
    worker = corral.Worker("w")
    worker.workflow("same")(lambda: None)
    with pytest.raises(corral.BadHandler, match="workflow:same@1"):
        worker.workflow("same")(lambda: None)
    worker.workflow("same", version=2)(lambda: None)


@pytest.mark.parametrize("capability", ["kind@*", "kind@0", "kind@x", "bad kind", ""])
def test_a_capability_to_offer_needs_a_kind_and_a_version(capability: str) -> None:
    with pytest.raises((corral.BadHandler, corral.InvalidRequest)):
        corral.Worker("w").capability(capability)


async def test_a_worker_without_handlers_does_not_run() -> None:
    with pytest.raises(corral.BadHandler, match="no handlers"):
        await corral.Worker("w").run()


test_a_worker_without_handlers_does_not_run = pytest.mark.anyio(
    test_a_worker_without_handlers_does_not_run
)


@pytest.mark.anyio
async def test_what_is_declared_while_the_worker_runs_is_refused(hub: ScriptedHub) -> None:
    @asynccontextmanager
    async def lifespan(worker: corral.Worker) -> AsyncIterator[None]:
        worker.workflow("in_time")(lambda: None)
        yield

    worker = corral.Worker("w", hubs=hub.address, lifespan=lifespan)
    worker.workflow("early")(lambda: None)

    async def hook(offer: corral.Offer) -> bool:
        return True

    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        stream = await hub.welcomed()
        kinds = [c.kind for c in stream.hello.capabilities]
        assert kinds == ["workflow:early", "workflow:in_time"]
        with pytest.raises(corral.BadHandler, match="late for workflow:late@1> comes too late"):
            worker.workflow("late")(lambda: None)
        with pytest.raises(corral.BadHandler, match=r"hook\(\) comes too late"):
            worker.on_offer(hook)
        worker.stop()
        await stream.expect("goodbye")
        stream.end()
    worker.workflow("later")(lambda: None)


@pytest.mark.anyio
async def test_a_loop_that_runs_already_is_no_place_to_run_for_ever() -> None:
    with pytest.raises(corral.WrongLoop, match=r"await worker\.run\(\)"):
        corral.Worker("w").run_forever()


@pytest.mark.parametrize(
    "make",
    [
        lambda: corral.Fixed(0),
        lambda: corral.Fixed(100_001),
        lambda: corral.VramBudget([]),
        lambda: corral.VramBudget(0),
        lambda: corral.Worker("w", tags=["no-value"]),
        lambda: corral.Worker("w", tags="region=eu"),
        lambda: corral.Worker("w").resident("with space"),
        lambda: corral.Worker("w").resident("llama3", vram_mb=-1),
        lambda: with_models(65),
    ],
)
def test_what_a_worker_declares_is_checked_at_once(make: Any) -> None:
    with pytest.raises(corral.InvalidRequest):
        make()
