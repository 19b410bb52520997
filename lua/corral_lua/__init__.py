"""The state machine: Lua transitions and their parts, loaded as one function library."""
