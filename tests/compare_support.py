"""Histograms to compare: two that differ by their seed alone, and very many."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import numpy as np

from reprun.compare import Comparison, compare
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import Axis, Floats, Histogram, Objects

TODAY = datetime.date(2026, 3, 1)
AXIS = Axis.regular(50, 0.0, 10.0, title="m [GeV]")
FLOW = np.concatenate(([-np.inf], AXIS.edges, [np.inf]))
EVENTS = 100_000


def events(seed: int, size: int = EVENTS, mean: float = 5.0) -> Floats:
    return np.random.default_rng(seed).normal(mean, 1.5, size)


def filled(x: Floats, weights: Floats | None = None, **changes: Any) -> Histogram:
    values = np.histogram(x, FLOW, weights=weights)[0]
    sumw2 = None if weights is None else np.histogram(x, FLOW, weights=weights**2)[0]
    made = Histogram("h", (AXIS,), values, sumw2, entries=float(len(x)))
    return dataclasses.replace(made, **changes)


A, B = filled(events(1)), filled(events(2))


def rule(**more: Any) -> ComparisonRule:
    fields = {"match": "*", "kind": "sampled", "reason": "other seeds"}
    return ComparisonRule.model_validate(fields | more)


# -- very many ----------------------------------------------------------------------------------

FEW_BINS = Axis.regular(5, 0.0, 1.0)
SAMPLED = ComparisonRule(match="*", kind="sampled", reason="other seeds")
NAMES = [f"h{number:03}" for number in range(300)]


def many(seed: int, **changed: float) -> Objects:
    rng = np.random.default_rng(seed)
    found = {}
    for name in NAMES:
        values = rng.poisson(50.0, 7).astype(np.float64)
        values[3] = changed.get(name, values[3])
        found[name] = Histogram(name, (FEW_BINS,), values)
    return Objects(found)


def run_many(cores: int = 1, **changed: float) -> Comparison:
    return compare(many(1, **changed), many(2), [SAMPLED], TODAY, cores=cores)


def verdicts(comparison: Comparison) -> list[tuple[str, str, str]]:
    return [(item.name, item.verdict, item.sentence) for item in comparison.items]
