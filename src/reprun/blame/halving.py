"""The first bad one of candidates in a row, by halving: 16 of them in 4 tests.

Between a good and a bad one there is a first bad one, also where there are several changes; where
all after it are bad, there is only that one. Nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Answer = Literal["good", "bad", "skipped"]
"""What a candidate came to; one that cannot run says nothing and is skipped."""
GIVEN = -1
"""The number of the good one before the first candidate."""


@dataclass(frozen=True, slots=True)
class Halved:
    """What the search came to, by numbers of candidates."""

    good: int
    """The last one that proved to be good."""
    bad: int | None
    """The first one that proved to be bad; None where the one said to be bad is not."""
    between: tuple[int, ...] = ()
    """Those between the two, which could not run: the first bad one may be one of them."""
    contradiction: str = ""
    """Which end was not what it was said to be, `good` or `bad`; or empty."""


def most_tests(number: int) -> int:
    """Return how many of so many candidates are tested at most where all can run.

    One more is for an end that nobody tested: the result rests on two that were.
    """
    return max((number - 1).bit_length(), 1) + 1


def halve(number: int, test: Callable[[int], Answer]) -> Halved:
    """Return where candidates turn from good to bad; the last of them is said to be bad.

    The good one before them has the number GIVEN. An end that the result rests on is tested, too.
    """
    low, high = GIVEN, number - 1
    tested: set[int] = set()
    skipped: set[int] = set()
    while open_ones := [n for n in range(low + 1, high) if n not in skipped]:
        middle = (low + high) // 2
        # Beside one that cannot run others most likely cannot, either, but they are the nearest.
        chosen = min(open_ones, key=lambda n: (abs(n - middle), n))
        answer = test(chosen)
        tested.add(chosen)
        match answer:
            case "good":
                low = chosen
            case "bad":
                high = chosen
            case "skipped":
                skipped.add(chosen)
    between = tuple(sorted(n for n in skipped if low < n < high))
    for end, said in ((low, "good"), (high, "bad")):
        if end not in tested and test(end) != said:
            return Halved(low, None if said == "bad" else high, between, said)
    return Halved(low, high, between)
