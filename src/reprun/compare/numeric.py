"""Numbers: how far two objects of one structure lie apart, bin by bin, flow included.

A bin differs if its content or its error differs. NaN in the same bin of both is no
difference (a rerun reproduces it); NaN against a number is an infinite one. -0.0 equals 0.0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reprun.compare.verdict import BinDifference, Numbers
from reprun.histograms import DataObject, Floats, Histogram

SHOWN = 5
"""How many differing bins are shown."""

AT_A_TIME = 1 << 16
"""Bins looked at in one go."""

LARGEST_PULL = 5.0
LARGEST_CHI2_SIGMA = 3.0
LARGEST_TOTAL_PULL = 3.0

ROUNDING = 1e-12
SINGLE_ROUNDING = 1e-6
"""What the last digits of sums may be off in double and in single precision, relative."""

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


@dataclass(slots=True)
class _Extremes:
    """What is gathered over all parts of two objects."""

    differing: int = 0
    beyond: int = 0
    absolute: float = 0.0
    relative: float = 0.0
    ulp: float = 0.0
    pull: float = 0.0
    first_differing: list[int] = field(default_factory=list)
    first_beyond: list[int] = field(default_factory=list)
    chi2: float = 0.0
    ndf: int = 0
    total: float = 0.0
    variance: float = 0.0
    largest_pull: float = 0.0
    finite_alike: bool = True
    worst: tuple[float, float, int] | None = None
    """Pull and relative difference of the worst bin beyond the tolerance, and its place."""


# Overflow, 0/0 and inf - inf are answered by IEEE 754's infinities and NaN, on purpose.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def numeric_difference(
    monitored: DataObject, reference: DataObject, tolerance: Tolerance, shown: int = SHOWN
) -> Numbers:
    """Measure two objects that `structure_difference` found comparable.

    Large ones part by part: what fits a processor's cache is several times faster and needs
    no second copy of ten million bins. At most `shown` bins are described.
    """
    one, other = monitored.values.ravel(), reference.values.ravel()
    binned = isinstance(monitored, Histogram) and isinstance(reference, Histogram)
    sumw2 = [getattr(thing, "sumw2", None) for thing in (monitored, reference)]
    flat = [None if stored is None else stored.ravel() for stored in sumw2]
    single = isinstance(monitored, Histogram) and monitored.storage == "float32"
    found = _Extremes()
    for start in range(0, one.size, AT_A_TIME):
        part = slice(start, start + AT_A_TIME)
        a, b = one[part], other[part]
        stored = [None if each is None else each[part] for each in flat]
        _gather(found, start, (a, b), (stored[0], stored[1]), tolerance, single, binned, shown)
    numbers_empty = monitored.is_empty == reference.is_empty
    places = (found.first_beyond or found.first_differing)[:shown]
    return Numbers(
        bins=one.size,
        differing=found.differing,
        beyond=found.beyond,
        max_ulp=found.ulp,
        max_relative=found.relative,
        max_absolute=found.absolute,
        max_pull=found.pull if binned else None,
        within_statistics=_within_statistics(found, binned) and (numbers_empty or not binned),
        first=tuple(_describe(monitored, reference, place) for place in places),
        worst=_describe(monitored, reference, found.worst[2]) if found.worst else None,
        integrals=_integrals(monitored, reference) if found.beyond else None,
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


def rounding_of(thing: Histogram) -> float:
    """Return what the last digits of the sums in a histogram may be off, relative."""
    return SINGLE_ROUNDING if thing.storage == "float32" else ROUNDING


def beyond_places(one: Histogram, other: Histogram, tolerance: Tolerance) -> NDArray[np.intp]:
    """Return the bins that differ by more than the tolerance, as places in the flat arrays."""
    pairs = [(one.values, other.values)]
    if one.sumw2 is not None and other.sumw2 is not None:
        pairs.append((_signed_root(one.sumw2), _signed_root(other.sumw2)))
    apart = np.zeros(one.values.size, dtype=np.bool_)
    for a, b in pairs:
        apart |= (~tolerance.allows(a, b) & ~(np.isnan(a) & np.isnan(b))).ravel()
    return np.flatnonzero(apart)


def flow_sides(one: Histogram, other: Histogram, tolerance: Tolerance) -> tuple[str, ...]:
    """Return the flow bins that alone differ: `the overflow bin`; empty if any other does."""
    shape = one.values.shape
    found: set[str] = set()
    for place in zip(*np.unravel_index(beyond_places(one, other, tolerance), shape), strict=True):
        outside = [n for n, (index, size) in enumerate(zip(place, shape, strict=True))
                   if index in (0, size - 1)]  # fmt: skip
        if not outside:
            return ()
        side = "underflow" if place[outside[0]] == 0 else "overflow"
        found.add(f"{'xyz'[outside[0]]} {side}" if len(shape) > 1 else side)
    return tuple(sorted(found))


def _gather(
    found: _Extremes,
    start: int,
    contents: tuple[Floats, Floats],
    sumw2: tuple[Floats | None, Floats | None],
    tolerance: Tolerance,
    single: bool,
    binned: bool,
    shown: int,
) -> None:
    one, other = contents
    if binned:
        variance = np.abs(one if sumw2[0] is None else sumw2[0])
        variance = variance + np.abs(other if sumw2[1] is None else sumw2[1])
        delta = one - other
        pulls = np.where(delta == 0, 0.0, delta / np.sqrt(variance))
        pulls[np.isnan(pulls)] = np.inf
    _spread(found, one, other, (delta, variance, pulls) if binned else None)
    apart = _differ(one, other)
    errors: tuple[Floats, Floats] | None = None
    if sumw2[0] is not None and sumw2[1] is not None:
        errors = _signed_root(sumw2[0]), _signed_root(sumw2[1])
        apart |= _differ(*errors)
    places = np.flatnonzero(apart)
    if not places.size:
        return
    a, b = one[places], other[places]
    fine = tolerance.allows(a, b) | (np.isnan(a) & np.isnan(b))
    pairs = [(a, b)]
    if errors is not None:
        ea, eb = errors[0][places], errors[1][places]
        fine &= tolerance.allows(ea, eb) | (np.isnan(ea) & np.isnan(eb))
        pairs.append((ea, eb))
    beyond = places[~fine]
    found.differing += int(places.size)
    found.beyond += int(beyond.size)
    if len(found.first_differing) < shown:
        found.first_differing += (places[:shown] + start).tolist()
    if len(found.first_beyond) < shown:
        found.first_beyond += (beyond[:shown] + start).tolist()
    if beyond.size:
        sizes = np.abs(pulls[beyond]) if binned else np.zeros(beyond.size)
        # Where no content differs, or nothing has an error, it is the relative difference.
        rest = np.zeros(beyond.size) if sizes.any() else _shares(pairs)[~fine]
        _note_worst(found, sizes, rest, beyond + start)
    absolute, relative = _deltas(pairs)
    found.absolute = max(found.absolute, absolute)
    found.relative = max(found.relative, relative)
    ulps = _ulps(a, b, np.float32 if single else np.float64)
    found.ulp = max(found.ulp, float(ulps.max(initial=0.0)))
    if binned:
        here = pulls[places]
        largest = float(here[np.argmax(np.abs(here))])
        if abs(largest) > abs(found.pull):
            found.pull = largest


def _note_worst(found: _Extremes, pulls: Floats, shares: Floats, places: NDArray[np.intp]) -> None:
    """Keep the place with the largest pull, or with the largest share where no bin pulls."""
    index = int(np.argmax(pulls if pulls.any() else shares))
    here = float(pulls[index]), float(shares[index]), int(places[index])
    if found.worst is None or here[:2] > found.worst[:2]:
        found.worst = here


def _shares(pairs: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Return the largest relative difference of each place; infinite against NaN or infinity."""
    sizes = [
        np.where(_differ(a, b), np.abs(a - b) / np.maximum(np.abs(a), np.abs(b)), 0.0)
        for a, b in pairs
    ]
    return np.asarray(np.nan_to_num(np.max(sizes, axis=0), nan=np.inf))


def _spread(
    found: _Extremes, one: Floats, other: Floats, parts: tuple[Floats, Floats, Floats] | None
) -> None:
    """Add what says whether independent samples of one law might differ as much."""
    finite = np.isfinite(one)
    found.finite_alike &= np.array_equal(finite, np.isfinite(other))
    if parts is None or not found.finite_alike:
        return
    delta, variance, pulls = parts if finite.all() else (each[finite] for each in parts)
    found.chi2 += float((pulls * pulls).sum())
    found.ndf += int(np.count_nonzero(variance))
    found.total += float(delta.sum())
    found.variance += float(variance.sum())
    found.largest_pull = max(found.largest_pull, float(np.abs(pulls).max(initial=0.0)))


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


def _within_statistics(found: _Extremes, binned: bool) -> bool:
    """Say whether two independent samples of one law might differ as much.

    It only chooses between the words `changed` and `different`; neither passes. True if no
    bin pulls by more than 5, the totals by no more than 3 and the un-normalised chi2 over all
    bins with an error lies within 3 standard deviations, by the cube-root approximation of
    E. B. Wilson and M. M. Hilferty, PNAS 17 (1931) 684. For a table, which has no errors,
    true as long as every number is finite.
    """
    if not found.finite_alike:
        return False
    if not binned or not found.ndf:
        return True
    width = 2.0 / (9.0 * found.ndf)
    sigma = (math.cbrt(found.chi2 / found.ndf) - (1.0 - width)) / math.sqrt(width)
    return (
        found.largest_pull <= LARGEST_PULL
        and abs(found.total) <= LARGEST_TOTAL_PULL * math.sqrt(found.variance)
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
