"""corral.v1: the wire contract. Generated from the .proto files beside it by `make proto`."""
