"""Chi2 tests of shape: Gagunashvili's for counts and weights, without and with covariance.

N. D. Gagunashvili, "Chi-square tests for comparing weighted histograms", NIM A 614 (2010)
287 (arXiv:0905.4221), and "Comparison of weighted and unweighted histograms", PHYSTAT 2005
(arXiv:physics/0605123): the UU test of section 2, UW of section 3, WW of section 4. ROOT's
TH1::Chi2Test computes the same three; the tests of this project hold that they agree.

Each function takes flat contents, flow bins or not as the caller decides, and returns
(chi2, ndf). Bins empty in both samples are left out and take one degree of freedom each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reprun.compare.statistics.samples import Sample
from reprun.histograms import Floats

MOST_ROUNDS = 1000


def chi2_p(chi2: float, ndf: float) -> float:
    """Return the probability of a chi2 at least as large; 1 without a degree of freedom."""
    return float(special.chdtrc(ndf, chi2)) if ndf > 0 else 1.0


def chi2_counts(one: Floats, other: Floats) -> tuple[float, int]:
    """Compare two rows of counts (UU): (1/NM) sum of (M n_i - N m_i)^2 / (n_i + m_i).

    Pearson's chi2 of a 2 x r table: H. Cramér, Mathematical Methods of Statistics (1946),
    section 30.6. Both rows must hold something.
    """
    both = one + other
    filled = both > 0
    total_one, total_other = float(one.sum()), float(other.sum())
    delta = total_other * one[filled] - total_one * other[filled]
    chi2 = float((delta**2 / both[filled]).sum()) / (total_one * total_other)
    return chi2, int(np.count_nonzero(filled)) - 1


def chi2_counts_weights(
    counts: Floats, weights: Sample, *, empty_variance: float | None = None
) -> tuple[float, int]:
    """Compare counts n with weights w of variances s (UW), the p_i estimated by

    p_i = [W w - N s + sqrt((W w - N s)^2 + 4 W^2 s n)] / (2 W^2),

    and chi2 = sum of (n - N p)^2 / (N p) + (w - W p)^2 / s. A bin without weights gets
    `empty_variance`, by default that of one event of mean weight, (sum of s / sum of w)^2;
    ROOT takes sum of s / sum of w, which changes with the unit of the weights.
    """
    w, s, n = weights.contents, weights.variances, counts
    filled = (n != 0) | (w != 0)
    w, s, n = w[filled], s[filled], n[filled].astype(np.float64)
    total, events = float(weights.contents.sum()), float(counts.sum())
    if empty_variance is None:
        empty_variance = (float(weights.variances.sum()) / total) ** 2
    s = np.where((w == 0) & (s == 0), empty_variance, s)
    if (_share(n, w, s, events, total) > 0).all():
        shares = _share(n, w, s, events, total)
        chi2 = float(((n - events * shares) ** 2 / (events * shares)).sum())
        known = s > 0
        chi2 += float(((w - total * shares)[known] ** 2 / s[known]).sum())
        return chi2, len(n) - 1
    chi2 = 0.0
    for index in range(len(n)):
        # Where the estimate degenerates to p = 0, one event is added, as ROOT does; it stays
        # in the total for the bins that follow.
        bin_ = n[index : index + 1], w[index : index + 1], s[index : index + 1]
        added = next(
            k for k in range(MOST_ROUNDS) if _share(bin_[0] + k, *bin_[1:], events + k, total)[0]
        )
        events += added
        share = float(_share(bin_[0] + added, *bin_[1:], events, total)[0])
        chi2 += (n[index] + added - events * share) ** 2 / (events * share)
        if s[index] > 0:
            chi2 += (w[index] - total * share) ** 2 / s[index]
    return float(chi2), len(n) - 1


def _share(n: Floats, w: Floats, s: Floats, events: float, total: float) -> Floats:
    first = total * w - events * s
    return np.asarray((first + np.sqrt(first**2 + 4 * total**2 * n * s)) / (2 * total**2))


def chi2_weights(one: Sample, other: Sample) -> tuple[float, int]:
    """Compare two rows of weights (WW): sum of (V v_i - W w_i)^2 / (V^2 s_v,i + W^2 s_w,i)."""
    filled = (one.contents != 0) | (other.contents != 0)
    a, b = one.total, other.total
    spread = (b * b * one.variances + a * a * other.variances)[filled]
    delta = (b * one.contents - a * other.contents)[filled]
    return float((delta**2 / spread).sum()), int(np.count_nonzero(filled)) - 1


def chi2_unnormalised(one: Sample, other: Sample) -> tuple[float, int]:
    """Compare contents as they are: sum of (a_i - b_i)^2 / (s_a,i + s_b,i), a degree each bin.

    For signed weights, whose net sum may be near zero so that no normalised test holds
    (measured: WW gives p = 5e-11 for compatible samples). Particle Data Group, Review of
    Particle Physics (2022), section 40.2.3, the least-squares form of eq. (40.18).
    """
    spread = one.variances + other.variances
    filled = spread > 0
    delta = (one.contents - other.contents)[filled]
    return float((delta**2 / spread[filled]).sum()), int(np.count_nonzero(filled))


def chi2_covariance(difference: Floats, covariance: NDArray[np.float64]) -> tuple[float, int]:
    """Return d^T V^+ d with the Moore-Penrose inverse V^+ and its rank as degrees of freedom.

    A quadratic form in the pseudo-inverse is chi2 distributed with rank(V) degrees: C. R. Rao
    and S. K. Mitra, Generalized Inverse of Matrices (1971), section 9.2. A difference that
    leaves the range of V by more than rounding cannot be a fluctuation: chi2 is infinite.
    """
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    cut = values.max(initial=0.0) * len(values) * np.finfo(np.float64).eps
    kept = values > cut
    along = vectors.T @ difference
    outside = float(np.linalg.norm(along[~kept]))
    if outside > 1e-9 * float(np.linalg.norm(difference)):
        return np.inf, int(kept.sum())
    return float((along[kept] ** 2 / values[kept]).sum()), int(kept.sum())
