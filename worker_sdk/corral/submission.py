"""What a submitter asks for: one `Submit` per run, and its wire form.

Fills in what makes a call repeatable (a random run id). Checks only what cannot be put on
the wire; the hub checks the rest and names the field.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack, overload

from corral import encoding
from corral.errors import InvalidRequest, WrongType
from corral.handlers import Handler
from corral.shapes import check, check_options
from corral.terms import Capability, Fairness, RetryPolicy, Selector, Toleration
from corral_proto.v1 import common_pb2
from corral_proto.v1 import orchestrator_pb2 as pb

OutT = TypeVar("OutT")

MAX_UINT32 = 2**32 - 1
MAX_UINT64 = 2**64 - 1
MAX_BATCH_RUNS = 1000
# Options that go on the wire as they are, and the most that fits there.
NUMBERS = {
    "priority": MAX_UINT32,
    "max_lost": MAX_UINT32,
    "deadline_ms": MAX_UINT64,
    "max_queue_wait_ms": MAX_UINT64,
    "max_run_ms": MAX_UINT64,
    "start_delay_ms": MAX_UINT64,
    "retention_ms": MAX_UINT64,
}
MAX_BATCH_BYTES = 3 * 1024 * 1024


def new_run_id() -> str:
    """Chooses the id of a run, so that a submit whose reply was lost can be repeated."""
    return os.urandom(16).hex()


class SubmitOptions(TypedDict, total=False):
    """How a run is to be treated. Everything has a default; durations are milliseconds."""

    # Id, 1 to 64 characters of [A-Za-z0-9._-]; random by default.
    run_id: str
    # The same key, 1 to 256 characters, and the same request give the same run.
    idempotency_key: str
    # 0 (first) to 255, default 128.
    priority: int
    # The run fails when it has not ended by then; 0: no deadline.
    deadline_ms: int
    # Longest wait for a worker; 0: no limit.
    max_queue_wait_ms: int
    # Longest time of one attempt; 0: no limit.
    max_run_ms: int
    # It does not start before; 0: at once.
    start_delay_ms: int
    # Tags that a worker must have, `key=value` or `key=*`.
    required_tags: Sequence[str]
    # Conditions on the worker's labels.
    selector: Selector
    # Taints that do not keep the run away.
    tolerations: Sequence[Toleration]
    # What a worker must offer instead of `workflow:<workflow>@<version>`; a string is `kind@1`.
    capability: str | Capability
    # Version of the workflow; 0: any, the highest with room. Default: the handler's own, 0 by name.
    workflow_version: int
    # False refuses the run when no session can take it now; default True.
    wait_for_worker: bool
    # Video memory that it needs in MB, on one device.
    vram_mb: int
    # A model that is best loaded already.
    model: str
    # How it shares the workers: an object, or key and weight.
    fairness: Fairness
    fairness_key: str
    fairness_weight: int
    # When a failure is followed by another attempt; default: the handler's own, else never.
    retry: RetryPolicy
    # Lost leases after which it fails; 0: 3.
    max_lost: int
    # True: no further attempt once a part of a streamed answer has been handed on.
    no_retry_after_chunk: bool
    # How long its record is kept after its end; 0: the hub's default.
    retention_ms: int
    # For listings and for the handler.
    labels: Mapping[str, str]
    # W3C trace context, carried to the handler unread.
    traceparent: str
    tracestate: str


class Submit(Generic[OutT]):
    """One run as asked for: a handler or the name of a workflow, its input, its options.

    The run id is chosen here when none is given, so the same object submitted twice is one
    run. NaN and infinity, which JSON does not have, become null in the input. Raises
    `InvalidRequest` for what cannot be put on the wire, and `WrongType`, which is one, for options
    of another type.
    """

    @overload
    def __init__(
        self,
        workflow: Handler[..., Any, OutT],
        input: Any = None,
        **options: Unpack[SubmitOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Submit[Any], workflow: str, input: Any = None, **options: Unpack[SubmitOptions]
    ) -> None: ...
    def __init__(
        self,
        workflow: Handler[..., Any, OutT] | str,
        input: Any = None,
        **options: Unpack[SubmitOptions],
    ) -> None:
        unknown = sorted(set(options) - SubmitOptions.__annotations__.keys())
        if unknown:
            raise TypeError(
                f"Unknown options {', '.join(unknown)}; known are "
                f"{', '.join(sorted(SubmitOptions.__annotations__))}."
            )
        self.workflow = workflow
        try:
            self.request = _request(workflow, input, options)
        except (TypeError, ValueError, AttributeError) as error:
            # Only now, as it takes longer than the request itself.
            if inspect.isroutine(workflow):
                raise WrongType(
                    f"workflow is the function {workflow.__qualname__}(); submit the handler that "
                    "@worker.workflow makes of it, or the name of the workflow.",
                    field="workflow",
                ) from error
            check("workflow", workflow, Handler[..., Any, Any] | str)
            check_options(options, SubmitOptions)
            raise InvalidRequest(
                f"The run cannot be put on the wire: {error}. Look at the texts of its options."
            ) from error

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.request.run_id

    def output_type(self) -> Any:
        """Gives the type of the output as far as the handler tells it."""
        return self.workflow.output_type if isinstance(self.workflow, Handler) else Any


def _request(
    workflow: Handler[..., Any, Any] | str, value: Any, options: SubmitOptions
) -> pb.SubmitWorkflowRequest:
    name, version, capability = _target(workflow, options)
    request = pb.SubmitWorkflowRequest(
        run_id=_chosen(options, "run_id") or new_run_id(),
        workflow=name,
        input=_input(value),
    )
    # Not above, where None would count as not given.
    request.wait_for_worker = options.get("wait_for_worker", True)
    if version:
        request.workflow_version = _number("workflow_version", version, MAX_UINT32)
    if capability is not None:
        request.capability.CopyFrom(capability.to_wire())
    retry = _retry(workflow, options)
    if retry is not None:
        request.retry.CopyFrom(retry)
    if options:
        _say(options, request)
    return request


def _say(options: SubmitOptions, request: pb.SubmitWorkflowRequest) -> None:
    """Writes the options that most submits do not have."""
    for name, limit in NUMBERS.items():
        if name in options:
            setattr(request, name, _number(name, options[name], limit))
    if "required_tags" in options:
        request.required_tags.extend(_texts("required_tags", options["required_tags"]))
    if "idempotency_key" in options:
        request.idempotency_key = _chosen(options, "idempotency_key")
    if "no_retry_after_chunk" in options:
        request.no_retry_after_chunk = options["no_retry_after_chunk"]
    request.labels.update(options.get("labels", {}))
    request.tolerations.extend(each.to_wire() for each in options.get("tolerations", ()))
    if "selector" in options:
        request.selector.CopyFrom(options["selector"].to_wire())
    fairness = _fairness(options)
    if fairness is not None:
        request.fairness.CopyFrom(fairness)
    if "vram_mb" in options or "model" in options:
        request.resource_hint.vram_mb = _number("vram_mb", options.get("vram_mb", 0))
        request.resource_hint.model = options.get("model", "")
    if "traceparent" in options or "tracestate" in options:
        request.trace.traceparent = options.get("traceparent", "")
        request.trace.tracestate = options.get("tracestate", "")


def _chosen(options: SubmitOptions, name: Literal["run_id", "idempotency_key"]) -> Any:
    value = options.get(name)
    if value == "":
        raise InvalidRequest(
            f"{name} is empty; leave it out, or give up to 64 characters of [A-Za-z0-9._-]."
            if name == "run_id"
            else f"{name} is empty; leave it out, or give 1 to 256 characters.",
            field=name,
        )
    return value


def _target(
    workflow: Handler[..., Any, Any] | str, options: SubmitOptions
) -> tuple[str, int, Capability | None]:
    capability = Capability.parse(options["capability"]) if "capability" in options else None
    if isinstance(workflow, str):
        return workflow, options.get("workflow_version", 0), capability
    version = workflow.version if workflow.is_workflow else 0
    if not workflow.is_workflow and capability is None:
        capability = workflow.capability
    return workflow.workflow, options.get("workflow_version", version), capability


def _retry(
    workflow: Handler[..., Any, Any] | str, options: SubmitOptions
) -> common_pb2.RetryPolicy | None:
    policy = workflow.retry if isinstance(workflow, Handler) else None
    policy = options.get("retry", policy)
    return policy.to_wire() if policy is not None else None


def _fairness(options: SubmitOptions) -> common_pb2.Fairness | None:
    parts = "fairness_key" in options or "fairness_weight" in options
    if "fairness" in options:
        if parts:
            raise InvalidRequest(
                "Both fairness and fairness_key or fairness_weight are given; use one.",
                field="fairness",
            )
        return options["fairness"].to_wire()
    if not parts:
        return None
    weight = _number("fairness_weight", options.get("fairness_weight", 0), MAX_UINT32)
    return common_pb2.Fairness(key=options.get("fairness_key", ""), weight=weight)


def _input(value: Any) -> bytes:
    try:
        return encoding.encode(value)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(
            f"The input cannot be written as JSON: {error}. Use plain values, a dataclass or "
            "a msgspec.Struct.",
            field="input",
        ) from error


def _number(name: str, value: int, limit: int = MAX_UINT64) -> int:
    if not 0 <= value <= limit:
        raise InvalidRequest(f"{name} is {value}; give 0 to {limit}.", field=name, limit=str(limit))
    return value


def _texts(name: str, value: Sequence[str]) -> Sequence[str]:
    if isinstance(value, str | Mapping):
        # Both can be gone through, but not for what is meant.
        check(name, value, Sequence[str])
    return value


def batches(
    requests: Sequence[pb.SubmitWorkflowRequest],
) -> Iterator[Sequence[pb.SubmitWorkflowRequest]]:
    """Cuts a list into parts that one call may carry, in order."""
    part: list[pb.SubmitWorkflowRequest] = []
    size = 0
    for request in requests:
        # Eight bytes for the envelope of one entry.
        more = request.ByteSize() + 8
        if part and (len(part) == MAX_BATCH_RUNS or size + more > MAX_BATCH_BYTES):
            yield part
            part, size = [], 0
        part.append(request)
        size += more
    if part:
        yield part
