from corral_proto.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DrainMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRAIN_MODE_UNSPECIFIED: _ClassVar[DrainMode]
    DRAIN_MODE_GRACEFUL: _ClassVar[DrainMode]
    DRAIN_MODE_IMMEDIATE: _ClassVar[DrainMode]
DRAIN_MODE_UNSPECIFIED: DrainMode
DRAIN_MODE_GRACEFUL: DrainMode
DRAIN_MODE_IMMEDIATE: DrainMode

class ErrorDetail(_message.Message):
    __slots__ = ("name", "message", "field", "limit", "run_id", "retryable")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: str
    field: str
    limit: str
    run_id: str
    retryable: bool
    def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ..., field: _Optional[str] = ..., limit: _Optional[str] = ..., run_id: _Optional[str] = ..., retryable: bool = ...) -> None: ...

class ResourceHint(_message.Message):
    __slots__ = ("vram_mb", "model")
    VRAM_MB_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    vram_mb: int
    model: str
    def __init__(self, vram_mb: _Optional[int] = ..., model: _Optional[str] = ...) -> None: ...

class SubmitWorkflowRequest(_message.Message):
    __slots__ = ("run_id", "workflow", "workflow_version", "input", "capability", "required_tags", "selector", "tolerations", "priority", "idempotency_key", "deadline_ms", "max_queue_wait_ms", "max_run_ms", "start_delay_ms", "wait_for_worker", "resource_hint", "fairness", "retry", "max_lost", "retention_ms", "labels", "trace", "parent_run_id", "affinity_key", "limits", "waiter_lease_ms", "no_retry_after_chunk")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    CAPABILITY_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_TAGS_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    TOLERATIONS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUE_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_RUN_MS_FIELD_NUMBER: _ClassVar[int]
    START_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_WORKER_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_HINT_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    MAX_LOST_FIELD_NUMBER: _ClassVar[int]
    RETENTION_MS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    PARENT_RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_KEY_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    WAITER_LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    NO_RETRY_AFTER_CHUNK_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    workflow: str
    workflow_version: int
    input: bytes
    capability: _common_pb2.Capability
    required_tags: _containers.RepeatedScalarFieldContainer[str]
    selector: _common_pb2.Selector
    tolerations: _containers.RepeatedCompositeFieldContainer[_common_pb2.Toleration]
    priority: int
    idempotency_key: str
    deadline_ms: int
    max_queue_wait_ms: int
    max_run_ms: int
    start_delay_ms: int
    wait_for_worker: bool
    resource_hint: ResourceHint
    fairness: _common_pb2.Fairness
    retry: _common_pb2.RetryPolicy
    max_lost: int
    retention_ms: int
    labels: _containers.ScalarMap[str, str]
    trace: _common_pb2.TraceContext
    parent_run_id: str
    affinity_key: str
    limits: _containers.RepeatedCompositeFieldContainer[_common_pb2.Limit]
    waiter_lease_ms: int
    no_retry_after_chunk: bool
    def __init__(self, run_id: _Optional[str] = ..., workflow: _Optional[str] = ..., workflow_version: _Optional[int] = ..., input: _Optional[bytes] = ..., capability: _Optional[_Union[_common_pb2.Capability, _Mapping]] = ..., required_tags: _Optional[_Iterable[str]] = ..., selector: _Optional[_Union[_common_pb2.Selector, _Mapping]] = ..., tolerations: _Optional[_Iterable[_Union[_common_pb2.Toleration, _Mapping]]] = ..., priority: _Optional[int] = ..., idempotency_key: _Optional[str] = ..., deadline_ms: _Optional[int] = ..., max_queue_wait_ms: _Optional[int] = ..., max_run_ms: _Optional[int] = ..., start_delay_ms: _Optional[int] = ..., wait_for_worker: bool = ..., resource_hint: _Optional[_Union[ResourceHint, _Mapping]] = ..., fairness: _Optional[_Union[_common_pb2.Fairness, _Mapping]] = ..., retry: _Optional[_Union[_common_pb2.RetryPolicy, _Mapping]] = ..., max_lost: _Optional[int] = ..., retention_ms: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., trace: _Optional[_Union[_common_pb2.TraceContext, _Mapping]] = ..., parent_run_id: _Optional[str] = ..., affinity_key: _Optional[str] = ..., limits: _Optional[_Iterable[_Union[_common_pb2.Limit, _Mapping]]] = ..., waiter_lease_ms: _Optional[int] = ..., no_retry_after_chunk: bool = ...) -> None: ...

class SubmitWorkflowResponse(_message.Message):
    __slots__ = ("run", "deduplicated", "warnings", "durability")
    RUN_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    run: _common_pb2.Run
    deduplicated: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    durability: _common_pb2.Durability
    def __init__(self, run: _Optional[_Union[_common_pb2.Run, _Mapping]] = ..., deduplicated: bool = ..., warnings: _Optional[_Iterable[str]] = ..., durability: _Optional[_Union[_common_pb2.Durability, str]] = ...) -> None: ...

class SubmitWorkflowsRequest(_message.Message):
    __slots__ = ("runs",)
    RUNS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[SubmitWorkflowRequest]
    def __init__(self, runs: _Optional[_Iterable[_Union[SubmitWorkflowRequest, _Mapping]]] = ...) -> None: ...

class SubmitWorkflowsResponse(_message.Message):
    __slots__ = ("items",)
    class Item(_message.Message):
        __slots__ = ("accepted", "refused")
        ACCEPTED_FIELD_NUMBER: _ClassVar[int]
        REFUSED_FIELD_NUMBER: _ClassVar[int]
        accepted: SubmitWorkflowResponse
        refused: ErrorDetail
        def __init__(self, accepted: _Optional[_Union[SubmitWorkflowResponse, _Mapping]] = ..., refused: _Optional[_Union[ErrorDetail, _Mapping]] = ...) -> None: ...
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[SubmitWorkflowsResponse.Item]
    def __init__(self, items: _Optional[_Iterable[_Union[SubmitWorkflowsResponse.Item, _Mapping]]] = ...) -> None: ...

class SubmitStreamRequest(_message.Message):
    __slots__ = ("number", "submit")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_FIELD_NUMBER: _ClassVar[int]
    number: int
    submit: SubmitWorkflowsRequest
    def __init__(self, number: _Optional[int] = ..., submit: _Optional[_Union[SubmitWorkflowsRequest, _Mapping]] = ...) -> None: ...

class SubmitStreamResponse(_message.Message):
    __slots__ = ("number", "submitted", "failed")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    number: int
    submitted: SubmitWorkflowsResponse
    failed: ErrorDetail
    def __init__(self, number: _Optional[int] = ..., submitted: _Optional[_Union[SubmitWorkflowsResponse, _Mapping]] = ..., failed: _Optional[_Union[ErrorDetail, _Mapping]] = ...) -> None: ...

class CancelWorkflowRequest(_message.Message):
    __slots__ = ("run_id", "reason")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    reason: str
    def __init__(self, run_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CancelWorkflowResponse(_message.Message):
    __slots__ = ("run", "cancelled", "durability")
    RUN_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    run: _common_pb2.Run
    cancelled: bool
    durability: _common_pb2.Durability
    def __init__(self, run: _Optional[_Union[_common_pb2.Run, _Mapping]] = ..., cancelled: bool = ..., durability: _Optional[_Union[_common_pb2.Durability, str]] = ...) -> None: ...

class DescribeWorkflowRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class DescribeWorkflowResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _common_pb2.Run
    def __init__(self, run: _Optional[_Union[_common_pb2.Run, _Mapping]] = ...) -> None: ...

class SubscribeRunEventsRequest(_message.Message):
    __slots__ = ("run_id", "cursor", "ephemeral", "ephemeral_cursor")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_CURSOR_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    cursor: str
    ephemeral: bool
    ephemeral_cursor: str
    def __init__(self, run_id: _Optional[str] = ..., cursor: _Optional[str] = ..., ephemeral: bool = ..., ephemeral_cursor: _Optional[str] = ...) -> None: ...

class SubscribeRunEventsResponse(_message.Message):
    __slots__ = ("event", "gap", "ping", "end", "ephemeral")
    class Gap(_message.Message):
        __slots__ = ("first", "last", "reason", "ephemeral", "fence")
        FIRST_FIELD_NUMBER: _ClassVar[int]
        LAST_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
        FENCE_FIELD_NUMBER: _ClassVar[int]
        first: int
        last: int
        reason: str
        ephemeral: bool
        fence: str
        def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ..., reason: _Optional[str] = ..., ephemeral: bool = ..., fence: _Optional[str] = ...) -> None: ...
    class Ping(_message.Message):
        __slots__ = ("time_ms",)
        TIME_MS_FIELD_NUMBER: _ClassVar[int]
        time_ms: int
        def __init__(self, time_ms: _Optional[int] = ...) -> None: ...
    class End(_message.Message):
        __slots__ = ("run",)
        RUN_FIELD_NUMBER: _ClassVar[int]
        run: _common_pb2.Run
        def __init__(self, run: _Optional[_Union[_common_pb2.Run, _Mapping]] = ...) -> None: ...
    EVENT_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
    event: _common_pb2.Event
    gap: SubscribeRunEventsResponse.Gap
    ping: SubscribeRunEventsResponse.Ping
    end: SubscribeRunEventsResponse.End
    ephemeral: _common_pb2.EphemeralEvents
    def __init__(self, event: _Optional[_Union[_common_pb2.Event, _Mapping]] = ..., gap: _Optional[_Union[SubscribeRunEventsResponse.Gap, _Mapping]] = ..., ping: _Optional[_Union[SubscribeRunEventsResponse.Ping, _Mapping]] = ..., end: _Optional[_Union[SubscribeRunEventsResponse.End, _Mapping]] = ..., ephemeral: _Optional[_Union[_common_pb2.EphemeralEvents, _Mapping]] = ...) -> None: ...

class SubscribeAllRequest(_message.Message):
    __slots__ = ("cursor", "workflow", "status_only", "filter")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    STATUS_ONLY_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    workflow: str
    status_only: bool
    filter: RunFilter
    def __init__(self, cursor: _Optional[str] = ..., workflow: _Optional[str] = ..., status_only: bool = ..., filter: _Optional[_Union[RunFilter, _Mapping]] = ...) -> None: ...

class SubscribeAllResponse(_message.Message):
    __slots__ = ("event", "gap", "ping")
    class Gap(_message.Message):
        __slots__ = ("cursor", "reason")
        CURSOR_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        cursor: str
        reason: str
        def __init__(self, cursor: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
    class Ping(_message.Message):
        __slots__ = ("cursor",)
        CURSOR_FIELD_NUMBER: _ClassVar[int]
        cursor: str
        def __init__(self, cursor: _Optional[str] = ...) -> None: ...
    EVENT_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    event: _common_pb2.Event
    gap: SubscribeAllResponse.Gap
    ping: SubscribeAllResponse.Ping
    def __init__(self, event: _Optional[_Union[_common_pb2.Event, _Mapping]] = ..., gap: _Optional[_Union[SubscribeAllResponse.Gap, _Mapping]] = ..., ping: _Optional[_Union[SubscribeAllResponse.Ping, _Mapping]] = ...) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ("kind", "limit", "cursor", "filter")
    KIND_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    kind: str
    limit: int
    cursor: str
    filter: WorkerFilter
    def __init__(self, kind: _Optional[str] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ..., filter: _Optional[_Union[WorkerFilter, _Mapping]] = ...) -> None: ...

class WorkerFilter(_message.Message):
    __slots__ = ("worker_ids", "kind", "tags", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_IDS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    worker_ids: _containers.RepeatedScalarFieldContainer[str]
    kind: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.ScalarMap[str, str]
    def __init__(self, worker_ids: _Optional[_Iterable[str]] = ..., kind: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class DrainWorkersRequest(_message.Message):
    __slots__ = ("filter", "mode", "cursor")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    filter: WorkerFilter
    mode: DrainMode
    cursor: str
    def __init__(self, filter: _Optional[_Union[WorkerFilter, _Mapping]] = ..., mode: _Optional[_Union[DrainMode, str]] = ..., cursor: _Optional[str] = ...) -> None: ...

class DrainWorkersResponse(_message.Message):
    __slots__ = ("items", "cursor", "durability")
    class Item(_message.Message):
        __slots__ = ("worker_id", "in_flight")
        WORKER_ID_FIELD_NUMBER: _ClassVar[int]
        IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
        worker_id: str
        in_flight: int
        def __init__(self, worker_id: _Optional[str] = ..., in_flight: _Optional[int] = ...) -> None: ...
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[DrainWorkersResponse.Item]
    cursor: str
    durability: _common_pb2.Durability
    def __init__(self, items: _Optional[_Iterable[_Union[DrainWorkersResponse.Item, _Mapping]]] = ..., cursor: _Optional[str] = ..., durability: _Optional[_Union[_common_pb2.Durability, str]] = ...) -> None: ...

class WorkerInfo(_message.Message):
    __slots__ = ("worker_id", "session_id", "stream", "hub", "capabilities", "tags", "labels", "taints", "admission", "in_flight", "stopping", "draining", "connected", "opened_at_ms", "sdk", "resident", "vram_used_mb")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    HUB_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TAINTS_FIELD_NUMBER: _ClassVar[int]
    ADMISSION_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    SDK_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_FIELD_NUMBER: _ClassVar[int]
    VRAM_USED_MB_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    session_id: str
    stream: int
    hub: str
    capabilities: _containers.RepeatedCompositeFieldContainer[_common_pb2.Capability]
    tags: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.ScalarMap[str, str]
    taints: _containers.RepeatedCompositeFieldContainer[_common_pb2.Taint]
    admission: _common_pb2.Admission
    in_flight: int
    stopping: int
    draining: bool
    connected: bool
    opened_at_ms: int
    sdk: str
    resident: _containers.RepeatedCompositeFieldContainer[_common_pb2.ResidentModel]
    vram_used_mb: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, worker_id: _Optional[str] = ..., session_id: _Optional[str] = ..., stream: _Optional[int] = ..., hub: _Optional[str] = ..., capabilities: _Optional[_Iterable[_Union[_common_pb2.Capability, _Mapping]]] = ..., tags: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., taints: _Optional[_Iterable[_Union[_common_pb2.Taint, _Mapping]]] = ..., admission: _Optional[_Union[_common_pb2.Admission, _Mapping]] = ..., in_flight: _Optional[int] = ..., stopping: _Optional[int] = ..., draining: bool = ..., connected: bool = ..., opened_at_ms: _Optional[int] = ..., sdk: _Optional[str] = ..., resident: _Optional[_Iterable[_Union[_common_pb2.ResidentModel, _Mapping]]] = ..., vram_used_mb: _Optional[_Iterable[int]] = ...) -> None: ...

class ListWorkersResponse(_message.Message):
    __slots__ = ("workers", "cursor")
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[WorkerInfo]
    cursor: str
    def __init__(self, workers: _Optional[_Iterable[_Union[WorkerInfo, _Mapping]]] = ..., cursor: _Optional[str] = ...) -> None: ...

class DrainWorkerRequest(_message.Message):
    __slots__ = ("worker_id", "mode")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    mode: DrainMode
    def __init__(self, worker_id: _Optional[str] = ..., mode: _Optional[_Union[DrainMode, str]] = ...) -> None: ...

class DrainWorkerResponse(_message.Message):
    __slots__ = ("in_flight", "durability")
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    in_flight: int
    durability: _common_pb2.Durability
    def __init__(self, in_flight: _Optional[int] = ..., durability: _Optional[_Union[_common_pb2.Durability, str]] = ...) -> None: ...

class RespondToInputRequest(_message.Message):
    __slots__ = ("run_id", "request_id", "response")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    request_id: str
    response: bytes
    def __init__(self, run_id: _Optional[str] = ..., request_id: _Optional[str] = ..., response: _Optional[bytes] = ...) -> None: ...

class RespondToInputResponse(_message.Message):
    __slots__ = ("deduplicated", "durability")
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    deduplicated: bool
    durability: _common_pb2.Durability
    def __init__(self, deduplicated: bool = ..., durability: _Optional[_Union[_common_pb2.Durability, str]] = ...) -> None: ...

class ListInputsRequest(_message.Message):
    __slots__ = ("run_id", "limit", "cursor")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    limit: int
    cursor: str
    def __init__(self, run_id: _Optional[str] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListInputsResponse(_message.Message):
    __slots__ = ("inputs", "cursor")
    class Input(_message.Message):
        __slots__ = ("run_id", "request_id", "prompt", "metadata", "schema", "asked_at_ms", "due_at_ms", "workflow", "status")
        RUN_ID_FIELD_NUMBER: _ClassVar[int]
        REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
        PROMPT_FIELD_NUMBER: _ClassVar[int]
        METADATA_FIELD_NUMBER: _ClassVar[int]
        SCHEMA_FIELD_NUMBER: _ClassVar[int]
        ASKED_AT_MS_FIELD_NUMBER: _ClassVar[int]
        DUE_AT_MS_FIELD_NUMBER: _ClassVar[int]
        WORKFLOW_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        run_id: str
        request_id: str
        prompt: str
        metadata: bytes
        schema: bytes
        asked_at_ms: int
        due_at_ms: int
        workflow: str
        status: _common_pb2.RunStatus
        def __init__(self, run_id: _Optional[str] = ..., request_id: _Optional[str] = ..., prompt: _Optional[str] = ..., metadata: _Optional[bytes] = ..., schema: _Optional[bytes] = ..., asked_at_ms: _Optional[int] = ..., due_at_ms: _Optional[int] = ..., workflow: _Optional[str] = ..., status: _Optional[_Union[_common_pb2.RunStatus, str]] = ...) -> None: ...
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[ListInputsResponse.Input]
    cursor: str
    def __init__(self, inputs: _Optional[_Iterable[_Union[ListInputsResponse.Input, _Mapping]]] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListQueuesRequest(_message.Message):
    __slots__ = ("kind", "limit", "cursor")
    KIND_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    kind: str
    limit: int
    cursor: str
    def __init__(self, kind: _Optional[str] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListQueuesResponse(_message.Message):
    __slots__ = ("queues", "kinds", "cursor", "now_ms")
    class Queue(_message.Message):
        __slots__ = ("kind", "band", "class_id", "constraints", "waiting", "flows", "deficit", "oldest_at_ms", "placeable")
        KIND_FIELD_NUMBER: _ClassVar[int]
        BAND_FIELD_NUMBER: _ClassVar[int]
        CLASS_ID_FIELD_NUMBER: _ClassVar[int]
        CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
        WAITING_FIELD_NUMBER: _ClassVar[int]
        FLOWS_FIELD_NUMBER: _ClassVar[int]
        DEFICIT_FIELD_NUMBER: _ClassVar[int]
        OLDEST_AT_MS_FIELD_NUMBER: _ClassVar[int]
        PLACEABLE_FIELD_NUMBER: _ClassVar[int]
        kind: str
        band: int
        class_id: str
        constraints: bytes
        waiting: int
        flows: int
        deficit: float
        oldest_at_ms: int
        placeable: bool
        def __init__(self, kind: _Optional[str] = ..., band: _Optional[int] = ..., class_id: _Optional[str] = ..., constraints: _Optional[bytes] = ..., waiting: _Optional[int] = ..., flows: _Optional[int] = ..., deficit: _Optional[float] = ..., oldest_at_ms: _Optional[int] = ..., placeable: bool = ...) -> None: ...
    class Kind(_message.Message):
        __slots__ = ("kind", "waiting", "paused")
        KIND_FIELD_NUMBER: _ClassVar[int]
        WAITING_FIELD_NUMBER: _ClassVar[int]
        PAUSED_FIELD_NUMBER: _ClassVar[int]
        kind: str
        waiting: int
        paused: bool
        def __init__(self, kind: _Optional[str] = ..., waiting: _Optional[int] = ..., paused: bool = ...) -> None: ...
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[ListQueuesResponse.Queue]
    kinds: _containers.RepeatedCompositeFieldContainer[ListQueuesResponse.Kind]
    cursor: str
    now_ms: int
    def __init__(self, queues: _Optional[_Iterable[_Union[ListQueuesResponse.Queue, _Mapping]]] = ..., kinds: _Optional[_Iterable[_Union[ListQueuesResponse.Kind, _Mapping]]] = ..., cursor: _Optional[str] = ..., now_ms: _Optional[int] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("statuses", "workflow", "limit", "cursor", "filter")
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    statuses: _containers.RepeatedScalarFieldContainer[_common_pb2.RunStatus]
    workflow: str
    limit: int
    cursor: str
    filter: RunFilter
    def __init__(self, statuses: _Optional[_Iterable[_Union[_common_pb2.RunStatus, str]]] = ..., workflow: _Optional[str] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ..., filter: _Optional[_Union[RunFilter, _Mapping]] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "cursor")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[_common_pb2.Run]
    cursor: str
    def __init__(self, runs: _Optional[_Iterable[_Union[_common_pb2.Run, _Mapping]]] = ..., cursor: _Optional[str] = ...) -> None: ...

class GetStatsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatsResponse(_message.Message):
    __slots__ = ("totals", "queues", "sessions", "hubs", "epoch", "full")
    class Queue(_message.Message):
        __slots__ = ("kind", "band", "waiting", "deficit")
        KIND_FIELD_NUMBER: _ClassVar[int]
        BAND_FIELD_NUMBER: _ClassVar[int]
        WAITING_FIELD_NUMBER: _ClassVar[int]
        DEFICIT_FIELD_NUMBER: _ClassVar[int]
        kind: str
        band: int
        waiting: int
        deficit: float
        def __init__(self, kind: _Optional[str] = ..., band: _Optional[int] = ..., waiting: _Optional[int] = ..., deficit: _Optional[float] = ...) -> None: ...
    class TotalsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    HUBS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FULL_FIELD_NUMBER: _ClassVar[int]
    totals: _containers.ScalarMap[str, int]
    queues: _containers.RepeatedCompositeFieldContainer[GetStatsResponse.Queue]
    sessions: int
    hubs: _containers.RepeatedScalarFieldContainer[str]
    epoch: int
    full: bool
    def __init__(self, totals: _Optional[_Mapping[str, int]] = ..., queues: _Optional[_Iterable[_Union[GetStatsResponse.Queue, _Mapping]]] = ..., sessions: _Optional[int] = ..., hubs: _Optional[_Iterable[str]] = ..., epoch: _Optional[int] = ..., full: bool = ...) -> None: ...

class RunFilter(_message.Message):
    __slots__ = ("statuses", "workflow", "labels", "kind", "worker_id", "worker_tags")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    WORKER_TAGS_FIELD_NUMBER: _ClassVar[int]
    statuses: _containers.RepeatedScalarFieldContainer[_common_pb2.RunStatus]
    workflow: str
    labels: _containers.ScalarMap[str, str]
    kind: str
    worker_id: str
    worker_tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, statuses: _Optional[_Iterable[_Union[_common_pb2.RunStatus, str]]] = ..., workflow: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., kind: _Optional[str] = ..., worker_id: _Optional[str] = ..., worker_tags: _Optional[_Iterable[str]] = ...) -> None: ...

class CancelWorkflowsRequest(_message.Message):
    __slots__ = ("filter", "reason", "cursor")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    filter: RunFilter
    reason: str
    cursor: str
    def __init__(self, filter: _Optional[_Union[RunFilter, _Mapping]] = ..., reason: _Optional[str] = ..., cursor: _Optional[str] = ...) -> None: ...

class CancelWorkflowsResponse(_message.Message):
    __slots__ = ("run_ids", "cursor", "durability")
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    cursor: str
    durability: _common_pb2.Durability
    def __init__(self, run_ids: _Optional[_Iterable[str]] = ..., cursor: _Optional[str] = ..., durability: _Optional[_Union[_common_pb2.Durability, str]] = ...) -> None: ...

class RetryRunsRequest(_message.Message):
    __slots__ = ("run_ids", "filter", "cursor")
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    filter: RunFilter
    cursor: str
    def __init__(self, run_ids: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[RunFilter, _Mapping]] = ..., cursor: _Optional[str] = ...) -> None: ...

class RetryRunsResponse(_message.Message):
    __slots__ = ("items", "cursor", "durability")
    class Item(_message.Message):
        __slots__ = ("run_id", "verdict")
        RUN_ID_FIELD_NUMBER: _ClassVar[int]
        VERDICT_FIELD_NUMBER: _ClassVar[int]
        run_id: str
        verdict: str
        def __init__(self, run_id: _Optional[str] = ..., verdict: _Optional[str] = ...) -> None: ...
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[RetryRunsResponse.Item]
    cursor: str
    durability: _common_pb2.Durability
    def __init__(self, items: _Optional[_Iterable[_Union[RetryRunsResponse.Item, _Mapping]]] = ..., cursor: _Optional[str] = ..., durability: _Optional[_Union[_common_pb2.Durability, str]] = ...) -> None: ...

class PauseQueueRequest(_message.Message):
    __slots__ = ("kind", "paused")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    kind: str
    paused: bool
    def __init__(self, kind: _Optional[str] = ..., paused: bool = ...) -> None: ...

class PauseQueueResponse(_message.Message):
    __slots__ = ("paused", "durability")
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    paused: _containers.RepeatedScalarFieldContainer[str]
    durability: _common_pb2.Durability
    def __init__(self, paused: _Optional[_Iterable[str]] = ..., durability: _Optional[_Union[_common_pb2.Durability, str]] = ...) -> None: ...

class ExplainRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class ExplainRunResponse(_message.Message):
    __slots__ = ("status", "stages", "workers", "ahead_in_flow", "flows_ahead", "waiting_by_band", "band", "summary")
    class WorkerVerdict(_message.Message):
        __slots__ = ("worker_id", "verdict", "score")
        WORKER_ID_FIELD_NUMBER: _ClassVar[int]
        VERDICT_FIELD_NUMBER: _ClassVar[int]
        SCORE_FIELD_NUMBER: _ClassVar[int]
        worker_id: str
        verdict: str
        score: int
        def __init__(self, worker_id: _Optional[str] = ..., verdict: _Optional[str] = ..., score: _Optional[int] = ...) -> None: ...
    class StagesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class WaitingByBandEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    AHEAD_IN_FLOW_FIELD_NUMBER: _ClassVar[int]
    FLOWS_AHEAD_FIELD_NUMBER: _ClassVar[int]
    WAITING_BY_BAND_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    status: _common_pb2.RunStatus
    stages: _containers.ScalarMap[str, int]
    workers: _containers.RepeatedCompositeFieldContainer[ExplainRunResponse.WorkerVerdict]
    ahead_in_flow: int
    flows_ahead: int
    waiting_by_band: _containers.ScalarMap[int, int]
    band: int
    summary: str
    def __init__(self, status: _Optional[_Union[_common_pb2.RunStatus, str]] = ..., stages: _Optional[_Mapping[str, int]] = ..., workers: _Optional[_Iterable[_Union[ExplainRunResponse.WorkerVerdict, _Mapping]]] = ..., ahead_in_flow: _Optional[int] = ..., flows_ahead: _Optional[int] = ..., waiting_by_band: _Optional[_Mapping[int, int]] = ..., band: _Optional[int] = ..., summary: _Optional[str] = ...) -> None: ...
