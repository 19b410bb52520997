"""Typed Python over the state machine in Valkey: one method per transition.

`Store` opens the connections; `Store.namespace(name)` gives the transitions.
"""

from corral_store.records import Settings
from corral_store.store import Store

__all__ = ["Settings", "Store"]
