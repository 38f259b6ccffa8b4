"""Profiles: do the means of the bins agree?"""

from __future__ import annotations

import numpy as np
from scipy import special

from reprun.compare.statistics.chi2 import chi2_p
from reprun.compare.statistics.pull import sidak
from reprun.compare.statistics.result import PValue
from reprun.histograms import Floats, Table

FEWEST_FILLS = 5.0


def welch_p(means: tuple[Floats, Floats], variances: tuple[Floats, Floats],
            sizes: tuple[Floats, Floats]) -> tuple[Floats, Floats]:  # fmt: skip
    """Return t and its two-sided p for means of samples of unequal variance.

    t = (y1 - y2) / sqrt(v1/n1 + v2/n2) with the degrees of freedom of B. L. Welch, "The
    generalization of 'Student's' problem", Biometrika 34 (1947) 28, eq. (28). Variances are
    those of single values, unbiased.
    """
    parts = [v / n for v, n in zip(variances, sizes, strict=True)]
    spread = parts[0] + parts[1]
    delta = means[0] - means[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(delta == 0, 0.0, delta / np.sqrt(spread))
        freedom = spread**2 / (parts[0] ** 2 / (sizes[0] - 1) + parts[1] ** 2 / (sizes[1] - 1))
        p = 2 * special.stdtr(np.where(spread > 0, freedom, 1.0), -np.abs(t))
    return np.asarray(t), np.asarray(np.where(spread > 0, p, np.where(delta == 0, 1.0, 0.0)))


def mean_tests(one: Table, other: Table) -> list[PValue]:
    """Compare the means bin by bin where both have five effective fills or more.

    Two tests: the sum of squares of the p-values' normal quantiles as chi2, and the largest
    deviation with Šidák's correction. Bins that only one sample filled show in the test of
    the number of fills, which stands beside.
    """
    first, second = _moments(one), _moments(other)
    usable = np.flatnonzero((first[2] >= FEWEST_FILLS) & (second[2] >= FEWEST_FILLS))
    if not usable.size:
        return []
    mean, variance, size = ((a[usable], b[usable]) for a, b in zip(first, second, strict=True))
    t, p = welch_p(mean, variance, size)
    quantiles = special.ndtri(np.maximum(p / 2, 1e-300))
    chi2 = float((quantiles**2).sum())
    bins = int(usable.size)
    worst = int(np.argmin(p))
    return [
        PValue("means", chi2_p(chi2, bins), chi2, "Welch tests of the means, as chi2", bins),
        PValue(
            "mean pull", sidak(float(p[worst]), bins), float(t[worst]),
            f"largest Welch t, Šidák over {bins} bins", place=int(usable[worst]),
        ),
    ]  # fmt: skip


def _moments(profile: Table) -> tuple[Floats, Floats, Floats]:
    """Return mean, unbiased variance and effective number of the fills of each bin."""
    column = {name: profile.values[:, n] for n, name in enumerate(profile.columns)}
    w, w2 = column["sumw"], column.get("sumw2", column["sumw"])
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(w2 > 0, w * w / w2, 0.0)
        mean = np.where(w != 0, column["sumwy"] / w, 0.0)
        spread = np.where(w != 0, column["sumwy2"] / w - mean**2, 0.0)
        # Rounding may leave a spread of -1e-17 where all values are equal.
        variance = np.where(size > 1, np.maximum(spread, 0.0) * size / (size - 1), 0.0)
    return np.asarray(mean), np.asarray(variance), np.asarray(size)
