"""Wires: thin mappings from a protocol to the hub's rooms. gRPC is the first."""
