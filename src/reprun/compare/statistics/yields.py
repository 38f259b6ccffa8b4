"""The yield test: did both samples have the same number of events?

Without it a histogram scaled by two passes every test of shape with p = 1.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from reprun.compare.statistics.result import PValue
from reprun.compare.statistics.samples import Sample
from reprun.histograms import Floats


def binomial_p(one: Floats, other: Floats, share: float = 0.5) -> Floats:
    """Return the two-sided p of each pair of counts, both of one Poisson law.

    Given n + m, n is binomial with probability `share`: J. Przyborowski and H. Wilenski,
    Biometrika 31 (1940) 313, section 2. Twice the smaller tail, at most 1. The tails are
    incomplete beta functions, so that effective (fractional) counts are allowed too.
    """
    n, m = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    above = np.where(n > 0, special.betainc(np.maximum(n, 1e-300), m + 1, share), 1.0)
    below = np.where(m > 0, special.betainc(np.maximum(m, 1e-300), n + 1, 1 - share), 1.0)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(above, below)))


def yield_test(one: Sample, other: Sample) -> PValue:
    """Compare the sums of all bins, flow included.

    Counts: the conditional binomial test (`binomial_p`). Weights: the normal test of
    (A - B) / sqrt(sum of both sumw2), the variance of a weighted sum being its sumw2:
    G. Bohm and G. Zech, NIM A 748 (2014) 1, section 2.
    """
    a, b = one.total, other.total
    spread = math.sqrt(float(one.variances.sum() + other.variances.sum()))
    z = (a - b) / spread if spread else 0.0
    if one.counted and other.counted:
        p = float(binomial_p(np.array([a]), np.array([b]))[0])
        return PValue("yield", p, z, f"conditional binomial test of {a:.0f} and {b:.0f} events")
    p = math.erfc(abs(z) / math.sqrt(2))
    return PValue("yield", p, z, f"pull of the sums of weights {a:.6g} and {b:.6g}")
