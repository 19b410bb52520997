"""Tests of the SDK against scripted hubs: real gRPC, no store."""
