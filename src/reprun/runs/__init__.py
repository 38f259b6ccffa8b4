"""Runs: one analysis in one variant, from its lock to its verdict; all of them in a matrix."""
