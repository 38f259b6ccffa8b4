"""Numbers: how far two objects of one structure lie apart, bin by bin, flow included.

A bin differs if its content or its error differs. NaN in the same bin of both is no
difference (a rerun reproduces it); NaN against a number is an infinite one. -0.0 equals 0.0.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reprun.compare.extremes import AT_A_TIME, Extremes, Kind, Stack, extremes_of
from reprun.compare.tolerance import Tolerance
from reprun.compare.verdict import BinDifference, Numbers
from reprun.histograms import DataObject, Histogram

SHOWN = 5
"""How many differing bins are shown."""

LARGEST_PULL = 5.0
LARGEST_CHI2_SIGMA = 3.0
LARGEST_TOTAL_PULL = 3.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two objects that `structure_difference` found comparable, and what they may differ by."""

    monitored: DataObject
    reference: DataObject
    tolerance: Tolerance

    @property
    def kind(self) -> Kind:
        """What other pairs must be like to be measured together with this one."""
        sides = self.monitored, self.reference
        histograms = [side for side in sides if isinstance(side, Histogram)]
        stored = [side.sumw2 is not None for side in histograms] or [False, False]
        return Kind(
            self.monitored.values.shape,
            (stored[0], stored[-1]),
            bool(histograms),
            bool(histograms) and histograms[0].storage == "float32",
            self.tolerance,
        )


def numeric_differences(pairs: Sequence[Pair], *, detailed: bool = True) -> list[Numbers]:
    """Measure pairs of objects, in their order.

    At most `SHOWN` bins of each are described; unless `detailed`, only those that a sentence needs.
    """
    alike: dict[Kind, list[int]] = defaultdict(list)
    for index, pair in enumerate(pairs):
        alike[pair.kind].append(index)
    found: dict[int, Numbers] = {}
    for kind, indices in alike.items():
        together = max(AT_A_TIME // max(math.prod(kind.shape), 1), 1)
        for start in range(0, len(indices), together):
            batch = indices[start : start + together]
            these = [pairs[index] for index in batch]
            sides = (
                _stack(kind, [pair.monitored for pair in these], kind.sumw2[0]),
                _stack(kind, [pair.reference for pair in these], kind.sumw2[1]),
            )
            extremes = extremes_of(kind, *sides, SHOWN if detailed else 1)
            for row, (index, pair) in enumerate(zip(batch, these, strict=True)):
                found[index] = _numbers(pair, extremes, row, detailed=detailed)
    return [found[index] for index in range(len(pairs))]


def _stack(kind: Kind, things: Sequence[DataObject], sumw2: bool) -> Stack:
    """Return the numbers of objects of one kind, those of a single one without a copy."""
    arrays = [[thing.values for thing in things]]
    if sumw2:
        stored = [thing.sumw2 for thing in things if isinstance(thing, Histogram)]
        arrays.append([array for array in stored if array is not None])
    whole = [
        each[0].reshape(1, -1) if len(each) == 1 else np.stack(each).reshape(len(each), -1)
        for each in arrays
    ]
    return Stack(whole[0], whole[1] if sumw2 else None)


def _numbers(pair: Pair, extremes: Extremes, row: int, *, detailed: bool) -> Numbers:
    monitored, reference = pair.monitored, pair.reference
    binned = extremes.kind.binned
    beyond = int(extremes.beyond[row])
    worst = extremes.worst[row]
    described = {} if worst is None else {worst[2]: _describe(monitored, reference, worst[2])}
    places = extremes.first_beyond[row] or extremes.first_differing[row]
    # Of several bins that differ a sentence names the worst, of a list of values the first.
    if not detailed and binned and beyond != 1:
        places = []
    for place in places:
        if place not in described:
            described[place] = _describe(monitored, reference, place)
    return Numbers(
        bins=monitored.values.size,
        differing=int(extremes.differing[row]),
        beyond=beyond,
        beyond_rounding=int(extremes.beyond_rounding[row]),
        max_ulp=float(extremes.ulp[row]),
        max_relative=float(extremes.relative[row]),
        max_absolute=float(extremes.absolute[row]),
        max_pull=float(extremes.pull[row]) if binned else None,
        within_statistics=_within_statistics(extremes, row),
        first=tuple(described[place] for place in places),
        worst=None if worst is None else described[worst[2]],
        integrals=_integrals(monitored, reference) if beyond else None,
    )


def _integrals(monitored: DataObject, reference: DataObject) -> tuple[float, float] | None:
    """Return the contents of two histograms without flow bins."""
    one, other = integral_of(monitored), integral_of(reference)
    return None if one is None or other is None else (one, other)


def integral_of(thing: DataObject) -> float | None:
    """Return the contents of a histogram without flow bins, None for a table."""
    if not isinstance(thing, Histogram):
        return None
    return float(thing.values[(slice(1, -1),) * len(thing.axes)].sum())


def _within_statistics(found: Extremes, row: int) -> bool:
    """Say whether two independent samples of one law might differ as much.

    It only chooses between the words `changed` and `different`; neither passes. True if no
    bin pulls by more than 5, the totals by no more than 3 and the un-normalised chi2 over all
    bins with an error lies within 3 standard deviations, by the cube-root approximation of
    E. B. Wilson and M. M. Hilferty, PNAS 17 (1931) 684. An empty histogram never is a sample of
    the law of one that is not. For a table, which has no errors, true as long as every number is
    finite.
    """
    if not found.finite_alike[row]:
        return False
    if not found.kind.binned:
        return True
    if found.filled[0][row] != found.filled[1][row]:
        return False
    ndf = int(found.ndf[row])
    if not ndf:
        return True
    width = 2.0 / (9.0 * ndf)
    sigma = (math.cbrt(float(found.chi2[row]) / ndf) - (1.0 - width)) / math.sqrt(width)
    return bool(
        found.largest_pull[row] <= LARGEST_PULL
        and abs(found.total[row]) <= LARGEST_TOTAL_PULL * math.sqrt(found.variance[row])
        and sigma <= LARGEST_CHI2_SIGMA
    )


def _error_at(thing: Histogram, place: tuple[int, ...]) -> float:
    stored = thing.values if thing.sumw2 is None else thing.sumw2
    return math.sqrt(abs(stored[place]))


def _describe(monitored: DataObject, reference: DataObject, flat: int) -> BinDifference:
    place = tuple(int(index) for index in np.unravel_index(flat, reference.values.shape))
    a, b = float(monitored.values[place]), float(reference.values[place])
    errors: tuple[float | None, float | None] = (None, None)
    edges: tuple[tuple[float, float], ...] = ()
    if isinstance(monitored, Histogram) and isinstance(reference, Histogram):
        errors = _error_at(monitored, place), _error_at(reference, place)
        edges = tuple(
            (
                float(axis.edges[index - 1]) if index else -math.inf,
                float(axis.edges[index]) if index <= axis.bins else math.inf,
            )
            for axis, index in zip(reference.axes, place, strict=True)
        )
    pull = None
    if errors[0] is not None and errors[1] is not None:
        # Python's own floats: this runs for each shown bin of each object.
        spread = math.hypot(errors[0], errors[1])
        pull = 0.0 if a == b else (a - b) / spread if spread else math.copysign(math.inf, a - b)
        pull = math.inf if math.isnan(pull) else pull
    return BinDifference(
        place=place,
        label=reference.describe_bin(place),
        edges=edges,
        monitored=a,
        reference=b,
        monitored_error=errors[0],
        reference_error=errors[1],
        ratio=a / b if b else math.nan,
        pull=pull,
    )
