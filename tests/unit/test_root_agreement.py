"""Our statistics against what ROOT's TH1 methods answered, to 1e-12.

ROOT is not in this environment: its answers on 300 seeded pairs lie in
tests/data/root_answers.json, with the version they came from. To regenerate them, run
`python tools/root-answers` with a Python that can import ROOT and numpy.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from reprun.compare.statistics.chi2 import (
    chi2_counts,
    chi2_counts_weights,
    chi2_p,
    chi2_weights,
)
from reprun.compare.statistics.distance import anderson_darling, kolmogorov_distance
from reprun.compare.statistics.samples import Sample
from tests.distance_tables import anderson_darling_sigma, kolmogorov_table_p
from tests.root_pairs import CASES, Row, case, checksum

pytestmark = pytest.mark.slow

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "root_answers.json").read_text()
)


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-12, abs=1e-12)


def sample(row: Row, *, flow: bool) -> Sample:
    values, sumw2 = row
    variances = values if sumw2 is None else sumw2
    return Sample(values, variances) if flow else Sample(values[1:-1], variances[1:-1])


def chi2(kind: str, one: Sample, other: Sample) -> tuple[float, int]:
    if kind == "UU":
        return chi2_counts(one.contents, other.contents)
    if kind == "WW":
        return chi2_weights(one, other)
    roots_choice = other.variances.sum() / other.contents.sum()
    return chi2_counts_weights(one.contents, other, empty_variance=roots_choice)


def roots_kolmogorov(distance: float, one: Sample, other: Sample) -> float:
    """Return what TMath::KolmogorovProb gives, which is short of digits in two ways.

    Below 0.755 its sqrt(2 pi) is 2.50662827, above it the series ends after round(3 / z)
    terms: up to 2e-9 off the Kolmogorov function, which scipy and we have in full.
    """
    size = one.effective * other.effective / (one.effective + other.effective)
    z = distance * math.sqrt(size)
    if z < 0.2:
        return 1.0
    if z < 0.755:
        exact = float(special.kolmogorov(z))
        return 1 - (1 - exact) * 2.50662827 / math.sqrt(2 * math.pi)
    terms = range(1, max(1, round(3 / z)) + 1)
    return 2 * math.fsum((-1) ** (j - 1) * math.exp(-2 * j * j * z * z) for j in terms)


def roots_sigma(one: float, other: float) -> float:
    """Return sigma_N as ROOT has it: from 2000 events on with rounded harmonic sums."""
    total = one + other
    if total < 2000:
        return anderson_darling_sigma(one, other)
    return anderson_darling_sigma(
        one, other, sums=(math.log(total - 1) + np.euler_gamma, math.pi**2 / 6)
    )


def test_the_answers_are_complete() -> None:
    assert RECORDED["root"] == "6.40.00"
    assert len(RECORDED["answers"]) == CASES == 300


@pytest.mark.parametrize("number", range(CASES))
def test_agreement_with_root(number: int) -> None:
    kind, *rows = case(number)
    answer = RECORDED["answers"][number]
    assert checksum(number) == answer["rows"], "numpy draws other numbers: run tools/root-answers"
    for flow, suffix in ((False, ""), (True, "_flow")):
        one, other = (sample(row, flow=flow) for row in rows)
        p, statistic, ndf = answer["chi2" + suffix]
        found = chi2(kind, one, other)
        assert found == (near(statistic), ndf)
        assert chi2_p(*found) == near(p)
        distance, probability = answer["ks" + suffix]
        largest = float(kolmogorov_distance(one.contents, other.contents))
        assert largest == near(distance)
        table = kolmogorov_table_p(largest, one.effective, other.effective)
        assert roots_kolmogorov(largest, one, other) == near(probability)
        assert table == pytest.approx(probability, abs=2e-9)
    if kind == "UU":
        inner = [np.asarray(row[0][1:-1]) for row in rows]
        statistic = float(anderson_darling(*inner))
        sigma = roots_sigma(float(inner[0].sum()), float(inner[1].sum()))
        assert (statistic - 1) / sigma == near(answer["ad"])
