"""A direct decoder of the common ROOT histograms: TH1, TH2 and TH3 without labels.

uproot needs 2 ms an object, most of it for generality; files of thousands of histograms are
read here in a tenth of it. Everything unexpected (another class version, labels, a buffer of
unsaved fills, a byte too many) raises ForeignError, and uproot reads the object instead. The
tests hold that both give the same content hash.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from reprun.digests import sha256_bytes
from reprun.histograms.composites import efficiency_table
from reprun.histograms.model import (
    LARGEST_EXACT_COUNT,
    STORAGE_LETTERS,
    Axis,
    Histogram,
    Table,
    regular_edges,
)
from reprun.histograms.root.keys import BrokenError, ForeignError, text_at

TYPES = {"C": "i1", "S": ">i2", "I": ">i4", "L": ">i8", "F": ">f4", "D": ">f8"}
HAS_BYTE_COUNT = 0x40000000
IS_REFERENCED = 1 << 4
HISTOGRAM_VERSIONS = range(5, 9)
NEW_CLASS = 0xFFFFFFFF
CLASS_REFERENCE = 0x80000000
ERROR_OPTIONS = {1: "kPoisson", 2: "kPoisson2"}
"""TH1::EBinErrorOpt; 0 is the usual one."""
EFFICIENCY_USUALLY = {"alpha": 1.0, "beta": 1.0, "confidence level": 0.682689492137}
STATISTIC_OPTIONS = (
    *("kFCP", "kFNormal", "kFWilson", "kFAC", "kFFC", "kBJeffrey", "kBUniform", "kBBayesian"),
    *("kMidP",),
)
"""TEfficiency::EStatOption; the first is the usual one."""
HISTOGRAM = re.compile(r"^TH([123])([CSILFD])$")
NO_PRIORS = 6 + 4
"""Bytes of an empty vector: its byte count, version and size."""
AXIS_ENDS = {9: 4, 10: 8}
"""Bytes of the null pointers at the end of TAxis, by its version: labels, modified labels."""
MOST_SHARED, FEW_CELLS, SHORTEST_UNSHARED = 2048, 4096, 1 << 14
"""So many axes at a time are shared between objects: those of so few bins and bytes."""


def decoded(name: str, class_name: str, data: bytes) -> Histogram:
    """Decode one TH1x, TH2x or TH3x. Raises ForeignError for what this reader does not know."""
    try:
        return _histogram(name, int(class_name[2]), class_name[3], data)
    except (struct.error, IndexError, ValueError) as error:
        raise ForeignError(str(error)) from error


def _histogram(name: str, rank: int, letter: str, data: bytes) -> Histogram:
    _, at, end = _object(data, 0)
    if end != len(data):
        raise ForeignError("bytes after the object")
    base_end = 0
    if rank > 1:
        _, at, base_end = _object(data, at)
    version, at, th1_end = _object(data, at)
    if version not in HISTOGRAM_VERSIONS:
        raise ForeignError(f"TH1 version {version}")
    _, title, at = _named(data, at)
    for _ in ("line", "fill", "marker"):
        at = _object(data, at)[2]
    (cells,) = struct.unpack_from(">i", data, at)
    at += 4
    axes = []
    for index in range(3):
        after = _object(data, at)[2]
        if index < rank:
            few = cells <= FEW_CELLS and after - at <= SHORTEST_UNSHARED
            axes.append((_shared_axis if few else _axis)(data[at:after], min(cells, len(data))))
        at = after
    # fBarOffset, fBarWidth, fEntries, four sums, maximum, minimum, norm factor
    entries, *sums, _, _, norm = struct.unpack_from(">8d", data, at + 4)
    at += 4 + 8 * 8
    _, at = _array(data, at, ">f8")
    sumw2, at = _array(data, at, ">f8")
    _, at = text_at(data, at)
    at = _object(data, at)[2]
    (buffered,) = struct.unpack_from(">i", data, at)
    if buffered:
        raise ForeignError("a buffer of fills")
    error_option = _error_option(data, at, th1_end)
    start = base_end if rank > 1 else th1_end
    values, at = _array(data, start, TYPES[letter])
    shape = tuple(axis.bins + 2 for axis in axes)
    if at != end or cells != len(values) or cells != math.prod(shape):
        raise ForeignError("the sizes do not fit")
    if letter == "L" and np.abs(values.astype(np.float64)).max() >= LARGEST_EXACT_COUNT:
        raise ForeignError("counts of 2^53 and more")
    return Histogram(
        name,
        tuple(axes),
        _shaped(values, shape),
        _shaped(sumw2, shape) if len(sumw2) else None,
        STORAGE_LETTERS[letter],
        entries,
        title,
        (*sums, *_more_sums(data, rank, base_end)),
        options(norm, error_option),
    )


def options(norm: float, error_option: int) -> dict[str, str]:
    """Return what of a TH1 changes its contents or errors as they are shown, where it is set."""
    found = {}
    if norm:
        found["norm factor"] = repr(float(norm))
    if error_option:
        found["error option of the bins"] = ERROR_OPTIONS.get(error_option, str(error_option))
    return found


def _error_option(data: bytes, at: int, end: int) -> int:
    """Return fBinStatErrOpt, which stands behind the (empty) buffer since version 7 of TH1.

    fBufferSize, the array fBuffer behind its marker, fBinStatErrOpt; since version 8 also
    fStatOverflows.
    """
    rest = end - at
    if rest < 4 + 1 + 4:
        return 0
    return int(struct.unpack_from(">i", data, at + 5)[0])


def _more_sums(data: bytes, rank: int, end: int) -> tuple[float, ...]:
    """Return the sums over fills that a TH2 or TH3 keeps besides those of a TH1.

    A TH2 has a scale factor before them, a TH3 a TAtt3D.
    """
    if rank == 1:
        return ()
    number = 3 if rank == 2 else 7
    return struct.unpack_from(f">{number}d", data, end - 8 * number)


def _shaped(flat: Any, shape: tuple[int, ...]) -> Any:
    return flat.reshape(shape[::-1]).T if len(shape) > 1 else flat


def _object(data: bytes, at: int) -> tuple[int, int, int]:
    """Return class version, start and end of the members of an object or base class."""
    count, version = struct.unpack_from(">IH", data, at)
    if not count & HAS_BYTE_COUNT:
        raise ForeignError("an object without its byte count")
    return version, at + 6, at + 4 + (count & ~HAS_BYTE_COUNT)


def _named(data: bytes, at: int) -> tuple[str, str, int]:
    """Return name and title of a TNamed and the position after it."""
    _, at, end = _object(data, at)
    _, _, bits = struct.unpack_from(">HII", data, at)
    at += 12 if bits & IS_REFERENCED else 10
    name, at = text_at(data, at)
    title, _ = text_at(data, at)
    return name, title, end


def _axis(data: bytes, cells: int) -> Axis:
    """Return an axis of an object that has, or has bytes for, so many bins."""
    version, at, end = _object(data, 0)
    _, title, at = _named(data, at)
    at = _object(data, at)[2]
    bins, lower, upper = struct.unpack_from(">idd", data, at)
    stored, at = _array(data, at + 20, ">f8")
    # fFirst, fLast, fBits2, fTimeDisplay
    _, at = text_at(data, at + 4 + 4 + 2 + 1)
    if end != len(data) or end - at != AXIS_ENDS.get(version) or any(data[at:end]):
        raise ForeignError("labels, or another version of TAxis")
    if len(stored):
        if len(stored) != bins + 1:
            raise ForeignError("edges for another number of bins")
        return Axis(stored, "variable", None, title)
    if not lower < upper or not 1 <= bins < cells:
        raise ForeignError("no rising axis")
    return Axis(regular_edges(bins, lower, upper), "regular", None, title)


_shared_axis = lru_cache(maxsize=MOST_SHARED)(_axis)
"""One value for axes of equal bytes: those of a histogram and of its reference mostly are."""


def _array(data: bytes, at: int, kind: str) -> tuple[Any, int]:
    """Return the numbers as they lie in the file; the histogram makes float64 of them, once."""
    (size,) = struct.unpack_from(">i", data, at)
    if size < 0:
        raise ForeignError("an array of negative length")
    found = np.frombuffer(data, kind, size, at + 4)
    return found, at + 4 + found.nbytes


def efficiency(name: str, data: bytes, most: int, classes: Mapping[int, str]) -> Table:
    """Decode a TEfficiency: its two histograms. uproot cannot read those with beta parameters.

    `classes` has those that are named before it in a container, by what refers to them.

    Raises ForeignError for what this reader does not know, and BrokenError for one of more than
    `most` bins.
    """
    try:
        _, at, end = _object(data, 0)
        _, title, at = _named(data, at)
        for _ in ("line", "fill", "marker"):
            at = _object(data, at)[2]
        alpha, beta = struct.unpack_from(">2d", data, at)
        # after alpha and beta: their values for each bin
        bins_at, at = at + 16, _object(data, at + 16)[2]
        priors = data[bins_at:at]
        (level,) = struct.unpack_from(">d", data, at)
        at = _pointer(data, at + 8)[1]  # after the confidence level: functions
        sides = []
        kind = ""
        option = 0
        for gap in (0, 4):  # the statistic option stands between the two histograms
            if gap:
                (option,) = struct.unpack_from(">i", data, at)
            pointed, after = _pointer(data, at + gap)
            kind, start = _class(data, pointed, kind, classes)
            if not HISTOGRAM.match(kind):
                raise ForeignError(f"an efficiency of {kind}")
            sides.append(decoded(name, kind, data[start:after]))
            at = after
        if end != len(data) or at + 8 != end:
            raise ForeignError("bytes after the object")
        (weight,) = struct.unpack_from(">d", data, at)
    except (struct.error, IndexError, ValueError) as error:
        raise ForeignError(str(error)) from error
    facts = _efficiency_facts(alpha, beta, level, option, weight)
    if len(priors) > NO_PRIORS:
        facts["priors of the bins"] = sha256_bytes(priors)
    if (bins := sides[0].values.size) > most or sides[1].values.shape != sides[0].values.shape:
        raise BrokenError(f"it has {bins:,} bins, and takes {len(data):,} bytes")
    return efficiency_table(name, sides[0], sides[1], title, facts)


def _efficiency_facts(
    alpha: float, beta: float, level: float, option: int, weight: float
) -> dict[str, str]:
    """Return the options that are not the usual ones: they decide the errors that are drawn."""
    found = {}
    said = {"alpha": alpha, "beta": beta, "confidence level": level, "weight": weight}
    for name, value in said.items():
        if not math.isclose(value, EFFICIENCY_USUALLY.get(name, 1.0), rel_tol=1e-9):
            found[name] = repr(float(value))
    if option:
        known = 0 < option < len(STATISTIC_OPTIONS)
        found["statistic option"] = STATISTIC_OPTIONS[option] if known else str(option)
    return found


def _pointer(data: bytes, at: int) -> tuple[int, int]:
    """Return where the class tag of an object behind a pointer stands, and where it ends."""
    (count,) = struct.unpack_from(">I", data, at)
    if not count:
        return at, at + 4
    if not count & HAS_BYTE_COUNT:
        raise ForeignError("a reference to another object")
    return at + 4, at + 4 + (count & ~HAS_BYTE_COUNT)


def _class(data: bytes, at: int, before: str, classes: Mapping[int, str]) -> tuple[str, int]:
    """Return the class name at a tag and where the object starts.

    A reference to a class that is not known repeats `before`.
    """
    (tag,) = struct.unpack_from(">I", data, at)
    if tag == NEW_CLASS:
        end = data.index(0, at + 4)
        return data[at + 4 : end].decode("ascii", "replace"), end + 1
    if not tag & CLASS_REFERENCE:
        raise ForeignError("no class")
    return classes.get(tag & ~CLASS_REFERENCE, before), at + 4
