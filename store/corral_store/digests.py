"""Ids of classes and pools: digests of what they stand for.

The text under a digest is canonical JSON (sorted keys, sorted sets), so that equal
constraints have one id on every hub and in every release that reads this format.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache

from corral_store.records import Constraints, Declaration

# Video memory of a class is rounded up in steps, or every run would be a class of its own.
# Both of a kind that people write, so that a run which asks for a whole card of 8000 or of
# 8192 MB gets it.
VRAM_STEPS_MB = (50, 256)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def class_of(constraints: Constraints) -> tuple[str, str]:
    """Id and JSON of the class of these constraints."""
    shape = asdict(constraints)
    shape["tags"] = sorted(set(constraints.tags))
    shape["tolerations"] = sorted(set(constraints.tolerations))
    shape["vram_mb"] = min(-(-constraints.vram_mb // step) * step for step in VRAM_STEPS_MB)
    text = _canonical(shape)
    return _digest(text), text


def pool_of(declaration: Declaration) -> tuple[str, str]:
    """Id and JSON of the pool of this declaration."""
    shape = asdict(declaration)
    shape["capabilities"] = sorted(set(declaration.capabilities))
    shape["taints"] = sorted(set(declaration.taints))
    text = _canonical(shape)
    return _digest(text), text


@lru_cache(maxsize=4096)
def plain_class(kind: str, version: int) -> tuple[str, str]:
    """Id and JSON of the class without any other constraint, by far the most common."""
    return class_of(Constraints(kind, version))


def idem_digest(key: str) -> str:
    """Digest under which an idempotency key is kept."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]


def request_digest(said: bytes) -> str:
    """Digest by which a repeated request is told from another one."""
    return hashlib.sha256(said).hexdigest()[:40]
