"""Tests of the helpers that users test with."""
