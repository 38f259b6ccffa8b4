"""One column of two trees: in which of their events it differs, and by what."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import numpy as np

from reprun.compare.tolerance import Tolerance
from reprun.histograms import Column, Values
from reprun.histograms.events import NUMBER, TEXT, as_texts
from reprun.wording import shortened

EXACT = Tolerance()
LONGEST_VALUE = 60
PRECISION = re.compile(r"(?<=float)\d+|(?<=int)\d+")
"""The part of a type that a tolerance makes light of."""
SIZE = re.compile(r"\d+ \* ")
IN_A_TABLE = {TEXT: "string"}
"""What types of a table of text are in other files; its numbers are any."""


def types_apart(
    one: Column, other: Column, tolerance: Tolerance, *, alike: bool = True
) -> str | None:
    """Return how the types of two columns differ; a tolerance allows another precision.

    Unless both are stored `alike`, that a list has one size or that a value may be missing is not
    part of a type.
    """
    types = one.type, other.type
    if not alike:
        types = _anywhere(one.type), _anywhere(other.type)
        kinds = {one.values.dtype.kind, other.values.dtype.kind}
        if NUMBER in types and kinds <= set("iuf") and one.counts is None and other.counts is None:
            return None
    if tolerance != EXACT:
        types = PRECISION.sub("", types[0]), PRECISION.sub("", types[1])
    if types[0] == types[1]:
        return None
    return f"of {_type(one)}, reference of {_type(other)}"


def _anywhere(kind: str) -> str:
    return IN_A_TABLE.get(kind, SIZE.sub("var * ", kind).replace("?", ""))


def differing(
    one: Column, other: Column, places: tuple[Values, Values], tolerance: Tolerance
) -> Values:
    """Say of each pair of entries whether it differs by more than is allowed."""
    one, other = _comparable(one, other)
    here, there = places
    pairs, a, b = _paired(one, other, places)
    if one.counts is None or other.counts is None:
        return _apart(a, b, tolerance, documents=_holds_documents(one))
    apart = np.asarray(one.counts[here] != other.counts[there])
    apart[pairs[_apart(a, b, tolerance)]] = True
    return apart


def _comparable(one: Column, other: Column) -> tuple[Column, Column]:
    """Return two columns of one type in one form: as text where a value of either is missing."""
    if (one.counts is None) == (other.counts is None) and (
        (one.values.dtype.kind == "O") == (other.values.dtype.kind == "O")
    ):
        return one, other
    return _as_text(one), _as_text(other)


def _as_text(column: Column) -> Column:
    if column.values.dtype.kind == "O":
        return column
    values: Sequence[object] = column.values.tolist()
    if column.counts is not None:
        ends = np.cumsum(column.counts).tolist()
        values = [values[end - size : end] for end, size in zip(ends, column.counts, strict=True)]
    return Column(column.type, as_texts(values))


def _holds_documents(column: Column) -> bool:
    """Say whether a column of text is of numbers, lists or records that are written as JSON."""
    return column.values.dtype.kind == "O" and column.type not in (TEXT, "string")


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
    one, other = _comparable(one, other)
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


def _apart(one: Values, other: Values, tolerance: Tolerance, *, documents: bool = False) -> Values:
    """Say of each pair of values whether it differs; NaN is as NaN, and none as none."""
    kinds = {one.dtype.kind, other.dtype.kind}
    if not kinds <= set("iuf"):
        apart = np.asarray(one != other, dtype=bool)
        if documents:
            for place in np.flatnonzero(apart):
                apart[place] = not _is_close(
                    _document(one[place]), _document(other[place]), tolerance
                )
        return apart
    if len(kinds) > 1 or (tolerance != EXACT and kinds != {"f"}):
        # An integer is exact in the widest of floats only.
        one, other = one.astype(np.longdouble), other.astype(np.longdouble)
    apart = np.asarray(one != other, dtype=bool)
    if "f" in kinds:
        apart &= ~(np.isnan(one) & np.isnan(other))
    if tolerance != EXACT:
        apart &= ~tolerance.allows(one, other)
    return apart


def _document(text: str | None) -> object:
    return None if text is None else json.loads(text)


def _is_close(one: object, other: object, tolerance: Tolerance) -> bool:
    """Say of two values, whatever is in them, whether their numbers are as near as is allowed."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(
            _is_close(value, other[name], tolerance) for name, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            _is_close(a, b, tolerance) for a, b in zip(one, other, strict=True)
        )
    numbers = not (isinstance(one, bool) or isinstance(other, bool))
    if numbers and isinstance(one, int) and isinstance(other, int):
        # Python's own, which have no largest.
        most = max(tolerance.absolute, tolerance.relative * max(abs(one), abs(other)))
        return abs(one - other) <= most
    if numbers and isinstance(one, int | float) and isinstance(other, int | float):
        missing = one != one and other != other  # noqa: PLR0124 - NaN
        return missing or one == other or tolerance.allows_number(one, other)
    return type(one) is type(other) and one == other


def _two_values(one: object, other: object) -> str:
    """Return two values with as many digits as tell them apart."""
    if isinstance(one, np.floating) and isinstance(other, np.floating):
        for digits in (6, 9, 17):
            texts = f"{one:.{digits}g}", f"{other:.{digits}g}"
            if texts[0] != texts[1]:
                return " / ".join(texts)
    return f"{shortened(str(one), LONGEST_VALUE)} / {shortened(str(other), LONGEST_VALUE)}"
