"""How far two objects lie apart, in words: the worst bin, the integral, and how many differ."""

from __future__ import annotations

import math

from reprun.compare.tolerance import Tolerance
from reprun.compare.verdict import BinDifference, Numbers
from reprun.histograms import DataObject, Histogram, Table
from reprun.histograms.model import VALUES
from reprun.wording import count_of

SAME_INTEGRAL = 1e-12
"""Relative: what the last digits of a sum may be off."""
LARGEST_PERCENTAGE = 1e4


def headline_of(thing: DataObject, numbers: Numbers) -> str:
    """Return the most important of what differs, to be read after the name of an object.

    The worst bin and the integral, or the factor in common; where one bin differs that bin. Of a
    table of values it is the first that differs: a cut flow goes wrong there.
    """
    if numbers.factor is not None:
        return _joined(numbers.factor.sentence, _integral(numbers))
    if _in_order(thing) or numbers.beyond == 1:
        return bin_sentence(numbers.first[0])
    return _joined(_extent(thing, numbers), _worst(numbers), _integral(numbers))


def sentence_of_difference(thing: DataObject, numbers: Numbers, tolerance: Tolerance) -> str:
    """Return all that is said of the numbers that differ by more than a tolerance."""
    more = f" by more than {tolerance}" if str(tolerance) != "nothing" else ""
    known = math.isfinite(numbers.max_relative)
    size = f", at most {numbers.max_relative:.2g} relative" if known else ""
    extent = _extent(thing, numbers)
    if numbers.factor is not None:
        return _joined(numbers.factor.sentence, f"{extent}{more}{size}", _integral(numbers))
    if _in_order(thing):
        return _joined(
            bin_sentence(numbers.first[0]), f"{extent}{_row(thing, numbers)}{more}{size}"
        )
    if numbers.beyond == 1:
        pull = f", {_pull(numbers.worst)}" if numbers.worst and _pull(numbers.worst) else ""
        return _joined(
            bin_sentence(numbers.first[0]), f"{extent}{more}{size}{pull}", _integral(numbers)
        )
    return _joined(f"{extent}{more}{size}", _worst(numbers), _integral(numbers))


def bin_sentence(found: BinDifference) -> str:
    """Return what is in one bin, and what in the reference."""
    if found.monitored == found.reference and found.monitored_error is not None:
        assert found.reference_error is not None
        a, b = two_figures(found.monitored_error, found.reference_error)
        return f"{found.label} has error {a}, reference {b}"
    a, b = two_figures(found.monitored, found.reference)
    return f"{found.label} is {a}, reference {b}"


def two_figures(one: float, other: float, *, separated: bool = False) -> tuple[str, str]:
    """Return two numbers with as few digits as tell them apart; counts in full."""
    comma = "," if separated else ""
    if one.is_integer() and other.is_integer() and max(abs(one), abs(other)) < 1e15:
        return f"{one:{comma}.0f}", f"{other:{comma}.0f}"
    for digits in (6, 9, 12, 15):
        texts = f"{one:{comma}.{digits}g}", f"{other:{comma}.{digits}g}"
        if texts[0] != texts[1]:
            return texts
    return f"{one:.17g}", f"{other:.17g}"


def _in_order(thing: DataObject) -> bool:
    """Whether what is stored is a list of values, whose first difference is what counts."""
    return isinstance(thing, Table) and thing.class_name in VALUES


def _extent(thing: DataObject, numbers: Numbers) -> str:
    noun = "bin" if isinstance(thing, Histogram) else "number"
    differ = "differs" if numbers.beyond == 1 else "differ"
    return f"{numbers.beyond:,} of {count_of(numbers.bins, noun)} {differ}"


def _row(thing: DataObject, numbers: Numbers) -> str:
    if not (isinstance(thing, Table) and len(thing.rows) > 1):
        return ""
    row = numbers.first[0].place[0]
    return f", first in '{thing.rows[row]}' (row {row + 1} of {len(thing.rows)})"


def _worst(numbers: Numbers) -> str:
    worst = numbers.worst
    if worst is None:
        return ""
    pull = f" ({_pull(worst)})" if _pull(worst) else ""
    if worst.monitored == worst.reference and worst.monitored_error is not None:
        assert worst.reference_error is not None
        a, b = two_figures(worst.monitored_error, worst.reference_error)
        return f"worst in {worst.label}: error {a} against {b}"
    a, b = two_figures(worst.monitored, worst.reference)
    return f"worst in {worst.label}: {a} against {b}{pull}"


def _pull(found: BinDifference) -> str:
    """Return the pull; empty where it is zero, or says no more than that there are no errors."""
    return f"pull {found.pull:+.2g}" if found.pull and math.isfinite(found.pull) else ""


def _integral(numbers: Numbers) -> str:
    """Return both integrals, without flow as ROOT has them; empty where there are none."""
    if numbers.integrals is None or not all(map(math.isfinite, numbers.integrals)):
        return ""
    one, other = numbers.integrals
    if math.isclose(one, other, rel_tol=SAME_INTEGRAL):
        return "the integral is the same"
    a, b = two_figures(one, other, separated=True)
    return f"integral {a} against {b}{_percentage(one, other)}"


def integrals_in_words(before: float, after: float) -> str:
    """Return what became of an integral: `10,120 → 10,234 (+1.1 %)`."""
    if before == after:
        return f"{two_figures(before, after, separated=True)[0]} as before"
    a, b = two_figures(before, after, separated=True)
    return f"{a} → {b}{_percentage(after, before)}"


def _percentage(one: float, other: float) -> str:
    percentage = 100 * (one - other) / abs(other) if other else math.inf
    if abs(percentage) >= LARGEST_PERCENTAGE:
        return ""
    digits = f"{percentage:+.2g}" if abs(percentage) < 99.5 else f"{percentage:+,.0f}"
    return f" ({digits} %)"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
