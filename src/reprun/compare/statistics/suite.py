"""Which tests hold for which pair: counts, weights, signed weights, low bins, profiles …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from scipy import special

from reprun.compare.statistics.chi2 import (
    chi2_counts,
    chi2_counts_weights,
    chi2_covariance,
    chi2_p,
    chi2_unnormalised,
    chi2_weights,
)
from reprun.compare.statistics.distance import anderson_darling, kolmogorov_distance
from reprun.compare.statistics.efficiencies import efficiency_tests
from reprun.compare.statistics.likelihood import likelihood_ratio
from reprun.compare.statistics.merging import (
    ENOUGH,
    ENOUGH_MIXED,
    ENOUGH_TOYS,
    ENOUGH_WEIGHTS,
    ENOUGH_WEIGHTS_PULL,
    merge_low_bins,
)
from reprun.compare.statistics.profiles import mean_tests
from reprun.compare.statistics.pull import pull_test, sidak
from reprun.compare.statistics.result import PValue
from reprun.compare.statistics.runs import runs_test
from reprun.compare.statistics.samples import Sample, sample_of
from reprun.compare.statistics.toys import Draw, permuted_counts, scaled_poisson, toy_p
from reprun.compare.statistics.yields import binomial_p, yield_test
from reprun.documents.analysis import STATISTICAL_TESTS, StatisticalTest
from reprun.histograms import DataObject, Floats, Histogram, Table

FEWEST_GROUPS = 5
"""With fewer merged bins, and more to begin with, merging has cost the shape: toys instead."""
LARGEST_DEAL = 10**9
"""numpy's bound on the number of events that are dealt again."""


class NoTestError(Exception):
    """No test holds for this pair; the message says why. Never a pass."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which tests to run. Without `yield` the samples may differ in size: shape only."""

    tests: Sequence[str]
    toys: int
    seed: int = 1
    covariance: Floats | None = None

    @property
    def normalised(self) -> bool:
        """Whether only the shapes are held to agree."""
        return "yield" not in self.tests


def run_tests(one: DataObject, other: DataObject, plan: Plan) -> list[PValue]:
    """Return the p-values of all tests of the plan that hold for a pair of equal structure.

    Raises NoTestError if none does: nothing inconclusive may pass.
    """
    if isinstance(one, Histogram) and isinstance(other, Histogram):
        first, second = sample_of(one), sample_of(other)
        if first is None or second is None:
            raise NoTestError("the errors of the contents are not known (no sumw2, or not finite)")
        without = (first.variances == 0) & (second.variances == 0)
        if (first.contents != second.contents)[without].any():
            raise NoTestError("a bin without an error differs")
        found = _samples(first, second, plan, one_axis=len(one.axes) == 1)
    elif isinstance(one, Table) and isinstance(other, Table):
        found = _table(one, other, plan)
    else:
        raise NoTestError("a histogram and a table")
    if not found:
        raise NoTestError("there is nothing that the tests of the rule could see")
    return found


def _samples(one: Sample, other: Sample, plan: Plan, *, one_axis: bool) -> list[PValue]:
    signed = one.signed or other.signed
    if plan.normalised and (signed or one.total <= 0 or other.total <= 0):
        raise NoTestError("without the yield test both sums must be positive and no bin negative")
    found = [] if plan.normalised else [yield_test(one, other)]
    if plan.covariance is not None:
        chi2, rank = chi2_covariance(one.contents - other.contents, plan.covariance)
        found.append(PValue("shape", chi2_p(chi2, rank), chi2, "chi2 with covariance", rank))
        return found
    if signed:
        if "shape" in plan.tests:
            chi2, ndf = chi2_unnormalised(one, other)
            found.append(PValue("shape", chi2_p(chi2, ndf), chi2, "chi2 of signed weights", ndf))
        if "pull" in plan.tests:
            found.append(pull_test(one, other, normalised=False))
        return found
    if one.total <= 0 or other.total <= 0:
        return found
    counted = one.counted and other.counted
    mixed = one.counted != other.counted
    enough = ENOUGH if counted else ENOUGH_MIXED if mixed else ENOUGH_WEIGHTS
    groups = merge_low_bins(one, other, enough)
    pair = _Pair(one, other, (one.merged(groups), other.merged(groups)), one_axis)
    for name in STATISTICAL_TESTS:
        if name in plan.tests:
            found += _statistic(name, pair, plan)
    return found


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two samples with positive sums and no negative weight."""

    one: Sample
    other: Sample
    merged: tuple[Sample, Sample]
    """Both, with neighbouring bins merged until each holds enough for a chi2."""
    one_axis: bool
    """Whether bins next to each other are neighbours, so that their order means something."""


def _statistic(name: StatisticalTest, pair: _Pair, plan: Plan) -> list[PValue]:
    """Return the p-values of one test: none where it does not hold for the pair.

    The one place that a new test is added to, beside its name (CONTRIBUTING.md).
    """
    match name:
        case "yield":
            return []  # from the totals alone, before anything is known of the bins
        case "shape":
            return _shape(pair.one, pair.other, pair.merged, plan)
        case "pull":
            return [_pull(pair.one, pair.other, plan)]
        case "runs":
            trend = runs_test(*pair.merged) if pair.one_axis else None
            return [] if trend is None else [trend]
        case "ks":
            return _distance(name, "Kolmogorov-Smirnov distance", kolmogorov_distance, pair, plan)
        case "ad":
            return _distance(name, "Anderson-Darling A²", anderson_darling, pair, plan)
        case _:
            assert_never(name)


def _distance(
    name: str,
    method: str,
    statistic: Callable[[Floats, Floats], Floats],
    pair: _Pair,
    plan: Plan,
) -> list[PValue]:
    """Test a distance between the bins of one axis, which has no law in closed form."""
    if not pair.one_axis or len(pair.merged[0].contents) < 2:
        return []
    return [_by_toys(name, method, statistic, pair.one, pair.other, plan)]


def _pull(one: Sample, other: Sample, plan: Plan) -> PValue:
    """Few counts have exact tails; few weights have not, so they are merged."""
    if one.counted and other.counted:
        return pull_test(one, other, normalised=plan.normalised)
    groups = merge_low_bins(one, other, ENOUGH_WEIGHTS_PULL)
    result = pull_test(one.merged(groups), other.merged(groups), normalised=plan.normalised)
    first = int(np.flatnonzero(groups == (result.place or 0))[0])
    return PValue(result.test, result.p, result.statistic, result.method, place=first)


def _shape(one: Sample, other: Sample, merged: tuple[Sample, Sample], plan: Plan) -> list[PValue]:
    occupied = int(np.count_nonzero((one.variances > 0) | (other.variances > 0)))
    size = len(merged[0].contents)
    if occupied < 2:
        return []
    if size < min(FEWEST_GROUPS, occupied):
        method = "Poisson likelihood ratio" if one.counted and other.counted else "chi2 of weights"
        statistic = likelihood_ratio if one.counted and other.counted else _ww_like
        groups = merge_low_bins(one, other, ENOUGH_TOYS)
        pair = one.merged(groups), other.merged(groups)
        return [_by_toys("shape", method, statistic, *pair, plan)]
    first, second = merged
    note = f", {occupied} bins merged into {size}" if size < occupied else ""
    if first.counted and second.counted:
        chi2, ndf = chi2_counts(first.contents, second.contents)
        kind = "unweighted"
    elif first.counted or second.counted:
        counts, weights = (first, second) if first.counted else (second, first)
        chi2, ndf = chi2_counts_weights(counts.contents, weights)
        kind = "unweighted against weighted"
    else:
        chi2, ndf = chi2_weights(first, second)
        kind = "weighted"
    return [PValue("shape", chi2_p(chi2, ndf), chi2, f"chi2, {kind}{note}", ndf)]


def _ww_like(one: Floats, other: Floats) -> Floats:
    """Return the squared distance of shares, which needs no variances, for rows of toys."""
    a = one / np.maximum(one.sum(axis=-1, keepdims=True), 1e-300)
    b = other / np.maximum(other.sum(axis=-1, keepdims=True), 1e-300)
    both = a + b
    return np.asarray(((a - b) ** 2 / np.where(both > 0, both, 1.0)).sum(axis=-1))


def _by_toys(
    name: str,
    method: str,
    statistic: Callable[[Floats, Floats], Floats],
    one: Sample,
    other: Sample,
    plan: Plan,
) -> PValue:
    # Bins that are empty in both never fill in a toy: without them the same p costs less.
    filled = (one.variances > 0) | (other.variances > 0)
    first, second = (Sample(side.contents[filled], side.variances[filled]) for side in (one, other))
    rng = np.random.default_rng(plan.seed)
    deal = first.counted and second.counted and first.total + second.total < LARGEST_DEAL
    draw: Draw
    if deal:
        draw = permuted_counts(first.contents, second.contents, rng)
    else:
        draw = scaled_poisson(first, second, rng)
    observed = float(statistic(first.contents, second.contents))
    p = toy_p(observed, draw, _safe(statistic), plan.toys, len(first.contents))
    return PValue(name, p, observed, f"{method}, p from toys")


def _safe(statistic: Callable[[Floats, Floats], Floats]) -> Callable[[Floats, Floats], Floats]:
    """Return a statistic that counts a toy with an empty side as extreme: the safe side."""

    def answer(one: Floats, other: Floats) -> Floats:
        full = (one.sum(axis=-1) > 0) & (other.sum(axis=-1) > 0)
        found = np.full(len(one), np.inf)
        found[full] = statistic(one[full], other[full])
        return found

    return answer


def _table(one: Table, other: Table, plan: Plan) -> list[PValue]:
    if not (np.isfinite(one.values).all() and np.isfinite(other.values).all()):
        raise NoTestError("a number is not finite")
    if "sumwy" in one.columns:
        return _part(one, other, "sumw", "sumw2", plan, "fills") + mean_tests(one, other)
    if "passed" in one.columns:
        found = _part(one, other, "total", "total sumw2", plan, "total")
        found += _part(one, other, "passed", "passed sumw2", plan, "passed")
        sides = [_column(side, name) for side in (one, other) for name in ("passed", "total")]
        if any("total sumw2" in side.columns for side in (one, other)):
            raise NoTestError("efficiencies of weighted events have no exact test")
        return found + efficiency_tests(*sides)
    if "y error low" in one.columns:
        return _points(one, other)
    counts = one.values.ravel(), other.values.ravel()
    if any((side < 0).any() or (side != np.floor(side)).any() for side in counts):
        raise NoTestError("the numbers of the table are not counts and have no errors")
    p = binomial_p(*counts)
    worst, cells = int(np.argmin(p)), int(np.count_nonzero(counts[0] + counts[1]))
    pull = float((counts[0] - counts[1])[worst] / max(1.0, (counts[0] + counts[1])[worst]) ** 0.5)
    method = f"largest cell, exact binomial, Šidák over {cells} cells"
    return [PValue("cells", sidak(float(p[worst]), cells), pull, method, place=worst)]


def _column(table: Table, name: str) -> Floats:
    return np.asarray(table.values[:, table.columns.index(name)])


def _part(
    one: Table, other: Table, contents: str, variances: str, plan: Plan, label: str
) -> list[PValue]:
    """Test one column of both tables as a histogram, the names of the tests after `label`."""
    sides = []
    for table in (one, other):
        values = _column(table, contents)
        has = variances in table.columns
        sides.append(Sample(values, _column(table, variances) if has else np.abs(values)))
        if (sides[-1].variances < 0).any():
            raise NoTestError("a sumw2 is negative")
    found = _samples(sides[0], sides[1], plan, one_axis=len(one.axes) == 1)
    return [
        PValue(f"{label} {each.test}", each.p, each.statistic, each.method, each.ndf, each.place)
        for each in found
    ]


def _points(one: Table, other: Table) -> list[PValue]:
    """Compare the y of points at equal x, each with the error on the side of the other."""
    x = [_column(table, "x") for table in (one, other)]
    if not np.array_equal(x[0], x[1]):
        raise NoTestError("the points have different x")
    a, b = _column(one, "y"), _column(other, "y")
    toward = [
        np.where(a < b, _column(one, "y error high"), _column(one, "y error low")),
        np.where(a < b, _column(other, "y error low"), _column(other, "y error high")),
    ]
    spread = toward[0] ** 2 + toward[1] ** 2
    usable = spread > 0
    if (a != b)[~usable].any():
        raise NoTestError("a point without an error differs")
    if not usable.any():
        return []
    pulls = np.where(usable, (a - b) / np.sqrt(np.where(usable, spread, 1.0)), 0.0)
    chi2, ndf = float((pulls**2).sum()), int(usable.sum())
    worst = int(np.argmax(np.abs(pulls)))
    p = sidak(float(special.erfc(abs(pulls[worst]) / np.sqrt(2))), ndf)
    return [
        PValue("shape", chi2_p(chi2, ndf), chi2, "chi2 of the points", ndf),
        PValue("pull", p, float(pulls[worst]), f"largest point, Šidák over {ndf}", place=worst),
    ]
