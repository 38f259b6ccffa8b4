"""Tolerance: what two numbers may differ by, and which bins of two histograms differ by more.

NaN on both sides is no difference (a rerun reproduces it); -0.0 equals 0.0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from reprun.histograms import Floats, Histogram

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

    def allows_number(self, one: float, other: float) -> bool:
        """Say of one pair what `allows` says of arrays."""
        return math.isclose(one, other, rel_tol=self.relative, abs_tol=self.absolute)

    def __str__(self) -> str:
        texts = [f"{self.relative:g} relative"] if self.relative else []
        texts += [f"{self.absolute:g} absolute"] if self.absolute else []
        return " or ".join(texts) or "nothing"


def rounding_of(thing: Histogram) -> float:
    """Return what the last digits of the sums in a histogram may be off, relative."""
    return SINGLE_ROUNDING if thing.storage == "float32" else ROUNDING


def differ(one: Floats, other: Floats) -> Flags:
    """Say for each pair whether it differs at all."""
    return np.asarray((one != other) & ~(np.isnan(one) & np.isnan(other)))


def signed_root(sumw2: Floats) -> Floats:
    """Return sqrt of sumw2 with its sign, so that a negative one stays visible."""
    return np.asarray(np.copysign(np.sqrt(np.abs(sumw2)), sumw2))


def beyond_places(one: Histogram, other: Histogram, tolerance: Tolerance) -> NDArray[np.intp]:
    """Return the bins that differ by more than the tolerance, as places in the flat arrays."""
    pairs = [(one.values, other.values)]
    if one.sumw2 is not None and other.sumw2 is not None:
        pairs.append((signed_root(one.sumw2), signed_root(other.sumw2)))
    apart = np.zeros(one.values.shape, dtype=np.bool_)
    for a, b in pairs:
        apart |= ~tolerance.allows(a, b) & ~(np.isnan(a) & np.isnan(b))
    return np.flatnonzero(apart)


def flow_sides(one: Histogram, other: Histogram, tolerance: Tolerance) -> tuple[str, ...]:
    """Return the flow bins that alone differ: `the overflow bin`; empty if any other does."""
    shape = one.values.shape
    found: set[str] = set()
    for place in zip(*np.unravel_index(beyond_places(one, other, tolerance), shape), strict=True):
        outside = flow_axes(place, shape)
        if not outside:
            return ()
        side = "underflow" if place[outside[0]] == 0 else "overflow"
        found.add(f"{'xyz'[outside[0]]} {side}" if len(shape) > 1 else side)
    return tuple(sorted(found))


def flow_axes(place: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """Return the axes along which a bin is a flow bin."""
    pairs = enumerate(zip(place, shape, strict=True))
    return [axis for axis, (index, size) in pairs if index in (0, size - 1)]
