"""Worker sessions: the protocol core without I/O, its shell, and those of this hub."""
