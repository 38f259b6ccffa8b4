"""Steps in a series: when something became slower, or needs more memory, and stayed so.

A series is fitted by pieces of constant level with absolute deviations (L1), and the number of
pieces k minimises

    4 ln(n) / n · k + ln(sigma_0 + sum |y - level|),

the information criterion of airspeed velocity (asv/step_detect.py, `bic-form` and
`solve_potts_autogamma`; after Y.-C. Yao, Statistics & Probability Letters 6 (1988) 181). asv
searches one parameter along which k changes; a series of nights is short enough to take the best
pieces for each k (F. Friedrich et al., J. Comput. Graph. Stat. 17 (2008) 201). The term for
correlated noise is left out: nights are further apart than builds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from reprun.histograms import Floats

Integers = NDArray[np.int_]

FEWEST = 8
"""Of fewer nights no step is told: three on either side of it may be chance."""
SHORTEST = 3
"""Nights of a level; asv takes 2 before it reports one."""
MOST = 200
"""The last values that are looked at."""
MOST_LEVELS = 8
THRESHOLD = 0.1
"""The smallest relative step that is told; asv's is 0.05, of benchmarks that are repeated."""


@dataclass(frozen=True, slots=True)
class Level:
    """A piece of a series with one level: from the index `begin` up to, not with, `end`."""

    begin: int
    end: int
    value: float
    """The median."""
    deviation: float
    """The mean absolute deviation from it."""


def levels(values: Sequence[float]) -> list[Level]:
    """Return the pieces of constant level that describe a series best."""
    n = len(values)
    if n < 2 * SHORTEST:
        return [_level(values, 0, n)] if n else []
    costs = _costs(values)
    most = min(MOST_LEVELS, n // SHORTEST)
    best = np.full((most + 1, n + 1), math.inf)
    begins = np.zeros((most + 1, n + 1), dtype=int)
    best[0, 0] = 0.0
    for k in range(1, most + 1):
        every = best[k - 1][:, np.newaxis] + costs
        begins[k] = every.argmin(axis=0)
        best[k] = every.min(axis=0)
    found: list[tuple[float, list[Level]]] = []
    for k in range(1, most + 1):
        pieces = _pieces(values, begins, k)
        if any(one.value == other.value for one, other in pairwise(pieces)):
            continue  # where a level goes on there is no step, and no accuracy to guess
        found.append((4 * math.log(n) / n * k + math.log(_floor(pieces) + best[k, n]), pieces))
    return min(found, key=lambda each: each[0])[1]


def _costs(values: Sequence[float]) -> Floats:
    """Return the sum of absolute deviations from the median, by begin and end of a piece.

    That of a piece shorter than any may be is infinite.
    """
    n = len(values)
    found = np.full((n + 1, n + 1), math.inf)
    series, places = np.asarray(values, dtype=float), np.arange(n)
    inside = places[:, np.newaxis] + places
    for length in range(SHORTEST, n + 1):
        ordered = series[inside[: n - length + 1, :length]]
        ordered.sort(axis=1)
        half = length // 2
        begin = places[: n - length + 1]
        above, below = ordered[:, length - half :], ordered[:, :half]
        found[begin, begin + length] = above.sum(axis=1) - below.sum(axis=1)
    return found


def _pieces(values: Sequence[float], begins: Integers, k: int) -> list[Level]:
    pieces: list[Level] = []
    end = len(values)
    for left in range(k, 0, -1):
        begin = int(begins[left, end])
        pieces.append(_level(values, begin, end))
        end = begin
    return pieces[::-1]


def _level(values: Sequence[float], begin: int, end: int) -> Level:
    middle = median(values[begin:end])
    deviation = sum(abs(value - middle) for value in values[begin:end]) / (end - begin)
    return Level(begin, end, middle, deviation)


def _floor(pieces: Sequence[Level]) -> float:
    """Return the accuracy below which a fit is not better, as asv guesses it."""
    if len(pieces) > 2:
        steps = [abs(b.value - a.value) for a, b in pairwise(pieces)]
        return max(0.1 * min(steps), 1e-300)
    return max(0.001 * min(abs(piece.value) for piece in pieces), 1e-300)


@dataclass(frozen=True, slots=True)
class Jump:
    """The last step of a series: to what, from what, and at which index it came."""

    index: int
    before: float
    now: float

    @property
    def ratio(self) -> float:
        """By how much it is more now."""
        return self.now / self.before if self.before > 0 else math.inf


def last_jump(values: Sequence[float]) -> Jump | None:
    """Return the last step of a series that lasts; None where there is none, or too few values.

    A step has to be larger than a tenth and than the deviations on both of its sides.
    """
    if len(values) < FEWEST:
        return None
    start = max(len(values) - MOST, 0)
    least, most = min(values[start:]), max(values[start:])
    if most - least <= THRESHOLD * least:
        return None  # no two levels among them can be further apart: nothing to fit
    pieces = levels(values[start:])
    for one, other in zip(pieces[-2::-1], pieces[:0:-1], strict=True):
        size = abs(other.value - one.value)
        if size > max(one.deviation, other.deviation, THRESHOLD * max(one.value, other.value)):
            return Jump(start + other.begin, one.value, pieces[-1].value)
    return None
