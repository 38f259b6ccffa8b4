"""Which of many changes make a difference: found by trying some of them at a time.

Delta debugging: A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input",
IEEE Transactions on Software Engineering 28 (2002) 183, doi:10.1109/32.988498; `minimal` is their
algorithm ddmin. Nothing here runs anything: what a set of changes comes to is asked of `test`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Outcome = Literal["good", "bad", "other"]
"""What some of the changes come to: as without any, as with all, or as neither."""
Test = Callable[[frozenset[int]], Outcome]

FEW = 8
"""Up to so many changes, each is tried alone; of more, halves are tried first."""


@dataclass(frozen=True, slots=True)
class Causes:
    """Sets of changes each of which makes the difference, and none of whose parts does.

    Changes are known by their numbers.
    """

    sets: tuple[tuple[int, ...], ...]
    explained: bool
    """Whether without all of them the rest makes no difference."""


def most_tests(number: int) -> int:
    """Return how many sets of so many changes are tried at most, none and all among them.

    No set is tried twice, and `minimal` tries n² + 3n at most (section 3.3 of the paper); for
    several causes of very many changes it is what a search is given, and no bound.
    """
    return 2**number if number < FEW else number**2 + 3 * number


def remembered(test: Test) -> Test:
    """Return a test that asks `test` once for each set."""
    known: dict[frozenset[int], Outcome] = {}

    def asked(changes: frozenset[int]) -> Outcome:
        if changes not in known:
            known[changes] = test(changes)
        return known[changes]

    return asked


def causes(number: int, test: Test) -> Causes:
    """Return the sets of changes that make the difference, one after the other.

    `test` of no change has to be good, of all changes bad. Once a set is found, the rest is looked
    at without it: where that is still bad there is another set, independent of the first.
    """
    rest = frozenset(range(number))
    found: list[tuple[int, ...]] = []
    while rest and test(rest) == "bad":
        found.append(minimal(sorted(rest), test))
        rest -= set(found[-1])
    return Causes(tuple(found), test(rest) == "good")


def minimal(changes: Sequence[int], test: Test) -> tuple[int, ...]:
    """Return a part of some changes that is bad, while it is not without any one of its members.

    All of them together have to be bad, and none of them good. What comes out as neither is not
    followed.
    """
    left = tuple(changes)
    pieces = len(left) if len(left) <= FEW else 2
    while len(left) > 1:
        parts = _split(left, pieces)
        bad = next((part for part in parts if test(frozenset(part)) == "bad"), None)
        if bad is not None:
            left, pieces = bad, min(2, len(bad))
            continue
        others = [tuple(one for one in left if one not in part) for part in parts]
        bad = next((rest for rest in others if test(frozenset(rest)) == "bad"), None)
        if bad is not None:
            left, pieces = bad, max(pieces - 1, 2)
        elif pieces == len(left):
            break
        else:
            pieces = min(2 * pieces, len(left))
    return left


def _split(changes: tuple[int, ...], pieces: int) -> list[tuple[int, ...]]:
    """Return changes in pieces of nearly the same size, in order."""
    ends = [len(changes) * n // pieces for n in range(pieces + 1)]
    return [changes[begin:end] for begin, end in pairwise(ends)]
