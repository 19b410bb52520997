from corral_proto.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RejectReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REJECT_REASON_UNSPECIFIED: _ClassVar[RejectReason]
    REJECT_REASON_BAD_HELLO: _ClassVar[RejectReason]
    REJECT_REASON_UNSUPPORTED_VERSION: _ClassVar[RejectReason]
    REJECT_REASON_WORKER_ID_IN_USE: _ClassVar[RejectReason]
    REJECT_REASON_SUPERSEDED: _ClassVar[RejectReason]
    REJECT_REASON_MOVED: _ClassVar[RejectReason]
    REJECT_REASON_UNAVAILABLE: _ClassVar[RejectReason]
    REJECT_REASON_SESSION_LOST: _ClassVar[RejectReason]
    REJECT_REASON_PROTOCOL: _ClassVar[RejectReason]
    REJECT_REASON_LIMIT: _ClassVar[RejectReason]
    REJECT_REASON_STOPPING: _ClassVar[RejectReason]
    REJECT_REASON_NOT_YOURS: _ClassVar[RejectReason]
    REJECT_REASON_NOT_ENROLLED: _ClassVar[RejectReason]

class ReportVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPORT_VERDICT_UNSPECIFIED: _ClassVar[ReportVerdict]
    REPORT_VERDICT_OK: _ClassVar[ReportVerdict]
    REPORT_VERDICT_STALE: _ClassVar[ReportVerdict]
    REPORT_VERDICT_UNKNOWN: _ClassVar[ReportVerdict]
    REPORT_VERDICT_ALREADY_FINAL: _ClassVar[ReportVerdict]
    REPORT_VERDICT_REFUSED: _ClassVar[ReportVerdict]

class DeclineReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECLINE_REASON_UNSPECIFIED: _ClassVar[DeclineReason]
    DECLINE_REASON_NO_CAPACITY: _ClassVar[DeclineReason]
    DECLINE_REASON_INSUFFICIENT_VRAM: _ClassVar[DeclineReason]
    DECLINE_REASON_MODEL_UNAVAILABLE: _ClassVar[DeclineReason]
    DECLINE_REASON_DRAINING: _ClassVar[DeclineReason]
    DECLINE_REASON_OTHER: _ClassVar[DeclineReason]
REJECT_REASON_UNSPECIFIED: RejectReason
REJECT_REASON_BAD_HELLO: RejectReason
REJECT_REASON_UNSUPPORTED_VERSION: RejectReason
REJECT_REASON_WORKER_ID_IN_USE: RejectReason
REJECT_REASON_SUPERSEDED: RejectReason
REJECT_REASON_MOVED: RejectReason
REJECT_REASON_UNAVAILABLE: RejectReason
REJECT_REASON_SESSION_LOST: RejectReason
REJECT_REASON_PROTOCOL: RejectReason
REJECT_REASON_LIMIT: RejectReason
REJECT_REASON_STOPPING: RejectReason
REJECT_REASON_NOT_YOURS: RejectReason
REJECT_REASON_NOT_ENROLLED: RejectReason
REPORT_VERDICT_UNSPECIFIED: ReportVerdict
REPORT_VERDICT_OK: ReportVerdict
REPORT_VERDICT_STALE: ReportVerdict
REPORT_VERDICT_UNKNOWN: ReportVerdict
REPORT_VERDICT_ALREADY_FINAL: ReportVerdict
REPORT_VERDICT_REFUSED: ReportVerdict
DECLINE_REASON_UNSPECIFIED: DeclineReason
DECLINE_REASON_NO_CAPACITY: DeclineReason
DECLINE_REASON_INSUFFICIENT_VRAM: DeclineReason
DECLINE_REASON_MODEL_UNAVAILABLE: DeclineReason
DECLINE_REASON_DRAINING: DeclineReason
DECLINE_REASON_OTHER: DeclineReason

class WorkerFrame(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[WorkerMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[WorkerMessage, _Mapping]]] = ...) -> None: ...

class WorkerMessage(_message.Message):
    __slots__ = ("hello", "pong", "mail_ack", "event", "result", "stopped", "give_back", "claim", "decline", "update", "input_request", "checkpoint", "draining", "goodbye", "step", "ephemeral", "park", "challenge_response")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    MAIL_ACK_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    GIVE_BACK_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    DECLINE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    INPUT_REQUEST_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
    PARK_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    pong: Pong
    mail_ack: MailAck
    event: EventReport
    result: Result
    stopped: Stopped
    give_back: GiveBack
    claim: Claim
    decline: Decline
    update: Update
    input_request: InputRequest
    checkpoint: Checkpoint
    draining: Draining
    goodbye: Goodbye
    step: Step
    ephemeral: _common_pb2.EphemeralEvents
    park: Park
    challenge_response: ChallengeResponse
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., mail_ack: _Optional[_Union[MailAck, _Mapping]] = ..., event: _Optional[_Union[EventReport, _Mapping]] = ..., result: _Optional[_Union[Result, _Mapping]] = ..., stopped: _Optional[_Union[Stopped, _Mapping]] = ..., give_back: _Optional[_Union[GiveBack, _Mapping]] = ..., claim: _Optional[_Union[Claim, _Mapping]] = ..., decline: _Optional[_Union[Decline, _Mapping]] = ..., update: _Optional[_Union[Update, _Mapping]] = ..., input_request: _Optional[_Union[InputRequest, _Mapping]] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., draining: _Optional[_Union[Draining, _Mapping]] = ..., goodbye: _Optional[_Union[Goodbye, _Mapping]] = ..., step: _Optional[_Union[Step, _Mapping]] = ..., ephemeral: _Optional[_Union[_common_pb2.EphemeralEvents, _Mapping]] = ..., park: _Optional[_Union[Park, _Mapping]] = ..., challenge_response: _Optional[_Union[ChallengeResponse, _Mapping]] = ...) -> None: ...

class HubFrame(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[HubMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[HubMessage, _Mapping]]] = ...) -> None: ...

class HubMessage(_message.Message):
    __slots__ = ("welcome", "reject", "assignment", "offer", "stop", "answers", "report_ack", "ping", "reconnect", "drain", "unsupported", "challenge")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    REJECT_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    OFFER_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    REPORT_ACK_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    UNSUPPORTED_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    reject: Reject
    assignment: Assignment
    offer: Offer
    stop: Stop
    answers: InputAnswers
    report_ack: ReportAck
    ping: Ping
    reconnect: Reconnect
    drain: Drain
    unsupported: Unsupported
    challenge: Challenge
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., reject: _Optional[_Union[Reject, _Mapping]] = ..., assignment: _Optional[_Union[Assignment, _Mapping]] = ..., offer: _Optional[_Union[Offer, _Mapping]] = ..., stop: _Optional[_Union[Stop, _Mapping]] = ..., answers: _Optional[_Union[InputAnswers, _Mapping]] = ..., report_ack: _Optional[_Union[ReportAck, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., reconnect: _Optional[_Union[Reconnect, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., unsupported: _Optional[_Union[Unsupported, _Mapping]] = ..., challenge: _Optional[_Union[Challenge, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "worker_id", "instance", "session_id", "capabilities", "tags", "labels", "taints", "admission", "resident", "sdk", "held", "resume", "devices", "enrolment_key")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TAINTS_FIELD_NUMBER: _ClassVar[int]
    ADMISSION_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_FIELD_NUMBER: _ClassVar[int]
    SDK_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    ENROLMENT_KEY_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    worker_id: str
    instance: str
    session_id: str
    capabilities: _containers.RepeatedCompositeFieldContainer[_common_pb2.Capability]
    tags: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.ScalarMap[str, str]
    taints: _containers.RepeatedCompositeFieldContainer[_common_pb2.Taint]
    admission: _common_pb2.Admission
    resident: _containers.RepeatedCompositeFieldContainer[_common_pb2.ResidentModel]
    sdk: str
    held: _containers.RepeatedCompositeFieldContainer[Held]
    resume: bool
    devices: _containers.RepeatedScalarFieldContainer[str]
    enrolment_key: str
    def __init__(self, protocol: _Optional[int] = ..., worker_id: _Optional[str] = ..., instance: _Optional[str] = ..., session_id: _Optional[str] = ..., capabilities: _Optional[_Iterable[_Union[_common_pb2.Capability, _Mapping]]] = ..., tags: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., taints: _Optional[_Iterable[_Union[_common_pb2.Taint, _Mapping]]] = ..., admission: _Optional[_Union[_common_pb2.Admission, _Mapping]] = ..., resident: _Optional[_Iterable[_Union[_common_pb2.ResidentModel, _Mapping]]] = ..., sdk: _Optional[str] = ..., held: _Optional[_Iterable[_Union[Held, _Mapping]]] = ..., resume: bool = ..., devices: _Optional[_Iterable[str]] = ..., enrolment_key: _Optional[str] = ...) -> None: ...

class Challenge(_message.Message):
    __slots__ = ("nonce", "namespace")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    namespace: str
    def __init__(self, nonce: _Optional[bytes] = ..., namespace: _Optional[str] = ...) -> None: ...

class ChallengeResponse(_message.Message):
    __slots__ = ("signature",)
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    signature: bytes
    def __init__(self, signature: _Optional[bytes] = ...) -> None: ...

class Held(_message.Message):
    __slots__ = ("run_id", "fence", "stopping")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    stopping: bool
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., stopping: bool = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("session_id", "stream", "hub", "lease_ms", "ping_ms", "grace_ms", "max_payload_bytes", "held", "resumed", "move_after_ms", "max_state_bytes")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    HUB_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    PING_MS_FIELD_NUMBER: _ClassVar[int]
    GRACE_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    MOVE_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_STATE_BYTES_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    stream: int
    hub: str
    lease_ms: int
    ping_ms: int
    grace_ms: int
    max_payload_bytes: int
    held: _containers.RepeatedCompositeFieldContainer[HeldVerdict]
    resumed: bool
    move_after_ms: int
    max_state_bytes: int
    def __init__(self, session_id: _Optional[str] = ..., stream: _Optional[int] = ..., hub: _Optional[str] = ..., lease_ms: _Optional[int] = ..., ping_ms: _Optional[int] = ..., grace_ms: _Optional[int] = ..., max_payload_bytes: _Optional[int] = ..., held: _Optional[_Iterable[_Union[HeldVerdict, _Mapping]]] = ..., resumed: bool = ..., move_after_ms: _Optional[int] = ..., max_state_bytes: _Optional[int] = ...) -> None: ...

class HeldVerdict(_message.Message):
    __slots__ = ("run_id", "fence", "keep")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    keep: bool
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., keep: bool = ...) -> None: ...

class Reject(_message.Message):
    __slots__ = ("reason", "detail", "field")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    reason: RejectReason
    detail: str
    field: str
    def __init__(self, reason: _Optional[_Union[RejectReason, str]] = ..., detail: _Optional[str] = ..., field: _Optional[str] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("run_id", "fence", "attempt", "workflow", "workflow_version", "capability", "input", "deadline_at_ms", "now_ms", "max_run_ms", "priority", "labels", "trace", "device", "model", "checkpoint", "steps", "answers")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class StepsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITY_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_AT_MS_FIELD_NUMBER: _ClassVar[int]
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_RUN_MS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    attempt: int
    workflow: str
    workflow_version: int
    capability: _common_pb2.Capability
    input: bytes
    deadline_at_ms: int
    now_ms: int
    max_run_ms: int
    priority: int
    labels: _containers.ScalarMap[str, str]
    trace: _common_pb2.TraceContext
    device: int
    model: str
    checkpoint: bytes
    steps: _containers.ScalarMap[str, bytes]
    answers: _containers.RepeatedCompositeFieldContainer[_common_pb2.InputAnswer]
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., attempt: _Optional[int] = ..., workflow: _Optional[str] = ..., workflow_version: _Optional[int] = ..., capability: _Optional[_Union[_common_pb2.Capability, _Mapping]] = ..., input: _Optional[bytes] = ..., deadline_at_ms: _Optional[int] = ..., now_ms: _Optional[int] = ..., max_run_ms: _Optional[int] = ..., priority: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., trace: _Optional[_Union[_common_pb2.TraceContext, _Mapping]] = ..., device: _Optional[int] = ..., model: _Optional[str] = ..., checkpoint: _Optional[bytes] = ..., steps: _Optional[_Mapping[str, bytes]] = ..., answers: _Optional[_Iterable[_Union[_common_pb2.InputAnswer, _Mapping]]] = ...) -> None: ...

class Offer(_message.Message):
    __slots__ = ("assignment", "ttl_ms")
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    assignment: Assignment
    ttl_ms: int
    def __init__(self, assignment: _Optional[_Union[Assignment, _Mapping]] = ..., ttl_ms: _Optional[int] = ...) -> None: ...

class Stop(_message.Message):
    __slots__ = ("run_id", "fence", "reason")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    reason: str
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class InputAnswers(_message.Message):
    __slots__ = ("run_id", "fence", "answers", "word")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    WORD_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    answers: _containers.RepeatedCompositeFieldContainer[_common_pb2.InputAnswer]
    word: str
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., answers: _Optional[_Iterable[_Union[_common_pb2.InputAnswer, _Mapping]]] = ..., word: _Optional[str] = ...) -> None: ...

class ReportAck(_message.Message):
    __slots__ = ("items",)
    class Item(_message.Message):
        __slots__ = ("run_id", "fence", "verdict", "seq")
        RUN_ID_FIELD_NUMBER: _ClassVar[int]
        FENCE_FIELD_NUMBER: _ClassVar[int]
        VERDICT_FIELD_NUMBER: _ClassVar[int]
        SEQ_FIELD_NUMBER: _ClassVar[int]
        run_id: str
        fence: str
        verdict: ReportVerdict
        seq: int
        def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., verdict: _Optional[_Union[ReportVerdict, str]] = ..., seq: _Optional[int] = ...) -> None: ...
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ReportAck.Item]
    def __init__(self, items: _Optional[_Iterable[_Union[ReportAck.Item, _Mapping]]] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("number", "renewed_ms")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RENEWED_MS_FIELD_NUMBER: _ClassVar[int]
    number: int
    renewed_ms: int
    def __init__(self, number: _Optional[int] = ..., renewed_ms: _Optional[int] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("number", "clock_ms")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CLOCK_MS_FIELD_NUMBER: _ClassVar[int]
    number: int
    clock_ms: int
    def __init__(self, number: _Optional[int] = ..., clock_ms: _Optional[int] = ...) -> None: ...

class MailAck(_message.Message):
    __slots__ = ("items",)
    class Item(_message.Message):
        __slots__ = ("run_id", "fence", "word")
        RUN_ID_FIELD_NUMBER: _ClassVar[int]
        FENCE_FIELD_NUMBER: _ClassVar[int]
        WORD_FIELD_NUMBER: _ClassVar[int]
        run_id: str
        fence: str
        word: str
        def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., word: _Optional[str] = ...) -> None: ...
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[MailAck.Item]
    def __init__(self, items: _Optional[_Iterable[_Union[MailAck.Item, _Mapping]]] = ...) -> None: ...

class EventReport(_message.Message):
    __slots__ = ("run_id", "fence", "type", "payload", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    type: str
    payload: bytes
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., type: _Optional[str] = ..., payload: _Optional[bytes] = ..., seq: _Optional[int] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("run_id", "fence", "output", "error", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    output: bytes
    error: _common_pb2.RunError
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., output: _Optional[bytes] = ..., error: _Optional[_Union[_common_pb2.RunError, _Mapping]] = ..., seq: _Optional[int] = ...) -> None: ...

class Stopped(_message.Message):
    __slots__ = ("run_id", "fence", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class GiveBack(_message.Message):
    __slots__ = ("run_id", "fence", "reason", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    reason: str
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., reason: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class Claim(_message.Message):
    __slots__ = ("run_id", "fence", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class Decline(_message.Message):
    __slots__ = ("run_id", "fence", "reason", "detail", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    reason: DeclineReason
    detail: str
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., reason: _Optional[_Union[DeclineReason, str]] = ..., detail: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class Update(_message.Message):
    __slots__ = ("resident",)
    RESIDENT_FIELD_NUMBER: _ClassVar[int]
    resident: _containers.RepeatedCompositeFieldContainer[_common_pb2.ResidentModel]
    def __init__(self, resident: _Optional[_Iterable[_Union[_common_pb2.ResidentModel, _Mapping]]] = ...) -> None: ...

class InputRequest(_message.Message):
    __slots__ = ("run_id", "fence", "request_id", "prompt", "metadata", "timeout_ms", "schema", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    request_id: str
    prompt: str
    metadata: bytes
    timeout_ms: int
    schema: bytes
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., request_id: _Optional[str] = ..., prompt: _Optional[str] = ..., metadata: _Optional[bytes] = ..., timeout_ms: _Optional[int] = ..., schema: _Optional[bytes] = ..., seq: _Optional[int] = ...) -> None: ...

class Park(_message.Message):
    __slots__ = ("run_id", "fence", "request_id", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    request_id: str
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., request_id: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("run_id", "fence", "state", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    state: bytes
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., state: _Optional[bytes] = ..., seq: _Optional[int] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("run_id", "fence", "key", "result", "seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    fence: str
    key: str
    result: bytes
    seq: int
    def __init__(self, run_id: _Optional[str] = ..., fence: _Optional[str] = ..., key: _Optional[str] = ..., result: _Optional[bytes] = ..., seq: _Optional[int] = ...) -> None: ...

class Draining(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Reconnect(_message.Message):
    __slots__ = ("reason", "after_ms")
    REASON_FIELD_NUMBER: _ClassVar[int]
    AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    reason: str
    after_ms: int
    def __init__(self, reason: _Optional[str] = ..., after_ms: _Optional[int] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("immediate",)
    IMMEDIATE_FIELD_NUMBER: _ClassVar[int]
    immediate: bool
    def __init__(self, immediate: bool = ...) -> None: ...

class Unsupported(_message.Message):
    __slots__ = ("what", "run_id", "detail")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    what: str
    run_id: str
    detail: str
    def __init__(self, what: _Optional[str] = ..., run_id: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...
