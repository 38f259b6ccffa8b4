"""Small parts of sentences."""

from __future__ import annotations


def count_of(number: int, noun: str) -> str:
    """Return `1 object`, `42 objects`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
