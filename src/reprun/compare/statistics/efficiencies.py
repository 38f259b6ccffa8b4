"""Efficiencies: the same share of events passed? Never a chi2 with symmetric errors."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from reprun.compare.statistics.chi2 import chi2_p
from reprun.compare.statistics.pull import sidak
from reprun.compare.statistics.result import PValue
from reprun.histograms import Floats

LARGEST_EXACT_SUPPORT = 100_000
"""Beyond it a bin has so many events that the normal limit is exact to many digits."""


def fisher_exact_p(passed: int, total: int, other_passed: int, other_total: int) -> float:
    """Return the two-sided p of a 2 x 2 table: all tables no more probable than this one.

    R. A. Fisher, Statistical Methods for Research Workers, 5th edition (1934), section 21.02.
    """
    both, events = passed + other_passed, total + other_total
    low, high = max(0, both - other_total), min(both, total)
    if high - low > LARGEST_EXACT_SUPPORT:
        share = both / events
        spread = math.sqrt(share * (1 - share) * (1 / total + 1 / other_total))
        return math.erfc(abs(passed / total - other_passed / other_total) / spread / math.sqrt(2))
    values = np.arange(low, high + 1, dtype=np.float64)
    logs = _log_choose(total, values) + _log_choose(other_total, both - values)
    logs -= logs.max()
    weights = np.exp(logs)
    mine = weights[passed - low] * (1 + 1e-7)
    return min(1.0, float(weights[weights <= mine].sum() / weights.sum()))


def cochran_mantel_haenszel(
    passed: Floats, total: Floats, other_passed: Floats, other_total: Floats
) -> tuple[float, float]:
    """Return the CMH chi2 (one degree of freedom) of all bins' 2 x 2 tables, and its p.

    Sensitive to an efficiency that moved the same way in all bins. N. Mantel and W. Haenszel,
    Journal of the National Cancer Institute 22 (1959) 719, the summary chi2 without the
    correction for continuity.
    """
    events = total + other_total
    both = passed + other_passed
    usable = (total > 0) & (other_total > 0) & (events > 1)
    n, m, k, all_ = (a[usable] for a in (total, other_total, both, events))
    excess = float((passed[usable] - n * k / all_).sum())
    variance = float((n * m * k * (all_ - k) / (all_**2 * (all_ - 1))).sum())
    chi2 = excess**2 / variance if variance > 0 else 0.0
    return chi2, chi2_p(chi2, 1)


def efficiency_tests(
    passed: Floats, total: Floats, other_passed: Floats, other_total: Floats
) -> list[PValue]:
    """Compare counts of passed events given counts of all, bin by bin and together."""
    usable = np.flatnonzero((total > 0) & (other_total > 0))
    if not usable.size:
        return []
    chi2, p = cochran_mantel_haenszel(passed, total, other_passed, other_total)
    exact = np.array(
        [
            fisher_exact_p(*(int(a[n]) for a in (passed, total, other_passed, other_total)))
            for n in usable
        ]
    )
    worst = int(np.argmin(exact))
    place = int(usable[worst])
    delta = passed[place] / total[place] - other_passed[place] / other_total[place]
    return [
        PValue("efficiency", p, chi2, "Cochran-Mantel-Haenszel over all bins", 1),
        PValue(
            "efficiency pull", sidak(float(exact[worst]), len(usable)), float(delta),
            f"largest change, Fisher's exact test, Šidák over {len(usable)} bins", place=place,
        ),
    ]  # fmt: skip


def _log_choose(whole: float, part: Floats) -> Floats:
    found = special.gammaln(whole + 1) - special.gammaln(part + 1)
    return np.asarray(found - special.gammaln(whole - part + 1))
