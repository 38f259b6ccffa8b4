"""p-values from toys: drawn until enough of them beat the data, with a fixed seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reprun.compare.statistics.samples import Sample
from reprun.histograms import Floats

EXCEEDANCES = 20
"""Toys at least as extreme as the data after which the p-value is precise enough (22 %)."""
FIRST_BATCH = 100
MOST_NUMBERS = 2_000_000
"""Numbers drawn at a time: a bound on memory."""

Draw = Callable[[int], tuple[Floats, Floats]]
"""Returns that many toy pairs: two arrays (toys, bins)."""


def toy_p(observed: float, draw: Draw, statistic: Callable[[Floats, Floats], Floats], toys: int,
          bins: int) -> float:  # fmt: skip
    """Return the p-value of `observed` by sequential Monte Carlo; never 0.

    After `EXCEEDANCES` toys that are at least as large it is their share; if `toys` toys have
    fewer, it is (g + 1) / (toys + 1): J. Besag and P. Clifford, "Sequential Monte Carlo
    p-values", Biometrika 78 (1991) 301, section 2.
    """
    reached, done, batch = 0, 0, FIRST_BATCH
    # Equal statistics of other bins may differ in rounding; counting them is the safe side.
    threshold = observed - 1e-9 * abs(observed)
    while done < toys:
        size = max(1, min(batch, toys - done, MOST_NUMBERS // max(1, bins)))
        beaten = np.cumsum(statistic(*draw(size)) >= threshold)
        if reached + int(beaten[-1]) >= EXCEEDANCES:
            last = int(np.searchsorted(beaten, EXCEEDANCES - reached)) + 1
            return EXCEEDANCES / (done + last)
        reached += int(beaten[-1])
        done += size
        batch *= 2
    return (reached + 1) / (toys + 1)


def permuted_counts(one: Floats, other: Floats, rng: np.random.Generator) -> Draw:
    """Return what deals the pooled events of all bins again to samples of the same sizes.

    The exact conditional law of two samples of one shape: multivariate hypergeometric, free
    of any assumption on that shape. R. A. Fisher, The Design of Experiments (1935), section 21.
    """
    pooled = np.asarray(one + other, dtype=np.int64)
    events = int(one.sum())

    def draw(size: int) -> tuple[Floats, Floats]:
        first = rng.multivariate_hypergeometric(pooled, events, size=size, method="marginals")
        return first.astype(np.float64), (pooled - first).astype(np.float64)

    return draw


def scaled_poisson(one: Sample, other: Sample, rng: np.random.Generator) -> Draw:
    """Return what draws weighted histograms of the pooled shape with each side's own weights.

    A bin of content a and variance s acts like s/a times a Poisson number of mean a^2/s:
    G. Bohm and G. Zech, "Statistics of weighted Poisson events and its applications", NIM A
    748 (2014) 1, section 4 (the scaled Poisson distribution). A side that is empty in a bin
    takes its mean weight there.
    """
    precision = [1 / max(float(side.variances.sum()) / side.total**2, 1e-300)
                 for side in (one, other)]  # fmt: skip
    shares = [side.contents / side.total for side in (one, other)]
    shape = (shares[0] * precision[0] + shares[1] * precision[1]) / sum(precision)
    recipes = []
    for side in (one, other):
        mean_weight = float(side.variances.sum()) / side.total
        filled = side.contents > 0
        weight = np.full(len(side.contents), mean_weight)
        weight[filled] = side.variances[filled] / side.contents[filled]
        weight = np.where(weight > 0, weight, mean_weight)
        recipes.append((weight, shape * side.total / weight))

    def draw(size: int) -> tuple[Floats, Floats]:
        drawn = [rng.poisson(mean, (size, len(mean))) * weight for weight, mean in recipes]
        return np.asarray(drawn[0], dtype=np.float64), np.asarray(drawn[1], dtype=np.float64)

    return draw
