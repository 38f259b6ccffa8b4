"""False alarms and power, by seeded toys: p-values of every test on every kind of pair.

Exact tests of counts give p-values that are discrete, so smaller than uniform ones can be
only; of all tests it must hold that p <= x happens in no more than x of the cases.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from reprun.compare.statistics import run_tests
from reprun.compare.statistics.suite import Plan
from reprun.histograms import Floats
from tests.null_toys import KINDS

pytestmark = pytest.mark.slow

TOYS = 400
ALL = ("yield", "shape", "pull", "runs", "ks", "ad")
LEVELS = (0.01, 0.05, 0.1, 0.2, 0.5)
CONTINUOUS = {
    "counts": ("shape",),
    "weights": ("yield", "shape"),
    "signed weights": ("yield", "shape", "pull"),
    "two axes": ("shape",),
    "profile": ("fills shape", "means", "mean pull"),
    "efficiency": ("total shape", "passed shape", "efficiency"),
    "graph": ("shape", "pull"),
}
"""Tests whose p is (nearly) continuous: there it must be uniform, not only bounded."""


@cache
def p_values(kind: str, shift: float = 0.0, toys: int = TOYS) -> dict[str, Floats]:
    """Return the p-values of all tests on `toys` pairs, the first side shifted."""
    first, second = KINDS[kind]
    # Counts and weights of another mean: only shapes can agree.
    tests = ALL[1:] if kind == "counts against weights" else ALL
    found: dict[str, list[float]] = {}
    for seed in range(toys):
        rng = np.random.default_rng([11, seed])
        one, other = first(rng, shift), second(rng, 0.0)
        for result in run_tests(one, other, Plan(tests, 1000, seed)):
            found.setdefault(result.test, []).append(result.p)
    return {test: np.array(p) for test, p in found.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_false_alarms_than_stated(kind: str) -> None:
    for test, p in p_values(kind).items():
        assert ((p > 0) & (p <= 1)).all(), test
        for level in LEVELS:
            most = stats.binom.isf(1e-4, len(p), level * 1.3 + 0.002)
            assert (p <= level).sum() <= most, (test, level, (p <= level).mean())


@pytest.mark.parametrize("kind", CONTINUOUS)
def test_continuous_p_values_are_uniform(kind: str) -> None:
    found = p_values(kind)
    for test in CONTINUOUS[kind]:
        assert stats.kstest(found[test], "uniform").pvalue > 1e-4, test


@pytest.mark.parametrize(
    ("kind", "shift", "test", "least"),
    [
        ("counts", 0.2, "shape", 0.85),
        ("counts", 0.2, "ks", 0.95),
        ("counts", 0.2, "ad", 0.95),
        ("counts", 0.3, "runs", 0.5),
        ("counts against weights", 0.25, "shape", 0.7),
        ("weights", 0.3, "shape", 0.9),
        ("signed weights", 1.0, "shape", 0.8),
        ("two axes", 0.3, "shape", 0.7),
        ("few counts", 2.0, "shape", 0.6),
        ("few counts", 2.0, "ad", 0.8),
        ("profile", 0.4, "means", 0.9),
        ("efficiency", 0.4, "efficiency", 0.95),
        ("graph", 1.6, "shape", 0.6),
        ("cut flow", 0.06, "cells", 0.75),
    ],
)
def test_power(kind: str, shift: float, test: str, least: float) -> None:
    """The share of shifted pairs with p < 0.01: each test sees what it is for."""
    power = float((p_values(kind, shift, 60)[test] < 0.01).mean())
    assert power >= least, power
