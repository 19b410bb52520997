"""The worker's side of the session protocol.

`core.py` decides, without I/O; `thread.py` is its shell, on a thread of its own.
"""
