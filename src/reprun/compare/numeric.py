"""Numbers: how far two objects of one structure lie apart, bin by bin, flow included.

A bin differs if its content or its error differs. NaN in the same bin of both is no
difference (a rerun reproduces it); NaN against a number is an infinite one. -0.0 equals 0.0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reprun.compare.verdict import BinDifference, Numbers
from reprun.histograms import DataObject, Floats, Histogram

SHOWN = 5
"""How many differing bins are shown."""

LARGEST_PULL = 5.0
LARGEST_CHI2_SIGMA = 3.0
LARGEST_TOTAL_PULL = 3.0

Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What two numbers a and b may differ by: max(absolute, relative * max(|a|, |b|)).

    The rule of Python's math.isclose, symmetric in a and b. Errors are held to the same as
    contents, as sqrt(sumw2), so that one figure covers both.
    """

    relative: float = 0.0
    absolute: float = 0.0

    def allows(self, one: Floats, other: Floats) -> Flags:
        """Say for each pair whether it lies within; infinities of one sign do, NaN never."""
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.maximum(np.abs(one), np.abs(other))
            allowed = np.maximum(self.absolute, self.relative * size)
            close = (np.abs(one - other) <= allowed) & np.isfinite(size)
        return np.asarray(close | (one == other))

    def __str__(self) -> str:
        texts = [f"{self.relative:g} relative"] if self.relative else []
        texts += [f"{self.absolute:g} absolute"] if self.absolute else []
        return " or ".join(texts) or "nothing"


# Overflow, 0/0 and inf - inf are answered by IEEE 754's infinities and NaN, on purpose.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def numeric_difference(
    monitored: DataObject, reference: DataObject, tolerance: Tolerance
) -> Numbers:
    """Measure two objects that `structure_difference` found comparable."""
    one, other = monitored.values.ravel(), reference.values.ravel()
    apart = _differ(one, other)
    signed_errors: tuple[Floats, Floats] | None = None
    stored = [getattr(thing, "sumw2", None) for thing in (monitored, reference)]
    if stored[0] is not None and stored[1] is not None:
        signed_errors = _signed_root(stored[0]), _signed_root(stored[1])
        apart |= _differ(*signed_errors)
    places = np.flatnonzero(apart)
    a, b = one[places], other[places]
    fine = tolerance.allows(a, b) | (np.isnan(a) & np.isnan(b))
    if signed_errors is not None:
        ea, eb = (errors[places] for errors in signed_errors)
        fine &= tolerance.allows(ea, eb) | (np.isnan(ea) & np.isnan(eb))
    beyond = places[~fine]
    deltas = _deltas([(a, b)] if signed_errors is None else [(a, b), (ea, eb)])
    single = isinstance(monitored, Histogram) and monitored.storage == "float32"
    pulls = _pulls(monitored, reference, places)
    largest = None
    if pulls is not None:
        largest = float(pulls[np.argmax(np.abs(pulls))]) if pulls.size else 0.0
    return Numbers(
        bins=one.size,
        differing=int(places.size),
        beyond=int(beyond.size),
        max_ulp=float(_ulps(a, b, np.float32 if single else np.float64).max(initial=0.0)),
        max_relative=deltas[1],
        max_absolute=deltas[0],
        max_pull=largest,
        within_statistics=_within_statistics(monitored, reference),
        first=tuple(
            _describe(monitored, reference, int(place))
            for place in (beyond if beyond.size else places)[:SHOWN]
        ),
    )


def _differ(one: Floats, other: Floats) -> Flags:
    return np.asarray((one != other) & ~(np.isnan(one) & np.isnan(other)))


def _signed_root(sumw2: Floats) -> Floats:
    """Return sqrt of sumw2 with its sign, so that a negative one stays visible."""
    flat = sumw2.ravel()
    return np.asarray(np.copysign(np.sqrt(np.abs(flat)), flat))


def _deltas(pairs: Sequence[tuple[Floats, Floats]]) -> tuple[float, float]:
    """Return the largest absolute and relative difference; infinite against NaN or infinity."""
    absolute = relative = 0.0
    for a, b in pairs:
        differ = _differ(a, b)
        if not differ.any():
            continue
        delta = np.abs(a[differ] - b[differ])
        share = delta / np.maximum(np.abs(a[differ]), np.abs(b[differ]))
        absolute = max(absolute, float(np.nan_to_num(delta, nan=np.inf).max()))
        relative = max(relative, float(np.nan_to_num(share, nan=np.inf).max()))
    return absolute, relative


def _ulps(one: Floats, other: Floats, precision: type[np.float32 | np.float64]) -> Floats:
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


def _pulls(monitored: DataObject, reference: DataObject, places: Any) -> Floats | None:
    """Return (a - b) / sqrt(var a + var b) at flat `places`; infinite where both errors are 0."""
    if not (isinstance(monitored, Histogram) and isinstance(reference, Histogram)):
        return None
    variance = _variances_at(monitored, places) + _variances_at(reference, places)
    delta = (monitored.values.ravel()[places]) - (reference.values.ravel()[places])
    pulls = np.where(delta == 0, 0.0, delta / np.sqrt(variance))
    return np.asarray(np.nan_to_num(pulls, nan=np.inf, posinf=np.inf, neginf=-np.inf))


def _variances_at(thing: Histogram, places: Any) -> Floats:
    stored = thing.values if thing.sumw2 is None else thing.sumw2
    return np.asarray(np.abs(stored.ravel()[places]))


def _within_statistics(monitored: DataObject, reference: DataObject) -> bool:
    """Say whether two independent samples of one law might differ as much.

    It only chooses between the words `changed` and `different`; neither passes. True if no
    bin pulls by more than 5, the totals by no more than 3 and the un-normalised chi2 over all
    bins with an error lies within 3 standard deviations, by the cube-root approximation of
    E. B. Wilson and M. M. Hilferty, PNAS 17 (1931) 684, eq. (6). False if only one of the two
    is empty. For a table, which has no errors, true as long as every number is finite.
    """
    one, other = monitored.values.ravel(), reference.values.ravel()
    finite = np.isfinite(one)
    if not np.array_equal(finite, np.isfinite(other)):
        return False
    if not (isinstance(monitored, Histogram) and isinstance(reference, Histogram)):
        return True
    usable = np.flatnonzero(finite)
    pulls = _pulls(monitored, reference, usable)
    variance = (monitored.variances.ravel() + reference.variances.ravel())[usable]
    ndf = int(np.count_nonzero(variance))
    if pulls is None or not ndf:
        return True
    total = float((one[usable] - other[usable]).sum())
    width = 2.0 / (9.0 * ndf)
    chi2 = float((pulls * pulls).sum())
    sigma = (math.cbrt(chi2 / ndf) - (1.0 - width)) / math.sqrt(width)
    return (
        monitored.is_empty == reference.is_empty
        and float(np.abs(pulls).max()) <= LARGEST_PULL
        and abs(total) <= LARGEST_TOTAL_PULL * math.sqrt(float(variance.sum()))
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
    pulls = _pulls(monitored, reference, np.array([flat]))
    return BinDifference(
        place=place,
        label=reference.describe_bin(place),
        edges=edges,
        monitored=a,
        reference=b,
        monitored_error=errors[0],
        reference_error=errors[1],
        ratio=a / b if b else math.nan,
        pull=None if pulls is None else float(pulls[0]),
    )
