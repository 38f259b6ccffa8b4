"""Documents on disk as typed values, each fault with its file, line and field."""
