"""The demo: a fleet on this machine, one of its hubs killed under load, and the count after."""
