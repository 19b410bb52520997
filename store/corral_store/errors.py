"""What can go wrong with the store, as a small tree of typed errors."""

from __future__ import annotations


class StoreError(Exception):
    """Base of all errors of the store. `retryable`: the same call may be sent again."""

    retryable = False


class StoreUnavailable(StoreError):
    """The store cannot be reached, or a durability barrier failed: the outcome is unknown."""

    retryable = True


class StoreFull(StoreError):
    """The store is at its memory limit; raise `maxmemory`, or wait until runs have ended."""

    retryable = True


class StoreReadOnly(StoreError):
    """The server is a replica or refuses writes; connect to the primary."""

    retryable = True


class StoreRefused(StoreError):
    """The server refuses the connection: a wrong password, user or database."""


class StoreRepairing(StoreError):
    """The namespace is being repaired and takes no changes for so long. Others go on, so the
    call is not sent again on its own, which would hold up theirs."""

    retryable = True


class StoreTooOld(StoreError):
    """The server has no functions: Valkey 7.2 or Redis 7.0 is the least."""


class StoreFormat(StoreError):
    """The data was written by a release that this one cannot read."""


class CallTooLarge(StoreError):
    """More items than one call may carry; a fault of the caller."""
