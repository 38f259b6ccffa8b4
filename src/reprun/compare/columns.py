"""One column of two trees: in which of their events it differs, and by what."""

from __future__ import annotations

import re

import numpy as np

from reprun.compare.tolerance import Tolerance
from reprun.histograms import Column, Values
from reprun.wording import shortened

EXACT = Tolerance()
LONGEST_VALUE = 60
PRECISION = re.compile(r"(?<=float)\d+|(?<=int)\d+")
"""The part of a type that a tolerance makes light of."""


def types_apart(one: Column, other: Column, tolerance: Tolerance) -> str | None:
    """Return how the types of two columns differ; a tolerance allows another precision."""
    types = one.type, other.type
    if tolerance != EXACT:
        types = PRECISION.sub("", types[0]), PRECISION.sub("", types[1])
    if types[0] == types[1]:
        return None
    return f"of {_type(one)}, reference of {_type(other)}"


def differing(
    one: Column, other: Column, places: tuple[Values, Values], tolerance: Tolerance
) -> Values:
    """Say of each pair of entries whether it differs by more than is allowed."""
    here, there = places
    pairs, a, b = _paired(one, other, places)
    if one.counts is None or other.counts is None:
        return _apart(a, b, tolerance)
    apart = np.asarray(one.counts[here] != other.counts[there])
    apart[pairs[_apart(a, b, tolerance)]] = True
    return apart


def paired_values(
    one: Column, other: Column, places: tuple[Values, Values]
) -> tuple[Values, Values, Values] | None:
    """Return the numbers of entries that belong together, and the place of each pair.

    Lists count where both have as many; None for columns of anything but numbers.
    """
    kinds = {one.values.dtype.kind, other.values.dtype.kind}
    if not kinds <= set("iuf") or (one.counts is None) != (other.counts is None):
        return None
    return _paired(one, other, places)


def _paired(
    one: Column, other: Column, places: tuple[Values, Values]
) -> tuple[Values, Values, Values]:
    here, there = places
    if one.counts is None or other.counts is None:
        return np.arange(len(here)), one.values[here], other.values[there]
    sizes = one.counts[here]
    same = np.flatnonzero(sizes == other.counts[there])
    sizes = sizes[same]
    a = one.values[_within(one.counts, here[same], sizes)]
    b = other.values[_within(other.counts, there[same], sizes)]
    return np.repeat(same, sizes), a, b


def difference(one: Column, other: Column, here: int, there: int, tolerance: Tolerance) -> str:
    """Return the words for two entries that differ, to be read after the name of the column."""
    if one.counts is None or other.counts is None:
        return f" {_two_values(one.values[here], other.values[there])}"
    a, b = _list(one, here), _list(other, there)
    if len(a) != len(b):
        return f" has {len(a)} / {len(b)} values"
    place = int(np.flatnonzero(_apart(a, b, tolerance))[0])
    return f"[{place}] {_two_values(a[place], b[place])}"


def _type(column: Column) -> str:
    return shortened(column.type, LONGEST_VALUE)


def _within(counts: Values, chosen: Values, sizes: Values) -> Values:
    """Return where the values of the chosen entries are among those of all entries."""
    starts = (np.cumsum(counts) - counts)[chosen]
    before = np.cumsum(sizes) - sizes
    return np.asarray(np.repeat(starts - before, sizes) + np.arange(int(sizes.sum())))


def _list(column: Column, place: int) -> Values:
    assert column.counts is not None
    start = int(column.counts[:place].sum())
    return column.values[start : start + int(column.counts[place])]


def _apart(one: Values, other: Values, tolerance: Tolerance) -> Values:
    """Say of each pair of values whether it differs; NaN is as NaN."""
    kinds = {one.dtype.kind, other.dtype.kind}
    if not kinds <= set("iuf"):
        return np.asarray(one != other, dtype=bool)
    if len(kinds) > 1 or (tolerance != EXACT and kinds != {"f"}):
        # An integer is exact in the widest of floats only.
        one, other = one.astype(np.longdouble), other.astype(np.longdouble)
    apart = np.asarray(one != other, dtype=bool)
    if "f" in kinds:
        apart &= ~(np.isnan(one) & np.isnan(other))
    if tolerance != EXACT:
        apart &= ~tolerance.allows(one, other)
    return apart


def _two_values(one: object, other: object) -> str:
    """Return two values with as many digits as tell them apart."""
    if isinstance(one, np.floating) and isinstance(other, np.floating):
        for digits in (6, 9, 17):
            texts = f"{one:.{digits}g}", f"{other:.{digits}g}"
            if texts[0] != texts[1]:
                return " / ".join(texts)
    return f"{shortened(str(one), LONGEST_VALUE)} / {shortened(str(other), LONGEST_VALUE)}"
