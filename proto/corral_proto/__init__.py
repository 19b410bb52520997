"""The wire contract of Corral; see the .proto files in v1."""
