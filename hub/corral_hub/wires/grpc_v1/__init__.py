"""corral.v1 over gRPC: services, conversions, and the server that holds them."""
