"""Distances of cumulative distributions: Kolmogorov-Smirnov and Anderson-Darling, binned.

A bin counts as that many events at one value. Their tables of p-values hold for events at
different values only: on 5 bins the Kolmogorov p is below 0.05 in 0.7 % of pairs of one law
(measured), so p comes from toys here, and the tables serve to check against ROOT.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from reprun.histograms import Floats


def kolmogorov_distance(one: Floats, other: Floats) -> Floats:
    """Return the largest distance of the cumulative shares, for one pair or each row of toys.

    N. V. Smirnov, Annals of Mathematical Statistics 19 (1948) 279, eq. (3), on binned data.
    """
    a = np.cumsum(one, axis=-1) / one.sum(axis=-1, keepdims=True)
    b = np.cumsum(other, axis=-1) / other.sum(axis=-1, keepdims=True)
    return np.asarray(np.abs(a - b).max(axis=-1))


def kolmogorov_table_p(distance: float, effective_one: float, effective_other: float) -> float:
    """Return the asymptotic p of TH1::KolmogorovTest: the Kolmogorov function of D sqrt(n).

    n = n1 n2 / (n1 + n2) of effective entries. Conservative on bins; not used for verdicts.
    """
    size = effective_one * effective_other / (effective_one + effective_other)
    return float(special.kolmogorov(distance * math.sqrt(size)))


def anderson_darling(one: Floats, other: Floats) -> Floats:
    """Return A^2 of two rows of counts with ties, for one pair or for each row of toys.

    F. W. Scholz and M. A. Stephens, "K-sample Anderson-Darling tests", JASA 82 (1987) 918,
    eq. (6).
    """
    n, m = one.sum(axis=-1, keepdims=True), other.sum(axis=-1, keepdims=True)
    total = n + m
    ties = one + other
    below = np.cumsum(ties, axis=-1)
    first, second = np.cumsum(one, axis=-1), np.cumsum(other, axis=-1)
    width = below * (total - below)
    inside = (width > 1e-12 * total**2 / 4) & (ties > 0)
    distance = (total * first - n * below) ** 2 / n + (total * second - m * below) ** 2 / m
    terms = np.where(inside, ties * distance / np.where(inside, width, 1.0), 0.0)
    return np.asarray(terms.sum(axis=-1) / total[..., 0])


def anderson_darling_standardised(one: Floats, other: Floats) -> float:
    """Return (A^2 - 1) / sigma_N, the form in which ROOT and scipy report it."""
    sigma = anderson_darling_sigma(float(one.sum()), float(other.sum()))
    return (float(anderson_darling(one, other)) - 1) / sigma


def anderson_darling_sigma(n: float, m: float, *, sums: tuple[float, float] | None = None) -> float:
    """Return the standard deviation of A^2 for two samples: Scholz and Stephens, eq. (4).

    `sums` are its h and g, by default exact; ROOT rounds them for 2000 events and more.
    """
    total = int(n + m)
    h, g = sums or _harmonic_sums(total)
    inverse = 1 / n + 1 / m
    a = (4 * g - 6) * (2 - 1) + (10 - 6 * g) * inverse
    b = (2 * g - 4) * 4 + 8 * h * 2 + (2 * g - 14 * h - 4) * inverse - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * 4 + (4 * h - 4 * g + 6) * 2 + (2 * h - 6) * inverse + 4 * h
    d = (2 * h + 6) * 4 - 4 * h * 2
    variance = (a * total**3 + b * total**2 + c * total + d) / (
        (total - 1.0) * (total - 2.0) * (total - 3.0)
    )
    return math.sqrt(variance)


def _harmonic_sums(total: int) -> tuple[float, float]:
    """Return h = sum of 1/i and g = sum over i < j of 1 / ((N - i) j), i and j up to N - 1."""
    steps = np.arange(1, total, dtype=np.float64)
    harmonic = np.cumsum(1 / steps)
    g = ((harmonic[-1] - harmonic[:-1]) / (total - steps[:-1])).sum()
    return float(harmonic[-1]), float(g)
