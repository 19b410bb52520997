"""The gate of one worker's stream: between its Hello and the store.

Knows the policy, the stream's nonce and whom the Hello may name; keeps what was asked for until it
is answered.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from corral_hub.access.enrolment import NONCE_BYTES, Enrolment, Key, signed_text, verify
from corral_hub.session.messages import Challenge, Hello, Reject


class Gate:
    """One stream's way through an enrolment policy. `names`: those of its certificate."""

    def __init__(
        self, enrolment: Enrolment, namespace: str, names: Sequence[str], nonce: bytes = b""
    ) -> None:
        self._enrolment = enrolment
        self._namespace = namespace
        self._names = names
        self._nonce = nonce or os.urandom(NONCE_BYTES)
        self._asked: tuple[Key, Hello] | None = None

    def hello(self, hello: Hello) -> Reject | Challenge | None:
        """What is said to a Hello; None: it may pass."""
        verdict = self._enrolment.admit(hello, self._namespace, self._names)
        if isinstance(verdict, Key):
            self._asked = (verdict, hello)
            return Challenge(self._nonce, self._namespace)
        return verdict

    def response(self, signature: bytes) -> Reject | None:
        """What is said to the answer to a Challenge; None: the Hello may pass."""
        assert self._asked is not None
        key, hello = self._asked
        return verify(key, signature, signed_text(self._nonce, self._namespace, hello))
