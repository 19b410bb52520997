"""The smallest worker: the one that the README shows."""
