"""The largest local pull: one bad bin among hundreds, corrected for how many were looked at."""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reprun.compare.statistics.result import PValue
from reprun.compare.statistics.samples import Sample
from reprun.compare.statistics.yields import binomial_p
from reprun.histograms import Floats

FEW_EVENTS = 60
"""Above it the steps of a bin's p-values are so fine that they do not matter."""

MANY_BINS = 100_000
MOST_PAIRS = 1 << 22

Places: TypeAlias = NDArray[np.intp]


def sidak(p: float, tests: int) -> float:
    """Return the chance that the least of `tests` independent p-values is at most p.

    1 - (1 - p)^k: Z. Šidák, JASA 62 (1967) 626, corollary 1 of theorem 1.
    """
    return -math.expm1(tests * math.log1p(-p)) if p < 1 else 1.0


def attainable_sidak(
    p: float, totals: Floats, share: float, bins: NDArray[np.intp] | None = None
) -> float:
    """Return the chance of a least p this small, given how many events each bin holds.

    A bin of few events cannot reach a small p, so it does not count as looked at: the product
    over bins of 1 - P(p_i <= p), exact for discrete p-values. After R. E. Tarone, "A modified
    Bonferroni method for discrete data", Biometrics 46 (1990) 515. Bins of more than
    `FEW_EVENTS` count with p itself, an upper bound. `bins` says how many bins have each of
    `totals`, one by default.
    """
    few = totals <= FEW_EVENTS
    many = np.count_nonzero(~few) if bins is None else bins[~few].sum()
    log_none = float(many) * math.log1p(-p) if p < 1 else -math.inf
    limit = p / 2 * (1 + 1e-9)
    weights = None if bins is None else bins[few]
    occurring = np.bincount(totals[few].astype(np.intp), weights).tolist()
    for total, number in enumerate(occurring):
        if not (number and total):
            continue
        chance = 0.0
        for tail in _tails(total, share):
            reached = bisect_right(tail, limit)
            chance += tail[reached - 1] if reached else 0.0
        if p >= 1 or chance >= 1:
            return 1.0
        log_none += number * math.log1p(-chance)
    return -math.expm1(log_none)


@lru_cache(maxsize=4096)
def _tails(total: int, share: float) -> tuple[list[float], list[float]]:
    """Return the rising probabilities of the upper and the lower tails of a bin's counts."""
    steps = np.arange(total + 1)
    above, below = np.ones(len(steps)), np.ones(len(steps))
    above[1:] = special.betainc(steps[1:], total - steps[1:] + 1, share)
    below[:-1] = special.betainc(total - steps[:-1], steps[:-1] + 1, 1 - share)
    return above[::-1].tolist(), below.tolist()


def pull_test(one: Sample, other: Sample, *, normalised: bool) -> PValue:
    """Test the bin that deviates most, by counts' exact binomial p or by weights' errors.

    With `normalised`, each sample's share of events is expected in every bin, otherwise as
    many in both. Weights are scaled to effective counts, a^2/s of equal mean content (Bohm
    and Zech, NIM A 748 (2014) 1, section 4), which keeps the tails of low bins.
    """
    ratio = one.total / other.total if normalised else 1.0
    filled = (one.variances > 0) | (other.variances > 0)
    if one.counted and other.counted and len(filled) > MANY_BINS:
        found = _pull_of_pairs(one, other, ratio)
        if found is not None:
            return found
    places: Places = np.flatnonzero(filled)
    a, b = one.contents[places], other.contents[places]
    delta = a - ratio * b
    spread = one.variances[places] + ratio**2 * other.variances[places]
    pulls = delta / np.sqrt(spread)
    if one.counted and other.counted:
        p = binomial_p(a, b, ratio / (1 + ratio))
        method = "largest bin, exact binomial"
    elif one.signed or other.signed:
        p = special.erfc(np.abs(pulls) / math.sqrt(2))
        method = "largest bin, by its errors"
    else:
        p = _effective_p(one, other, places, ratio)
        method = "largest bin, effective counts"
    # Of equal p the larger pull: doubled tails may round to 0 in more than one bin.
    worst = int(np.lexsort((-np.abs(pulls), p))[0])
    looked = int(np.count_nonzero(filled))
    if one.counted and other.counted:
        corrected = attainable_sidak(float(p[worst]), a + b, ratio / (1 + ratio))
    else:
        corrected = sidak(float(p[worst]), looked)
    return PValue(
        "pull", corrected, float(pulls[worst]),
        f"{method}, Šidák over {looked} bins", place=int(places[worst]),
    )  # fmt: skip


def _pull_of_pairs(one: Sample, other: Sample, ratio: float) -> PValue | None:
    """Do the same for many bins of small counts: each pair of counts is looked at once.

    Ten million bins hold a few hundred different pairs. None if there are too many of them.
    """
    width = int(other.contents.max()) + 1
    if (int(one.contents.max()) + 1) * width > MOST_PAIRS:
        return None
    code = one.contents.astype(np.int32)
    code *= width
    code += other.contents.astype(np.int32)
    counts = np.bincount(code)
    counts[0] = 0
    pairs = np.flatnonzero(counts)
    a, b = (part.astype(np.float64) for part in np.divmod(pairs, width))
    p = binomial_p(a, b, ratio / (1 + ratio))
    pulls = (a - ratio * b) / np.sqrt(a + ratio**2 * b)
    worst = int(np.lexsort((-np.abs(pulls), p))[0])
    looked = int(counts.sum())
    corrected = attainable_sidak(float(p[worst]), a + b, ratio / (1 + ratio), counts[pairs])
    return PValue(
        "pull", corrected, float(pulls[worst]),
        f"largest bin, exact binomial, Šidák over {looked} bins",
        place=int(np.argmax(code == pairs[worst])),
    )  # fmt: skip


def _effective_p(one: Sample, other: Sample, places: Places, ratio: float) -> Floats:
    weights = []
    for side, scale in ((one, 1.0), (other, ratio)):
        a, s = side.contents[places] * scale, side.variances[places] * scale**2
        mean = float(side.variances.sum()) * scale / side.total if side.total else 1.0
        weights.append(np.where((a > 0) & (s > 0), s / np.where(a > 0, a, 1.0), mean))
    n = one.contents[places] / weights[0]
    m = other.contents[places] * ratio / weights[1]
    share = weights[1] / (weights[0] + weights[1])
    above = np.where(n > 0, special.betainc(np.maximum(n, 1e-300), m + 1, share), 1.0)
    below = np.where(m > 0, special.betainc(np.maximum(m, 1e-300), n + 1, 1 - share), 1.0)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(above, below)))
