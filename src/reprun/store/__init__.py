"""The content-addressed store: verified bytes by their sha256, and their garbage collection."""
