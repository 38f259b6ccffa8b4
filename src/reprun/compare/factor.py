# ruff: noqa: RUF001 - the sign of multiplication
"""A common factor: one number by which everything that is filled differs.

Another luminosity, cross section, sign or unit scales all bins alike. That is one difference, and
it looks like as many as there are bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reprun.compare.tolerance import ROUNDING, rounding_of
from reprun.compare.verdict import Factor
from reprun.histograms import DataObject, Floats, Histogram, Table
from reprun.wording import count_of, listed

FEWEST = 3
"""Of fewer numbers a common factor may be chance."""


def common_factor(monitored: DataObject, reference: DataObject) -> Factor | None:
    """Return what two objects of one structure differ by, where it is one factor in everything.

    Flow bins count; what is zero on both sides says nothing. Of a table, each column that differs
    may have a factor of its own: of a profile in another unit the sums of squares have another.
    """
    if isinstance(monitored, Histogram) and isinstance(reference, Histogram):
        return _of_histograms(monitored, reference)
    assert isinstance(monitored, Table)
    assert isinstance(reference, Table)
    return _of_tables(monitored, reference)


def _of_histograms(one: Histogram, other: Histogram) -> Factor | None:
    rounding = rounding_of(other)
    contents = one.values.ravel(), other.values.ravel()
    found = _factor(*contents, rounding)
    if found is None and not np.array_equal(*contents):
        return None
    filled = int(np.count_nonzero(contents[1]))
    bins = f"all {count_of(filled, 'filled bin')}"
    if found is None:
        squares = _squares(one, other, rounding)
        if squares is None:
            return None
        root = math.copysign(math.sqrt(abs(squares)), squares)
        return Factor(root, f"errors of {bins} × {_shown(root)}, contents equal")
    return Factor(found, f"{bins} × {_shown(found)}{_meaning(found)}{_errors(one, other, found)}")


def _squares(one: Histogram, other: Histogram, rounding: float) -> float | None:
    """Return the factor of the stored sumw2, None where there is none in common."""
    if one.sumw2 is None or other.sumw2 is None:
        return None
    return _factor(one.sumw2.ravel(), other.sumw2.ravel(), 2 * rounding)


def _errors(one: Histogram, other: Histogram, factor: float) -> str:
    """Say what became of the stored errors, where that does not follow from the factor."""
    if one.sumw2 is None or other.sumw2 is None or factor == -1:
        return ""
    rounding = 4 * rounding_of(other)
    squares = _squares(one, other, rounding)
    if np.array_equal(one.sumw2, other.sumw2):
        return ", errors unchanged"
    if squares is None:
        return ", errors by no common factor"
    if math.isclose(squares, factor * factor, rel_tol=rounding):
        return ", errors too"
    return f", sumw2 × {_shown(squares)}"


def _of_tables(one: Table, other: Table) -> Factor | None:
    sides = one.values, other.values
    same = (sides[0] == sides[1]) | (np.isnan(sides[0]) & np.isnan(sides[1]))
    differing = np.flatnonzero(~same.all(axis=0)).tolist()
    pair = sides[0][:, differing], sides[1][:, differing]
    names = [other.columns[index] for index in differing]
    found = _factor(pair[0].ravel(), pair[1].ravel(), ROUNDING)
    if found is not None:
        filled = int(np.count_nonzero(pair[1]))
        of = f" in {_quoted(names)}" if len(names) < len(other.columns) else ""
        numbers = f"all {count_of(filled, 'number')} that are not zero{of}"
        return Factor(found, f"{numbers} × {_shown(found)}{_meaning(found)}")
    factors = [_factor(pair[0][:, n], pair[1][:, n], ROUNDING) for n in range(len(names))]
    if len(names) < 2 or any(factor is None for factor in factors):
        return None
    each = [f"'{name}' × {_shown(k)}" for name, k in zip(names, factors, strict=True) if k]
    return Factor(factors[0] or math.nan, f"all numbers of {listed(each)}")


def _factor(one: Floats, other: Floats, rounding: float) -> float | None:
    """Return k of one = k · other within rounding, None if there is none or it is 1."""
    largest = int(np.argmax(np.abs(other)))
    above, below = float(one[largest]), float(other[largest])
    if not below:
        return None
    factor = above / below
    if not math.isfinite(factor) or abs(factor - 1) <= 2 * rounding:
        return None
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        close = np.abs(one - factor * other) <= 2 * rounding * np.abs(one)
    if not close.all():
        return None  # of nearly all pairs
    filled = (one != 0) | (other != 0)
    a, b = one[filled], other[filled]
    known = np.isfinite(a).all() and np.isfinite(b).all() and a.all() and b.all()
    return factor if known and a.size >= FEWEST else None


def _shown(factor: float) -> str:
    """Return a factor with six digits, or as many as tell it from 1."""
    for digits in (6, 9, 12):
        text = f"{factor:.{digits}g}"
        if float(text) != 1:
            return text
    return f"{factor:.15g}"


def _meaning(factor: float) -> str:
    if factor == -1:
        return " (the sign)"
    power = math.log10(abs(factor)) / 3
    if factor > 0 and abs(power - round(power)) < ROUNDING and round(power) != 0:
        return " (the unit?)"
    return ""


def _quoted(names: Sequence[str]) -> str:
    return listed([f"'{name}'" for name in names], last=" and ")
