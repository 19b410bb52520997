"""Typed Python over the state machine in Valkey."""
