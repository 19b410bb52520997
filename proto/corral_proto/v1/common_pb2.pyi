from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaintEffect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TAINT_EFFECT_UNSPECIFIED: _ClassVar[TaintEffect]
    TAINT_EFFECT_NO_SCHEDULE: _ClassVar[TaintEffect]
    TAINT_EFFECT_PREFER_NO_SCHEDULE: _ClassVar[TaintEffect]

class RunStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATUS_UNSPECIFIED: _ClassVar[RunStatus]
    RUN_STATUS_PENDING: _ClassVar[RunStatus]
    RUN_STATUS_DELAYED: _ClassVar[RunStatus]
    RUN_STATUS_OFFERED: _ClassVar[RunStatus]
    RUN_STATUS_RUNNING: _ClassVar[RunStatus]
    RUN_STATUS_PARKED: _ClassVar[RunStatus]
    RUN_STATUS_COMPLETED: _ClassVar[RunStatus]
    RUN_STATUS_FAILED: _ClassVar[RunStatus]
    RUN_STATUS_CANCELLED: _ClassVar[RunStatus]

class ErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_CODE_UNSPECIFIED: _ClassVar[ErrorCode]
    ERROR_CODE_HANDLER: _ClassVar[ErrorCode]
    ERROR_CODE_NO_HANDLER: _ClassVar[ErrorCode]
    ERROR_CODE_BAD_INPUT: _ClassVar[ErrorCode]
    ERROR_CODE_BAD_OUTPUT: _ClassVar[ErrorCode]
    ERROR_CODE_WORKER_LOST: _ClassVar[ErrorCode]
    ERROR_CODE_DEADLINE_EXCEEDED: _ClassVar[ErrorCode]
    ERROR_CODE_QUEUE_WAIT_EXCEEDED: _ClassVar[ErrorCode]
    ERROR_CODE_RUN_TIME_EXCEEDED: _ClassVar[ErrorCode]
    ERROR_CODE_EXECUTOR_DIED: _ClassVar[ErrorCode]

class Durability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DURABILITY_UNSPECIFIED: _ClassVar[Durability]
    DURABILITY_MEMORY: _ClassVar[Durability]
    DURABILITY_FSYNC: _ClassVar[Durability]
    DURABILITY_REPLICA: _ClassVar[Durability]
TAINT_EFFECT_UNSPECIFIED: TaintEffect
TAINT_EFFECT_NO_SCHEDULE: TaintEffect
TAINT_EFFECT_PREFER_NO_SCHEDULE: TaintEffect
RUN_STATUS_UNSPECIFIED: RunStatus
RUN_STATUS_PENDING: RunStatus
RUN_STATUS_DELAYED: RunStatus
RUN_STATUS_OFFERED: RunStatus
RUN_STATUS_RUNNING: RunStatus
RUN_STATUS_PARKED: RunStatus
RUN_STATUS_COMPLETED: RunStatus
RUN_STATUS_FAILED: RunStatus
RUN_STATUS_CANCELLED: RunStatus
ERROR_CODE_UNSPECIFIED: ErrorCode
ERROR_CODE_HANDLER: ErrorCode
ERROR_CODE_NO_HANDLER: ErrorCode
ERROR_CODE_BAD_INPUT: ErrorCode
ERROR_CODE_BAD_OUTPUT: ErrorCode
ERROR_CODE_WORKER_LOST: ErrorCode
ERROR_CODE_DEADLINE_EXCEEDED: ErrorCode
ERROR_CODE_QUEUE_WAIT_EXCEEDED: ErrorCode
ERROR_CODE_RUN_TIME_EXCEEDED: ErrorCode
ERROR_CODE_EXECUTOR_DIED: ErrorCode
DURABILITY_UNSPECIFIED: Durability
DURABILITY_MEMORY: Durability
DURABILITY_FSYNC: Durability
DURABILITY_REPLICA: Durability

class Capability(_message.Message):
    __slots__ = ("kind", "version")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    kind: str
    version: int
    def __init__(self, kind: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class Taint(_message.Message):
    __slots__ = ("key", "value", "effect")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    effect: TaintEffect
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., effect: _Optional[_Union[TaintEffect, str]] = ...) -> None: ...

class Toleration(_message.Message):
    __slots__ = ("key", "value", "effect")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    effect: TaintEffect
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., effect: _Optional[_Union[TaintEffect, str]] = ...) -> None: ...

class Selector(_message.Message):
    __slots__ = ("required", "forbidden", "preferred")
    class RequiredEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ForbiddenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PreferredEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    FORBIDDEN_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_FIELD_NUMBER: _ClassVar[int]
    required: _containers.ScalarMap[str, str]
    forbidden: _containers.ScalarMap[str, str]
    preferred: _containers.ScalarMap[str, str]
    def __init__(self, required: _Optional[_Mapping[str, str]] = ..., forbidden: _Optional[_Mapping[str, str]] = ..., preferred: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Admission(_message.Message):
    __slots__ = ("fixed", "vram_budget", "reactive")
    class Fixed(_message.Message):
        __slots__ = ("max_in_flight",)
        MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
        max_in_flight: int
        def __init__(self, max_in_flight: _Optional[int] = ...) -> None: ...
    class VramBudget(_message.Message):
        __slots__ = ("device_mb",)
        DEVICE_MB_FIELD_NUMBER: _ClassVar[int]
        device_mb: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, device_mb: _Optional[_Iterable[int]] = ...) -> None: ...
    class Reactive(_message.Message):
        __slots__ = ("max_offers",)
        MAX_OFFERS_FIELD_NUMBER: _ClassVar[int]
        max_offers: int
        def __init__(self, max_offers: _Optional[int] = ...) -> None: ...
    FIXED_FIELD_NUMBER: _ClassVar[int]
    VRAM_BUDGET_FIELD_NUMBER: _ClassVar[int]
    REACTIVE_FIELD_NUMBER: _ClassVar[int]
    fixed: Admission.Fixed
    vram_budget: Admission.VramBudget
    reactive: Admission.Reactive
    def __init__(self, fixed: _Optional[_Union[Admission.Fixed, _Mapping]] = ..., vram_budget: _Optional[_Union[Admission.VramBudget, _Mapping]] = ..., reactive: _Optional[_Union[Admission.Reactive, _Mapping]] = ...) -> None: ...

class ResidentModel(_message.Message):
    __slots__ = ("name", "vram_mb")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VRAM_MB_FIELD_NUMBER: _ClassVar[int]
    name: str
    vram_mb: int
    def __init__(self, name: _Optional[str] = ..., vram_mb: _Optional[int] = ...) -> None: ...

class Fairness(_message.Message):
    __slots__ = ("key", "weight")
    KEY_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    key: str
    weight: int
    def __init__(self, key: _Optional[str] = ..., weight: _Optional[int] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("max_attempts", "initial_backoff_ms", "multiplier", "max_backoff_ms", "jitter", "no_retry_types")
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_BACKOFF_MS_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKOFF_MS_FIELD_NUMBER: _ClassVar[int]
    JITTER_FIELD_NUMBER: _ClassVar[int]
    NO_RETRY_TYPES_FIELD_NUMBER: _ClassVar[int]
    max_attempts: int
    initial_backoff_ms: int
    multiplier: float
    max_backoff_ms: int
    jitter: float
    no_retry_types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, max_attempts: _Optional[int] = ..., initial_backoff_ms: _Optional[int] = ..., multiplier: _Optional[float] = ..., max_backoff_ms: _Optional[int] = ..., jitter: _Optional[float] = ..., no_retry_types: _Optional[_Iterable[str]] = ...) -> None: ...

class Limit(_message.Message):
    __slots__ = ("name", "units")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    name: str
    units: int
    def __init__(self, name: _Optional[str] = ..., units: _Optional[int] = ...) -> None: ...

class TraceContext(_message.Message):
    __slots__ = ("traceparent", "tracestate")
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    traceparent: str
    tracestate: str
    def __init__(self, traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ...) -> None: ...

class RunError(_message.Message):
    __slots__ = ("code", "type", "message", "retryable", "retry_after_ms", "details")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: ErrorCode
    type: str
    message: str
    retryable: bool
    retry_after_ms: int
    details: bytes
    def __init__(self, code: _Optional[_Union[ErrorCode, str]] = ..., type: _Optional[str] = ..., message: _Optional[str] = ..., retryable: bool = ..., retry_after_ms: _Optional[int] = ..., details: _Optional[bytes] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("run_id", "number", "type", "payload", "time_ms", "attempt", "cursor", "fence", "workflow")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    number: int
    type: str
    payload: bytes
    time_ms: int
    attempt: int
    cursor: str
    fence: str
    workflow: str
    def __init__(self, run_id: _Optional[str] = ..., number: _Optional[int] = ..., type: _Optional[str] = ..., payload: _Optional[bytes] = ..., time_ms: _Optional[int] = ..., attempt: _Optional[int] = ..., cursor: _Optional[str] = ..., fence: _Optional[str] = ..., workflow: _Optional[str] = ...) -> None: ...

class EphemeralEvents(_message.Message):
    __slots__ = ("run_id", "fence", "first", "items", "attempt", "cursor")
    class Item(_message.Message):
        __slots__ = ("type", "payload")
        TYPE_FIELD_NUMBER: _ClassVar[int]
        PAYLOAD_FIELD_NUMBER: _ClassVar[int]
        type: str
        payload: bytes
        def __init__(self, type: _Optional[str] = ..., payload: _Optional[bytes] = ...) -> None: ...
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    first: int
    items: _containers.RepeatedCompositeFieldContainer[EphemeralEvents.Item]
    attempt: int
    cursor: str
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., first: _Optional[int] = ..., items: _Optional[_Iterable[_Union[EphemeralEvents.Item, _Mapping]]] = ..., attempt: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class InputAnswer(_message.Message):
    __slots__ = ("request_id", "response", "lapsed")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    LAPSED_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    response: bytes
    lapsed: bool
    def __init__(self, request_id: _Optional[str] = ..., response: _Optional[bytes] = ..., lapsed: bool = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("number", "worker_id", "session_id", "hub", "fence", "started_at_ms", "ended_at_ms", "outcome", "error")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    HUB_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    number: int
    worker_id: str
    session_id: str
    hub: str
    fence: str
    started_at_ms: int
    ended_at_ms: int
    outcome: str
    error: RunError
    def __init__(self, number: _Optional[int] = ..., worker_id: _Optional[str] = ..., session_id: _Optional[str] = ..., hub: _Optional[str] = ..., fence: _Optional[str] = ..., started_at_ms: _Optional[int] = ..., ended_at_ms: _Optional[int] = ..., outcome: _Optional[str] = ..., error: _Optional[_Union[RunError, _Mapping]] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("run_id", "workflow", "workflow_version", "capability", "status", "priority", "input", "output", "error", "attempt", "lost", "fence", "session_id", "worker_id", "hub", "submitted_at_ms", "started_at_ms", "ended_at_ms", "deadline_at_ms", "due_at_ms", "last_event", "stopping", "attempts", "labels", "fairness_key", "device", "cancel_reason", "parent_run_id")
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
    CAPABILITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    HUB_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_AT_MS_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_KEY_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REASON_FIELD_NUMBER: _ClassVar[int]
    PARENT_RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    workflow: str
    workflow_version: int
    capability: Capability
    status: RunStatus
    priority: int
    input: bytes
    output: bytes
    error: RunError
    attempt: int
    lost: int
    fence: str
    session_id: str
    worker_id: str
    hub: str
    submitted_at_ms: int
    started_at_ms: int
    ended_at_ms: int
    deadline_at_ms: int
    due_at_ms: int
    last_event: int
    stopping: bool
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    labels: _containers.ScalarMap[str, str]
    fairness_key: str
    device: int
    cancel_reason: str
    parent_run_id: str
    def __init__(self, run_id: _Optional[str] = ..., workflow: _Optional[str] = ..., workflow_version: _Optional[int] = ..., capability: _Optional[_Union[Capability, _Mapping]] = ..., status: _Optional[_Union[RunStatus, str]] = ..., priority: _Optional[int] = ..., input: _Optional[bytes] = ..., output: _Optional[bytes] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., attempt: _Optional[int] = ..., lost: _Optional[int] = ..., fence: _Optional[str] = ..., session_id: _Optional[str] = ..., worker_id: _Optional[str] = ..., hub: _Optional[str] = ..., submitted_at_ms: _Optional[int] = ..., started_at_ms: _Optional[int] = ..., ended_at_ms: _Optional[int] = ..., deadline_at_ms: _Optional[int] = ..., due_at_ms: _Optional[int] = ..., last_event: _Optional[int] = ..., stopping: bool = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., labels: _Optional[_Mapping[str, str]] = ..., fairness_key: _Optional[str] = ..., device: _Optional[int] = ..., cancel_reason: _Optional[str] = ..., parent_run_id: _Optional[str] = ...) -> None: ...
