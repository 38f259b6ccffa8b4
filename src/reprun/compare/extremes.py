"""Extremes: what is gathered over the bins of many pairs of objects at once.

Pairs of one shape are the rows of two arrays, so that small histograms cost no call of numpy
each; large ones are looked at part by part, because what fits a processor's cache is several
times faster and needs no second copy of ten million bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reprun.compare.tolerance import (
    ROUNDING,
    SINGLE_ROUNDING,
    Flags,
    Tolerance,
    differ,
    signed_root,
)
from reprun.histograms import Floats

AT_A_TIME = 1 << 16
"""Bins looked at in one go."""

Places: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Kind:
    """What pairs must share to be looked at together."""

    shape: tuple[int, ...]
    sumw2: tuple[bool, bool]
    """Whether either side stores it."""
    binned: bool
    single: bool
    """Whether numbers are stored in single precision."""
    tolerance: Tolerance


@dataclass(frozen=True, slots=True)
class Stack:
    """Numbers of several objects, one a row."""

    values: Floats
    sumw2: Floats | None

    def part(self, bins: slice) -> Stack:
        """Return some bins of every object."""
        return Stack(self.values[:, bins], None if self.sumw2 is None else self.sumw2[:, bins])


class Extremes:
    """Of each pair of one kind: how many bins differ, by how much, and the places to show."""

    def __init__(self, kind: Kind, rows: int, shown: int) -> None:
        self.kind, self.shown = kind, shown
        self.differing = np.zeros(rows, dtype=np.int64)
        self.beyond = np.zeros(rows, dtype=np.int64)
        self.beyond_rounding = np.zeros(rows, dtype=np.int64)
        self.absolute, self.relative, self.ulp, self.pull = (np.zeros(rows) for _ in range(4))
        self.first_differing: list[list[int]] = [[] for _ in range(rows)]
        self.first_beyond: list[list[int]] = [[] for _ in range(rows)]
        self.worst: list[tuple[float, float, int] | None] = [None] * rows
        """Pull and relative difference of the worst bin beyond the tolerance, and its place."""
        self.chi2, self.total, self.variance = (np.zeros(rows) for _ in range(3))
        self.ndf = np.zeros(rows, dtype=np.int64)
        self.largest_pull = np.zeros(rows)
        self.finite_alike = np.ones(rows, dtype=np.bool_)
        self.filled = np.zeros((2, rows), dtype=np.bool_)
        """Whether either side has a number that is not zero."""


# Overflow, 0/0 and inf - inf are answered by IEEE 754's infinities and NaN, on purpose.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def extremes_of(kind: Kind, one: Stack, other: Stack, shown: int) -> Extremes:
    """Measure pairs of one kind, keeping at most `shown` places of each, and at least one."""
    rows, bins = one.values.shape
    found = Extremes(kind, rows, max(shown, 1))
    width = max(AT_A_TIME // max(rows, 1), 1)
    for start in range(0, bins, width):
        part = slice(start, start + width)
        _gather(found, start, one.part(part), other.part(part))
    return found


def _gather(found: Extremes, start: int, one: Stack, other: Stack) -> None:
    """Add some bins of every pair, the first of which is at place `start`."""
    a, b = one.values, other.values
    pulls: Floats | None = None
    for side, values in enumerate((a, b)):
        found.filled[side] |= values.any(axis=1)
    finite = np.isfinite(a)
    found.finite_alike &= (finite == np.isfinite(b)).all(axis=1)
    if found.kind.binned:
        pulls = _spread(found, one, other, finite)
    apart = differ(a, b)
    errors: tuple[Floats, Floats] | None = None
    if one.sumw2 is not None and other.sumw2 is not None:
        errors = signed_root(one.sumw2), signed_root(other.sumw2)
        apart |= differ(*errors)
    rows, places = np.nonzero(apart)
    if not rows.size:
        return
    segments = _Segments(rows)
    a, b = a[rows, places], b[rows, places]
    sides = [(a, b)] if errors is None else [(a, b), (errors[0][apart], errors[1][apart])]
    beyond = _beyond(sides, found.kind.tolerance)
    present = segments.rows
    found.differing[present] += segments.counts
    found.beyond[present] += segments.sums(beyond)
    rounding = Tolerance(SINGLE_ROUNDING if found.kind.single else ROUNDING)
    found.beyond_rounding[present] += segments.sums(_beyond(sides, rounding))
    absolute, relative = _deltas(sides)
    _raise(found.absolute, segments, absolute)
    _raise(found.relative, segments, relative)
    _raise(found.ulp, segments, ulps(a, b, np.float32 if found.kind.single else np.float64))
    here = np.zeros(rows.size) if pulls is None else pulls[rows, places]
    size = np.abs(here)
    _note_places(found, segments, places + start, beyond)
    _note_worst(found, segments, places + start, beyond, size, relative)
    if pulls is not None:
        largest = here[segments.first_of_largest(size)]
        more = np.abs(largest) > np.abs(found.pull[present])
        found.pull[present[more]] = largest[more]


class _Segments:
    """Numbers of several pairs behind each other: where those of each begin."""

    def __init__(self, rows: Places) -> None:
        self.starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
        self.counts = np.diff(np.append(self.starts, rows.size))
        self.rows = rows[self.starts]
        """The pairs that have any."""

    def sums(self, flags: Flags) -> NDArray[np.int64]:
        """Return how many are set, for each pair."""
        return np.add.reduceat(flags.astype(np.int64), self.starts)

    def largest(self, values: Floats) -> Floats:
        """Return the largest of each pair."""
        return np.asarray(np.maximum.reduceat(values, self.starts))

    def first_of_largest(self, values: Floats) -> Places:
        """Return where the largest of each pair is, the first of several."""
        hits = np.flatnonzero(values == np.repeat(self.largest(values), self.counts))
        return hits[np.searchsorted(hits, self.starts)]


def _raise(highest: Floats, segments: _Segments, values: Floats) -> None:
    highest[segments.rows] = np.maximum(highest[segments.rows], segments.largest(values))


def _beyond(sides: Sequence[tuple[Floats, Floats]], tolerance: Tolerance) -> Flags:
    """Say of each place whether contents or errors differ by more than a tolerance."""
    fine = [tolerance.allows(a, b) | (np.isnan(a) & np.isnan(b)) for a, b in sides]
    return np.asarray(~np.logical_and.reduce(fine))


def _note_places(found: Extremes, segments: _Segments, places: Places, beyond: Flags) -> None:
    """Keep the first places that differ of each pair, and the first beyond the tolerance."""
    for which, kept in ((None, found.first_differing), (beyond, found.first_beyond)):
        for row, start, count in zip(
            segments.rows.tolist(), segments.starts.tolist(), segments.counts.tolist(), strict=True
        ):
            if (room := found.shown - len(kept[row])) > 0:
                these = places[start : start + count]
                these = these if which is None else these[which[start : start + count]]
                kept[row] += these[:room].tolist()


def _note_worst(
    found: Extremes,
    segments: _Segments,
    places: Places,
    beyond: Flags,
    pulls: Floats,
    shares: Floats,
) -> None:
    """Keep the place beyond the tolerance with the largest pull.

    Where none pulls, because no content differs or nothing has an error, it is the one with the
    largest relative difference.
    """
    pulling = segments.largest(np.where(beyond, pulls, -1.0))
    by_pull = np.repeat(pulling > 0, segments.counts)
    index = segments.first_of_largest(np.where(beyond, np.where(by_pull, pulls, shares), -1.0))
    for row, at, pull in zip(segments.rows.tolist(), index.tolist(), pulling.tolist(), strict=True):
        if pull < 0:
            continue  # no bin is beyond the tolerance
        here = pull, 0.0 if pull else float(shares[at]), int(places[at])
        worst = found.worst[row]
        if worst is None or here[:2] > worst[:2]:
            found.worst[row] = here


def _spread(found: Extremes, one: Stack, other: Stack, finite: Flags) -> Floats:
    """Add what says whether independent samples of one law might differ as much.

    Return the pulls. Of a pair that is not finite in the same bins nothing is asked any more.
    """
    variance = np.abs(one.values if one.sumw2 is None else one.sumw2)
    variance = variance + np.abs(other.values if other.sumw2 is None else other.sumw2)
    delta = one.values - other.values
    pulls = np.where(delta == 0, 0.0, delta / np.sqrt(variance))
    pulls[np.isnan(pulls)] = np.inf
    parts = pulls, delta, variance
    if not finite.all():
        parts = tuple(np.where(finite, each, 0.0) for each in parts)  # type: ignore[assignment]
    found.chi2 += (parts[0] * parts[0]).sum(axis=1)
    found.ndf += np.count_nonzero(parts[2], axis=1)
    found.total += parts[1].sum(axis=1)
    found.variance += parts[2].sum(axis=1)
    found.largest_pull = np.maximum(found.largest_pull, np.abs(parts[0]).max(axis=1, initial=0.0))
    return pulls


def _deltas(sides: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Return the largest absolute and relative difference of contents and errors at each place.

    Infinite against NaN or infinity.
    """
    absolute, relative = [], []
    for a, b in sides:
        apart = differ(a, b)
        delta = np.abs(a - b)
        share = delta / np.maximum(np.abs(a), np.abs(b))
        absolute.append(np.where(apart, np.nan_to_num(delta, nan=np.inf), 0.0))
        relative.append(np.where(apart, np.nan_to_num(share, nan=np.inf), 0.0))
    return np.max(absolute, axis=0), np.max(relative, axis=0)


def ulps(one: Floats, other: Floats, precision: type[np.float32 | np.float64]) -> Floats:
    """Return how many representable numbers lie between each pair: 1 for neighbours.

    The bits of IEEE 754 numbers, read as sign and magnitude, count them in order.
    """
    unsigned: Any = np.uint64 if precision is np.float64 else np.uint32
    top = unsigned(1) << unsigned(63 if precision is np.float64 else 31)

    def order(values: Floats) -> Any:
        bits = (values + 0.0).astype(precision).view(unsigned)
        return np.where(bits & top, ~bits, bits | top)

    a, b = order(one), order(other)
    # The steps from -0.0 to 0.0 are the same number: one step too many across zero.
    across = ((a < top) != (b < top)).astype(np.float64)
    steps = (np.maximum(a, b) - np.minimum(a, b)).astype(np.float64) - across
    return np.asarray(np.where(np.isnan(one) != np.isnan(other), np.inf, np.maximum(steps, 0.0)))
