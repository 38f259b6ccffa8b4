"""From locks to bytes: resolve, fetch, build, and the documents about it."""
