"""The terms of placement: what a worker offers and what a run needs.

Plain immutable values with their limits checked where they are made, and their wire form.
Owns no state and talks to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from corral.errors import InvalidRequest
from corral.shapes import check, check_fields
from corral_proto.v1 import common_pb2

KIND = re.compile(r"[A-Za-z0-9._:/-]{1,128}")
MAX_VERSION = 1_000_000

Effect = Literal["NoSchedule", "PreferNoSchedule"]

_EFFECTS: dict[Effect, common_pb2.TaintEffect] = {
    "NoSchedule": common_pb2.TAINT_EFFECT_NO_SCHEDULE,
    "PreferNoSchedule": common_pb2.TAINT_EFFECT_PREFER_NO_SCHEDULE,
}


@dataclass(frozen=True, slots=True)
class Capability:
    """What a worker can do, or what a run needs: `kind@version`.

    Version 0 stands for `@*`, any version, and makes sense for a run only.
    """

    kind: str
    version: int = 1

    def __post_init__(self) -> None:
        if not KIND.fullmatch(self.kind):
            raise InvalidRequest(
                f"Capability kind {self.kind!r} is not accepted; use 1 to 128 characters of "
                "[A-Za-z0-9._:/-], e.g. inference:llm:ollama.",
                field="capability",
            )
        if not 0 <= self.version <= MAX_VERSION:
            raise InvalidRequest(
                f"Capability version {self.version} is out of range; use 1 to {MAX_VERSION}.",
                field="capability",
                limit=str(MAX_VERSION),
            )

    @classmethod
    def parse(cls, text: str | Capability, *, default_version: int = 1) -> Capability:
        """Reads `kind@version`, `kind@*` or `kind` (which has the default version).

        Raises `InvalidRequest` for anything else.
        """
        if isinstance(text, Capability):
            return text
        check("capability", text, str)
        kind, at, version = text.partition("@")
        if not at:
            return cls(kind, default_version)
        if version == "*":
            return cls(kind, 0)
        if not (version.isascii() and version.isdigit()) or int(version) == 0:
            raise InvalidRequest(
                f"Capability {text!r} has version {version!r}; write kind@1 or kind@*.",
                field="capability",
            )
        return cls(kind, int(version))

    def to_wire(self) -> common_pb2.Capability:
        """Gives the wire form."""
        return common_pb2.Capability(kind=self.kind, version=self.version)

    def __str__(self) -> str:
        return f"{self.kind}@{self.version or '*'}"


@dataclass(frozen=True, slots=True)
class Fixed:
    """Admission by count: at most `max_in_flight` runs at once, 1 to 100,000."""

    max_in_flight: int = 1

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= self.max_in_flight <= 100_000:
            raise InvalidRequest(
                f"Fixed({self.max_in_flight}): give a count of 1 to 100000.",
                field="admission",
                limit="100000",
            )

    def to_wire(self) -> common_pb2.Admission:
        """Gives the wire form."""
        return common_pb2.Admission(
            fixed=common_pb2.Admission.Fixed(max_in_flight=self.max_in_flight)
        )


@dataclass(frozen=True, slots=True)
class VramBudget:
    """Admission by video memory in MB: one number, or one per device.

    Runs must say what they need with `vram_mb`, which must fit one device.
    """

    device_mb: int | Sequence[int]

    def __post_init__(self) -> None:
        check_fields(self)
        devices = self.devices()
        if not 1 <= len(devices) <= 64 or any(size < 1 for size in devices):
            raise InvalidRequest(
                f"VramBudget({self.device_mb!r}): give 1 to 64 budgets of at least 1 MB.",
                field="admission",
            )

    def devices(self) -> tuple[int, ...]:
        """Gives the budget of each device in MB."""
        return (self.device_mb,) if isinstance(self.device_mb, int) else tuple(self.device_mb)

    def to_wire(self) -> common_pb2.Admission:
        """Gives the wire form."""
        return common_pb2.Admission(
            vram_budget=common_pb2.Admission.VramBudget(device_mb=self.devices())
        )


@dataclass(frozen=True, slots=True)
class Reactive:
    """Admission by the worker itself: it is offered runs and takes or declines each.

    `max_offers` is how many offers may be open at once, 1 to 4. Needs `@worker.on_offer`.
    """

    max_offers: int = 4

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= self.max_offers <= 4:
            raise InvalidRequest(
                f"Reactive({self.max_offers}): give 1 to 4 offers.", field="admission", limit="4"
            )

    def to_wire(self) -> common_pb2.Admission:
        """Gives the wire form."""
        return common_pb2.Admission(
            reactive=common_pb2.Admission.Reactive(max_offers=self.max_offers)
        )


Admission = Fixed | VramBudget | Reactive


@dataclass(frozen=True, slots=True)
class Taint:
    """A mark by which a worker keeps runs away that do not tolerate it."""

    key: str
    value: str = ""
    effect: Effect = "NoSchedule"

    def to_wire(self) -> common_pb2.Taint:
        """Gives the wire form; raises `InvalidRequest` for an unknown effect."""
        return common_pb2.Taint(key=self.key, value=self.value, effect=effect_to_wire(self.effect))


@dataclass(frozen=True, slots=True)
class Toleration:
    """A run's permission to go to a worker in spite of a taint.

    An empty `value` tolerates any value, `effect=None` any effect.
    """

    key: str
    value: str = ""
    effect: Effect | None = None

    def to_wire(self) -> common_pb2.Toleration:
        """Gives the wire form; raises `InvalidRequest` for an unknown effect."""
        wire = common_pb2.Toleration(key=self.key, value=self.value)
        if self.effect is not None:
            wire.effect = effect_to_wire(self.effect)
        return wire


def effect_to_wire(effect: Effect) -> common_pb2.TaintEffect:
    """Gives the wire form of a taint's effect; raises `InvalidRequest` for an unknown one."""
    if effect not in _EFFECTS:
        raise InvalidRequest(
            f"Taint effect {effect!r} is not known; use one of {', '.join(_EFFECTS)}.",
            field="effect",
        )
    return _EFFECTS[effect]


def _no_labels() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions on the labels of a worker; the value `*` means any.

    `required` must all match, `forbidden` none, each match of `preferred` adds 10 to the
    worker's score.
    """

    required: Mapping[str, str] = field(default_factory=_no_labels)
    forbidden: Mapping[str, str] = field(default_factory=_no_labels)
    preferred: Mapping[str, str] = field(default_factory=_no_labels)

    def to_wire(self) -> common_pb2.Selector:
        """Gives the wire form."""
        return common_pb2.Selector(
            required=self.required, forbidden=self.forbidden, preferred=self.preferred
        )


@dataclass(frozen=True, slots=True)
class Fairness:
    """Runs of one key share the workers; keys are served in turns by weight, 1 to 1000."""

    key: str = ""
    weight: int = 1

    def to_wire(self) -> common_pb2.Fairness:
        """Gives the wire form."""
        return common_pb2.Fairness(key=self.key, weight=self.weight)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is followed by another one.

    `max_attempts` counts all attempts (1 to 100), those ended by a lost lease excluded.
    Delays are in milliseconds; `jitter` is the random part of a delay, 0 to 1. After an
    error whose type is in `no_retry_types` there is no further attempt.
    """

    max_attempts: int = 3
    initial_backoff_ms: int = 1000
    multiplier: float = 2.0
    max_backoff_ms: int = 60_000
    jitter: float = 0.25
    no_retry_types: Sequence[str] = ()

    def to_wire(self) -> common_pb2.RetryPolicy:
        """Gives the wire form."""
        return common_pb2.RetryPolicy(
            max_attempts=self.max_attempts,
            initial_backoff_ms=self.initial_backoff_ms,
            multiplier=self.multiplier,
            max_backoff_ms=self.max_backoff_ms,
            jitter=self.jitter,
            no_retry_types=self.no_retry_types,
        )


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between attempts to reach a hub, in milliseconds.

    The first delay is `initial_ms`, each next one `multiplier` times longer up to
    `maximum_ms`; up to `jitter` (0 to 1) of a delay is taken away at random.
    """

    initial_ms: int = 100
    maximum_ms: int = 5000
    multiplier: float = 2.0
    jitter: float = 0.3

    def __post_init__(self) -> None:
        if not 1 <= self.initial_ms <= self.maximum_ms:
            raise ValueError(
                f"Backoff: initial_ms={self.initial_ms} must be at least 1 and at most "
                f"maximum_ms={self.maximum_ms}."
            )
        if self.multiplier < 1 or not 0 <= self.jitter <= 1:
            raise ValueError(
                f"Backoff: multiplier={self.multiplier} must be at least 1 and "
                f"jitter={self.jitter} from 0 to 1."
            )

    def delay_ms(self, step: int, random: float) -> int:
        """Gives the delay of a step (from 0); `random` is in [0, 1)."""
        # The exponent is bounded: a worker that waits for days must not overflow a float.
        grown = self.initial_ms * self.multiplier ** min(step, 64)
        return max(1, int(min(grown, self.maximum_ms) * (1 - self.jitter * random)))
