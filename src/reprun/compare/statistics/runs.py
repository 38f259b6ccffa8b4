"""The runs test: a slow trend shows as too few changes of sign, however small each bin's pull."""

from __future__ import annotations

import numpy as np
from scipy import special

from reprun.compare.statistics.result import PValue
from reprun.compare.statistics.samples import Sample
from reprun.histograms import Floats

FEWEST_SIGNS = 8
"""Below it no number of runs is improbable enough to say anything."""


def runs_p(signs: Floats) -> tuple[int, float]:
    """Return the number of runs and the probability of as few or fewer, exactly.

    A. Wald and J. Wolfowitz, "On a test whether two samples are from the same population",
    Annals of Mathematical Statistics 11 (1940) 147, eq. (7) and (8), given how many signs
    are positive and negative.
    """
    positive = int(np.count_nonzero(signs > 0))
    negative = int(np.count_nonzero(signs < 0))
    runs = 1 + int(np.count_nonzero(signs[1:] != signs[:-1]))
    if not positive or not negative:
        return runs, 1.0
    counts = np.arange(2, runs + 1, dtype=np.float64)
    low, high = np.floor(counts / 2), np.ceil(counts / 2)

    def ways(places: float, groups: Floats) -> Floats:
        """Return ln of the ways to split `places` equal things into `groups`, none empty."""
        possible = groups <= places
        shown = np.where(possible, groups, 1.0)
        found = special.gammaln(places) - special.gammaln(shown)
        found -= special.gammaln(places - shown + 1)
        return np.asarray(np.where(possible, found, -np.inf))

    both = np.logaddexp(
        ways(positive, low) + ways(negative, high), ways(positive, high) + ways(negative, low)
    )
    everything = special.gammaln(positive + negative + 1)
    everything -= special.gammaln(positive + 1) + special.gammaln(negative + 1)
    return runs, min(1.0, float(np.exp(both - everything).sum()))


def runs_test(one: Sample, other: Sample) -> PValue | None:
    """Test the signs of the differences of shares along the axis; None with too few bins.

    Bins must be merged before: in low bins the signs follow the skewness of counts.
    """
    delta = one.contents * other.total - other.contents * one.total
    signs = np.sign(delta[delta != 0])
    if len(signs) < FEWEST_SIGNS:
        return None
    runs, p = runs_p(signs)
    return PValue("runs", p, float(runs), f"runs of one sign in {len(signs)} bins")
