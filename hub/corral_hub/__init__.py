"""The hub: a stateless gRPC server over the shared store."""
