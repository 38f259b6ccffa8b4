"""The likelihood ratio of two histograms of one shape, for bins too low for any chi2."""

from __future__ import annotations

import numpy as np
from scipy import special

from reprun.histograms import Floats


def likelihood_ratio(one: Floats, other: Floats) -> Floats:
    """Return -2 ln lambda of two rows of counts, for one pair or for each row of toys.

    2 sum of [n ln n + m ln m - (n + m) ln(n + m)] - 2 [N ln N + M ln M - (N+M) ln(N+M)]:
    the multinomial likelihood ratio of S. Baker and R. D. Cousins, "Clarification of the use
    of chi-square and likelihood functions in fits to histograms", NIM 221 (1984) 437,
    section 3, with both rows measured and their common shape profiled. 0 ln 0 is 0.
    """
    bins = special.xlogy(one, one) + special.xlogy(other, other)
    bins -= special.xlogy(one + other, one + other)
    a, b = one.sum(axis=-1), other.sum(axis=-1)
    totals = special.xlogy(a, a) + special.xlogy(b, b) - special.xlogy(a + b, a + b)
    return np.asarray(2 * (bins.sum(axis=-1) - totals))
