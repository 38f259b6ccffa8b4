"""Every statistic against scipy, and the laws of the corrections."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reprun.compare.statistics.chi2 import (
    chi2_counts,
    chi2_counts_weights,
    chi2_covariance,
    chi2_p,
    chi2_unnormalised,
    chi2_weights,
)
from reprun.compare.statistics.distance import kolmogorov_distance
from reprun.compare.statistics.efficiencies import cochran_mantel_haenszel, fisher_exact_p
from reprun.compare.statistics.likelihood import likelihood_ratio
from reprun.compare.statistics.merging import merge_low_bins
from reprun.compare.statistics.multiple import benjamini_hochberg, holm
from reprun.compare.statistics.profiles import welch_p
from reprun.compare.statistics.pull import attainable_sidak, pull_test, sidak
from reprun.compare.statistics.runs import runs_p
from reprun.compare.statistics.samples import Sample
from reprun.compare.statistics.suite import Plan, run_tests
from reprun.compare.statistics.toys import toy_p
from reprun.compare.statistics.yields import binomial_p
from reprun.documents.analysis import STATISTICAL_TESTS
from reprun.histograms import Axis, Floats, Histogram
from tests.distance_tables import anderson_darling_standardised, kolmogorov_table_p

PAIRS = 200


def pair(seed: int) -> tuple[Floats, Floats]:
    """Return two rows of counts: every size, empty bins, sometimes another law."""
    rng = np.random.default_rng(seed)
    bins = int(rng.integers(2, 80))
    shape = rng.exponential(1, bins) ** rng.integers(1, 4)
    other = shape * (1 + 0.3 * rng.normal(size=bins) ** 2 * (seed % 3 == 0))
    size = 10 ** rng.uniform(0.5, 4)
    one = rng.poisson(size * shape / shape.sum()).astype(np.float64)
    two = rng.poisson(size * rng.uniform(0.3, 3) * other / other.sum()).astype(np.float64)
    one[0] += 1
    two[-1] += 1
    return one, two


def weighted(seed: int) -> tuple[Sample, Sample]:
    """Return the same with weights."""
    rng = np.random.default_rng(seed + 10_000)
    sides = []
    for counts in pair(seed):
        weights = [rng.exponential(1, int(n)) for n in counts]
        sides.append(
            Sample(np.array([w.sum() for w in weights]), np.array([(w * w).sum() for w in weights]))
        )
    return sides[0], sides[1]


@pytest.mark.parametrize("seed", range(PAIRS))
@pytest.mark.slow
def test_agreement_with_scipy(seed: int) -> None:
    one, two = pair(seed)
    filled = (one + two) > 0
    table = np.array([one[filled], two[filled]])
    chi2, ndf = chi2_counts(one, two)
    expected = stats.chi2_contingency(table, correction=False)
    assert chi2 == pytest.approx(expected.statistic, rel=1e-12)
    assert ndf == expected.dof
    assert chi2_p(chi2, ndf) == pytest.approx(expected.pvalue, rel=1e-10, abs=1e-300)
    ratio = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert float(likelihood_ratio(one, two)) == pytest.approx(ratio.statistic, rel=1e-9, abs=1e-9)

    n, m = int(one.sum()), int(two.sum())
    p = stats.binomtest(n, n + m, 0.5).pvalue
    assert float(binomial_p(np.array([n]), np.array([m]))[0]) == pytest.approx(p, rel=1e-10)

    places = np.arange(len(one))
    samples = np.repeat(places, one.astype(int)), np.repeat(places, two.astype(int))
    distance = float(kolmogorov_distance(one, two))
    assert distance == pytest.approx(stats.ks_2samp(*samples).statistic, rel=1e-12, abs=1e-15)
    asymptotic = stats.distributions.kstwobign.sf(distance * np.sqrt(n * m / (n + m)))
    assert kolmogorov_table_p(distance, n, m) == pytest.approx(asymptotic, rel=1e-12, abs=1e-300)
    if n + m > 8 and np.count_nonzero(filled) > 1:
        found = stats.anderson_ksamp(
            samples, variant="right", method=stats.PermutationMethod(n_resamples=1, rng=1)
        )
        assert anderson_darling_standardised(one, two) == pytest.approx(found.statistic, rel=1e-10)

    a, b = (np.random.default_rng([seed, k]).normal(size=5 + seed % 20 + k) for k in (0, 1))
    t, welch = welch_p(
        (np.array([a.mean()]), np.array([b.mean()])),
        (np.array([a.var(ddof=1)]), np.array([b.var(ddof=1)])),
        (np.array([float(len(a))]), np.array([float(len(b))])),
    )
    known = stats.ttest_ind(a, b, equal_var=False)
    assert float(t[0]) == pytest.approx(known.statistic, rel=1e-12)
    assert float(welch[0]) == pytest.approx(known.pvalue, rel=1e-12)

    passed, other = int(one[0]), int(two[0])
    exact = stats.fisher_exact([[passed, n - passed], [other, m - other]]).pvalue
    assert fisher_exact_p(passed, n, other, m) == pytest.approx(exact, rel=1e-8)


def test_weights_of_one_are_counts() -> None:
    for seed in range(40):
        one, two = pair(seed)
        a, b = Sample(one, one), Sample(two, two)
        both = (one > 0) & (two > 0)
        unit = chi2_weights(a, b)
        by_hand = (two.sum() * one - one.sum() * two) ** 2
        by_hand = by_hand / np.maximum(two.sum() ** 2 * one + one.sum() ** 2 * two, 1)
        assert unit[0] == pytest.approx(by_hand.sum(), rel=1e-12)
        assert unit[1] == chi2_counts(one, two)[1]
        if both.all():
            # For equal sums UU and WW of unit weights are the same number.
            same = chi2_weights(a, Sample(a.contents[::-1], a.variances[::-1]))
            assert same[0] == pytest.approx(chi2_counts(one, one[::-1])[0], rel=1e-12)


def test_counts_against_weights_estimate_the_shares_that_minimise() -> None:
    # The p_i of UW solve the likelihood equation of each bin: moving one raises nothing.
    one, two = pair(4)
    sides = weighted(4)
    chi2, ndf = chi2_counts_weights(one, sides[1])
    assert ndf == np.count_nonzero((one + two) > 0) - 1
    assert chi2 > 0
    scaled = Sample(sides[1].contents * 3, sides[1].variances * 9)
    assert chi2_counts_weights(one, scaled)[0] == pytest.approx(chi2, rel=1e-9)


def test_covariance() -> None:
    rng = np.random.default_rng(2)
    root = rng.normal(size=(6, 6))
    matrix = root @ root.T
    delta = rng.normal(size=6)
    chi2, rank = chi2_covariance(delta, matrix)
    assert chi2 == pytest.approx(delta @ np.linalg.inv(matrix) @ delta, rel=1e-9)
    assert rank == 6
    diagonal = Sample(delta, np.diag(matrix).copy())
    nothing = Sample(np.zeros(6), np.zeros(6))
    assert chi2_covariance(delta, np.diag(np.diag(matrix)))[0] == pytest.approx(
        chi2_unnormalised(diagonal, nothing)[0], rel=1e-12
    )
    # Normalised to one: rank n - 1, and a change of the sum is outside what V allows.
    share = np.full(6, 1 / 6)
    multinomial = np.diag(share) - np.outer(share, share)
    inside = delta - delta.mean()
    chi2, rank = chi2_covariance(inside, multinomial)
    assert rank == 5
    assert chi2 == pytest.approx(6 * (inside**2).sum(), rel=1e-9)
    assert chi2_covariance(inside + 1, multinomial)[0] == np.inf
    assert chi2_p(np.inf, 5) == 0


def test_mantel_haenszel_of_one_table_is_its_chi2() -> None:
    chi2, p = cochran_mantel_haenszel(*(np.array([float(n)]) for n in (30, 100, 45, 120)))
    table = np.array([[30, 70], [45, 75]])
    pearson = stats.chi2_contingency(table, correction=False).statistic
    assert chi2 == pytest.approx(pearson * 219 / 220, rel=1e-12)
    assert p == pytest.approx(stats.chi2.sf(chi2, 1), rel=1e-12)


def test_runs_are_counted_exactly() -> None:
    from itertools import combinations  # noqa: PLC0415

    total, positive = 9, 4
    ways: dict[int, int] = {}
    for places in combinations(range(total), positive):
        signs = np.full(total, -1.0)
        signs[list(places)] = 1
        runs, _ = runs_p(signs)
        ways[runs] = ways.get(runs, 0) + 1
    everything = sum(ways.values())
    for places in combinations(range(total), positive):
        signs = np.full(total, -1.0)
        signs[list(places)] = 1
        runs, p = runs_p(signs)
        assert p == pytest.approx(sum(n for k, n in ways.items() if k <= runs) / everything)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_corrections(values: list[float]) -> None:
    p = np.array(values)
    q = benjamini_hochberg(values)
    assert q == pytest.approx(stats.false_discovery_control(p), rel=1e-12, abs=1e-300)
    adjusted = holm(values)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, p * len(p)) + 1e-15).all()
    assert adjusted.min() == pytest.approx(min(1, p.min() * len(p)))
    # Step by step, as the paper rejects: the k-th smallest against alpha / (n - k).
    alpha = 0.05
    rejected = 0
    for k, value in enumerate(np.sort(p)):
        if value > alpha / (len(p) - k):
            break
        rejected += 1
    margin = np.abs(adjusted - alpha) > 1e-12
    assert rejected == (adjusted <= alpha).sum() or not margin.all()
    assert sidak(float(p.min()), len(p)) == pytest.approx(1 - (1 - p.min()) ** len(p), abs=1e-12)


def test_low_bins_are_merged_until_enough() -> None:
    for seed in range(60):
        for one, two in (weighted(seed), tuple(Sample(row, row) for row in pair(seed))):
            groups = merge_low_bins(one, two)
            a, b = one.merged(groups), two.merged(groups)
            assert a.total == pytest.approx(one.total)
            assert b.total == pytest.approx(two.total)
            occupied = (one.variances > 0) | (two.variances > 0)
            assert ((groups >= 0) == occupied).all()
            assert set(groups[occupied]) == set(range(len(a.contents)))
            swapped = merge_low_bins(two, one)
            assert (swapped == groups).all()


def test_the_pull_names_its_bin() -> None:
    one = np.full(50, 100.0)
    two = one.copy()
    two[17] = 190  # every bin holds too many events for the steps of its p to count
    found = pull_test(Sample(one, one), Sample(two, two), normalised=False)
    assert found.place == 17
    assert found.p == pytest.approx(sidak(stats.binomtest(100, 290, 0.5).pvalue, 50), rel=1e-8)
    doubled = pull_test(Sample(one, one), Sample(one * 2, one * 2), normalised=True)
    assert doubled.p == pytest.approx(1.0)
    assert pull_test(Sample(one, one), Sample(one * 2, one * 2), normalised=False).p < 1e-6


def test_toys_never_give_zero_and_stop_early() -> None:
    thrown = []

    def draw(size: int) -> tuple[Floats, Floats]:
        thrown.append(size)
        return np.zeros((size, 1)), np.zeros((size, 1))

    assert toy_p(5.0, draw, lambda a, b: a.sum(axis=1), 1000, 1) == 1 / 1001
    assert sum(thrown) == 1000
    thrown.clear()
    assert toy_p(0.0, draw, lambda a, b: a.sum(axis=1), 1000, 1) == 1.0
    assert sum(thrown) == 100


def test_bins_that_cannot_reach_a_small_p_do_not_count() -> None:
    # Two events give p >= 1/2, so 1000 such bins cost the one of a hundred events nothing.
    totals = np.array([100.0] + [2.0] * 1000)
    p = float(binomial_p(np.array([25.0]), np.array([75.0]))[0])
    assert attainable_sidak(p, totals, 0.5) == pytest.approx(p, rel=1e-9)
    assert attainable_sidak(1.0, totals, 0.5) == 1.0
    # One bin by itself: its own p, whatever the share.
    for share in (0.2, 0.5, 0.9):
        n, m = 3.0, 9.0
        own = stats.binom(12, share)
        p = min(1, 2 * min(own.cdf(n), own.sf(n - 1)))
        assert float(binomial_p(np.array([n]), np.array([m]), share)[0]) == pytest.approx(p)
        level = sum(own.pmf(k) for k in range(13) if 2 * min(own.cdf(k), own.sf(k - 1)) <= p)
        expected = level if p < 1 else 1.0
        assert attainable_sidak(p, np.array([12.0]), share) == pytest.approx(expected)


def test_every_test_that_a_rule_may_name_is_run() -> None:
    """A name without an entry in the suite would silently test nothing."""
    axis = Axis.regular(20, 0.0, 10.0)
    rng = np.random.default_rng(1)
    one, other = (
        Histogram("h", (axis,), rng.poisson(100.0, 22).astype(np.float64)) for _ in range(2)
    )
    for name in STATISTICAL_TESTS:
        plan = Plan(("yield", name), toys=1000)
        assert {result.test for result in run_tests(one, other, plan)} == {"yield", name}
    found = run_tests(one, other, Plan(STATISTICAL_TESTS[::-1], toys=1000))
    assert tuple(result.test for result in found) == STATISTICAL_TESTS
