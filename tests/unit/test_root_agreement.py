"""Our statistics against what ROOT's TH1 methods answered, to 1e-12.

ROOT is not in this environment: its answers on 300 seeded pairs lie in
tests/data/root_answers.json, with the version they came from. To regenerate them, run
`python tools/root-answers` with a Python that can import ROOT and numpy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprun.compare.statistics.chi2 import (
    chi2_counts,
    chi2_counts_weights,
    chi2_p,
    chi2_weights,
)
from reprun.compare.statistics.distance import (
    anderson_darling_standardised,
    kolmogorov_distance,
    kolmogorov_table_p,
)
from reprun.compare.statistics.samples import Sample
from tests.root_pairs import CASES, Row, case, checksum

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "root_answers.json").read_text()
)
EXACT = {"rel": 1e-12, "abs": 1e-12}


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


def as_root_rounds_it(p: float, distance: float, one: Sample, other: Sample) -> float:
    """Return p with sqrt(2 pi) as 2.50662827, which TMath::KolmogorovProb has below 0.755.

    That constant costs ROOT 2e-9 in 1 - p there; scipy and we have all digits.
    """
    size = one.effective * other.effective / (one.effective + other.effective)
    argument = distance * np.sqrt(size)
    if argument >= 0.755:
        return p
    return 1.0 if argument < 0.2 else 1 - (1 - p) * 2.50662827 / np.sqrt(2 * np.pi)


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
        assert found == (pytest.approx(statistic, **EXACT), ndf)
        assert chi2_p(*found) == pytest.approx(p, **EXACT)
        distance, probability = answer["ks" + suffix]
        largest = float(kolmogorov_distance(one.contents, other.contents))
        assert largest == pytest.approx(distance, **EXACT)
        table = kolmogorov_table_p(largest, one.effective, other.effective)
        assert as_root_rounds_it(table, largest, one, other) == pytest.approx(probability, **EXACT)
        assert table == pytest.approx(probability, abs=2e-9)
    if kind == "UU":
        inner = [np.asarray(row[0][1:-1]) for row in rows]
        expected = pytest.approx(answer["ad"], rel=1e-12, abs=1e-10)
        assert anderson_darling_standardised(*inner) == expected
