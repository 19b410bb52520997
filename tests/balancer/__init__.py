"""The load balancer of `deploy/`, run for real: nginx with its file, TLS, three hubs."""
