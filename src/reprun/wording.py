"""Small parts of sentences."""

from __future__ import annotations

from collections.abc import Iterable


def count_of(number: int, noun: str) -> str:
    """Return `1 object`, `42 objects`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Iterable[str], most: int = 3, *, separator: str = ", ", last: str = "") -> str:
    """Return `a, b, c and 84 more`: a message names a few and counts the rest.

    One name too many is shown in full: `and 1 more` would take as much room. `last` stands
    before the last name where all are shown, `separator` otherwise.
    """
    known = list(names)
    if len(known) > most + 1:
        return f"{separator.join(known[:most])} and {len(known) - most:,} more"
    if len(known) > 1 and last:
        return f"{separator.join(known[:-1])}{last}{known[-1]}"
    return separator.join(known)


def lines_of(items: Iterable[object], most: int = 10, *, margin: str = "    ") -> str:
    """Return items as indented lines to follow a sentence; of many, the rest is counted."""
    known = [str(item) for item in items]
    shown = known if len(known) <= most + 1 else [*known[:most], f"and {len(known) - most:,} more"]
    return "".join(f"\n{margin}{line}" for line in shown)
