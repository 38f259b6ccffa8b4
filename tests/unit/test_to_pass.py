"""What a report says would have to be true for an object to pass is tried, and passes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.compare import Comparison, Verdict, compare
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import Axis, Histogram, Objects
from tests.compare_support import TODAY

ADVICE = re.compile(r"(relative|absolute|migrated): ([-+.e0-9]+)")
BINS = 4
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False) | st.integers(0, 50).map(float)


def histogram(values: list[float], sumw2: list[float] | None = None) -> Histogram:
    axis = Axis.regular(BINS, 0.0, 1.0)
    stored = None if sumw2 is None else np.array(sumw2)
    return Histogram("h", (axis,), np.array(values), stored)


def compared(one: Histogram, other: Histogram, *rules: ComparisonRule) -> Comparison:
    return compare(Objects({"h": one}), Objects({"h": other}), rules, TODAY)


def advised(needed: str) -> ComparisonRule | None:
    """Return the rule that an advice names; the model refuses what analysis.yaml would."""
    found = ADVICE.search(needed)
    if found is None:
        return None
    name, value = found.groups()
    number = int(value) if name == "migrated" else float(value)
    return ComparisonRule.model_validate(
        {"match": "*", "kind": "float", name: number, "reason": "it was advised"}
    )


@given(
    st.lists(NUMBERS, min_size=BINS + 2, max_size=BINS + 2),
    st.lists(NUMBERS, min_size=BINS + 2, max_size=BINS + 2),
    st.booleans(),
)
def test_the_rule_that_is_advised_is_accepted_and_lets_pass(
    one: list[float], other: list[float], weighted: bool
) -> None:
    here, there = (
        histogram(values, [abs(value) for value in values] if weighted else None)
        for values in (one, other)
    )
    if there.is_empty:
        return
    (item,) = compared(here, there).items
    if item.verdict is Verdict.IDENTICAL:
        return
    rule = advised(item.needed)
    assert rule is not None, item.needed
    (again,) = compared(here, there, rule).items
    assert again.verdict.passes, (item.needed, again.sentence)


@pytest.mark.parametrize(
    ("one", "other", "needed"),
    [
        ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 6], "relative: 0.17"),
        ([0, 0, 0, 0, 0, 7], [0, 0, 0, 0, 0, -7], "absolute: 14"),
        ([0, 3, 0, 0, 0, 0], [0, 0, 0, 0, 0, 9], "absolute: 9"),
        ([0, 5e-324, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0.1], "absolute: 0.1"),
        ([0, 5e-324, 0, 0, 0, 0.1], [0, 0, 0, 0, 0, 0.1], "absolute: 4.940656458e-324"),
    ],
)
def test_the_advice(one: list[float], other: list[float], needed: str) -> None:
    (item,) = compared(histogram(one), histogram(other)).items
    assert f"{needed}, with a reason" in item.needed
