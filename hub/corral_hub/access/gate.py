"""The gate of one worker's stream: between its Hello and the store, and for as long as it lives.

Knows the policy in force, the stream's nonce and whom the Hello may name; keeps what was asked for
until it is answered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from corral_hub.access.enrolment import NONCE_BYTES, Enrolment, Key, signed_text, verify
from corral_hub.session.messages import Challenge, Hello, Reject


class Gate:
    """One stream's way through an enrolment policy. `enrolment` gives the one in force; `names`
    are those of the worker's certificate."""

    def __init__(
        self,
        enrolment: Callable[[], Enrolment],
        namespace: str,
        names: Sequence[str],
        nonce: bytes = b"",
    ) -> None:
        self._enrolment = enrolment
        self._namespace = namespace
        self._names = names
        self._nonce = nonce or os.urandom(NONCE_BYTES)
        self._key: Key | None = None

    def hello(self, hello: Hello) -> Reject | Challenge | None:
        """What is said to a Hello; None: it may pass."""
        verdict = self._enrolment().admit(hello, self._namespace, self._names)
        if isinstance(verdict, Key):
            self._key = verdict
            return Challenge(self._nonce, self._namespace)
        return verdict

    def response(self, hello: Hello, signature: bytes) -> Reject | None:
        """What is said to the answer to a Challenge; None: the Hello may pass."""
        assert self._key is not None
        return verify(self._key, signature, signed_text(self._nonce, self._namespace, hello))

    def still(self, hello: Hello) -> Reject | None:
        """Whether a Hello that has passed would pass by the policy in force now; None: it would."""
        verdict = self._enrolment().admit(hello, self._namespace, self._names)
        if not isinstance(verdict, Key):
            return verdict
        if self._key is None or self._key.public != verdict.public:
            return Reject(
                "not_enrolled",
                "the enrolment keys of this hub have changed: sign with one that it knows",
                "enrolment_key",
            )
        return None
