"""What ROOT and scipy report of two distances, from their tables: tests compare ours with it."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from reprun.compare.statistics.distance import anderson_darling
from reprun.histograms import Floats


def kolmogorov_table_p(distance: float, effective_one: float, effective_other: float) -> float:
    """Return the asymptotic p of TH1::KolmogorovTest: the Kolmogorov function of D sqrt(n).

    n = n1 n2 / (n1 + n2) of effective entries. Conservative on bins; not used for verdicts.
    """
    size = effective_one * effective_other / (effective_one + effective_other)
    return float(special.kolmogorov(distance * math.sqrt(size)))


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
