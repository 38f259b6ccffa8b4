"""Pairs of one law, of every kind that the tests tell apart; seeded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from reprun.histograms import Axis, DataObject, Floats, Histogram, Table

Maker = Callable[[np.random.Generator, float], DataObject]
"""Makes one sample; the number is a shift of the law, 0 under the null."""
EDGES = np.linspace(0, 10, 41)
AXIS = Axis(EDGES)
FLOW = np.concatenate(([-np.inf], EDGES, [np.inf]))


def _binned(x: Floats, weights: Floats | None = None) -> Histogram:
    values, _ = np.histogram(x, FLOW, weights=weights)
    sumw2 = None if weights is None else np.histogram(x, FLOW, weights=weights**2)[0]
    return Histogram("h", (AXIS,), values, sumw2)


def counts(rng: np.random.Generator, shift: float, size: int = 5000) -> Histogram:
    """Return a Gaussian peak of Poisson many events."""
    return _binned(rng.normal(5 + shift, 1.5, rng.poisson(size)))


def few(rng: np.random.Generator, shift: float) -> Histogram:
    """Return some 25 events in 40 bins."""
    return counts(rng, shift, 25)


def weights(rng: np.random.Generator, shift: float) -> Histogram:
    """Return events with exponential weights."""
    x = rng.normal(5 + shift, 1.5, rng.poisson(5000))
    return _binned(x, rng.exponential(0.3, len(x)))


def signed(rng: np.random.Generator, shift: float) -> Histogram:
    """Return events of which a third has weight -1, as in next-to-leading-order samples."""
    x = rng.normal(5 + shift, 1.5, rng.poisson(8000))
    return _binned(x, rng.choice([-1.0, 1.0], len(x), p=[0.35, 0.65]))


def plane(rng: np.random.Generator, shift: float) -> Histogram:
    """Return counts on two axes."""
    size = rng.poisson(4000)
    axis = Axis(np.linspace(0, 10, 13))
    flow = np.concatenate(([-np.inf], axis.edges, [np.inf]))
    x, y = rng.normal(5 + shift, 1.5, size), rng.normal(4, 2, size)
    return Histogram("h", (axis, axis), np.histogram2d(x, y, (flow, flow))[0])


def profile(rng: np.random.Generator, shift: float) -> Table:
    """Return a profile of a skewed y."""
    x = rng.normal(5, 1.5, rng.poisson(5000))
    y = rng.exponential(2 + 0.1 * x) + shift
    sums = [np.histogram(x, FLOW, weights=w)[0] for w in (np.ones(len(x)), y, y * y)]
    rows = tuple(AXIS.describe_bin(place) for place in range(42))
    columns = ("sumw", "sumwy", "sumwy2")
    return Table("p", rows, columns, np.array(sums).T, class_name="TProfile", axes=(AXIS,))


def efficiency(rng: np.random.Generator, shift: float) -> Table:
    """Return a turn-on curve."""
    x = rng.uniform(0, 10, rng.poisson(4000))
    passed = rng.random(len(x)) < 0.9 / (1 + np.exp(4 + shift - x))
    sums = [np.histogram(part, FLOW)[0] for part in (x[passed], x)]
    rows = tuple(AXIS.describe_bin(place) for place in range(42))
    table = np.array(sums, dtype=np.float64).T
    return Table("e", rows, ("passed", "total"), table, class_name="TEfficiency", axes=(AXIS,))


def points(rng: np.random.Generator, shift: float) -> Table:
    """Return twenty points with asymmetric errors of normal halves."""
    x = np.arange(20.0)
    low, high = np.full(20, 0.8), np.full(20, 0.8)
    y = np.sin(x) + rng.normal(shift, 0.8, 20)
    columns = ("x", "y", "x error low", "x error high", "y error low", "y error high")
    values = np.array([x, y, 0 * x, 0 * x, low, high]).T
    rows = tuple(f"point {n}" for n in range(20))
    return Table("g", rows, columns, values, class_name="TGraphAsymmErrors")


def cut_flow(rng: np.random.Generator, shift: float) -> Table:
    """Return the counts after each of five cuts, independent ones for simplicity."""
    means = np.array([10_000, 4_000, 900, 300, 40]) * (1 + shift)
    values = rng.poisson(means).astype(np.float64).reshape(-1, 1)
    return Table("cuts", ("all", "trigger", "two muons", "isolation", "mass"), ("n",), values)


KINDS: Mapping[str, tuple[Maker, Maker]] = {
    "counts": (counts, counts),
    "few counts": (few, few),
    "counts against weights": (counts, weights),
    "weights": (weights, weights),
    "signed weights": (signed, signed),
    "two axes": (plane, plane),
    "profile": (profile, profile),
    "efficiency": (efficiency, efficiency),
    "graph": (points, points),
    "cut flow": (cut_flow, cut_flow),
}
