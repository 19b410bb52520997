"""Where handlers run: `inline` on the user's event loop, `thread` in threads."""
