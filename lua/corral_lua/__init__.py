"""The state machine: Lua transitions and their parts, loaded as one function library.

`parts/` holds what transitions share, `transitions/` one file per transition with its
contract in the header. `corral_store.library` puts them together; nothing here runs.
"""
