"""Measurements, made to be repeated: each prints a ratio within one run beside its figures."""
