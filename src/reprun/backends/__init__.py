"""Backends: each runs a whole workflow."""
