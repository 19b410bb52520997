"""Where handlers run: `inline` on the user's loop, `thread` in threads, `process` in children."""
