# ruff: noqa: RUF001 - the sign of multiplication
"""The sentence of an object that fails: its worst bin and integral, or the factor in common."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.compare import Item, compare
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import Axis, DataObject, Histogram, Objects, Table
from reprun.histograms.composites import binned_table
from reprun.report import build_report, render_html, render_junit, render_markdown
from reprun.report.grid import plain_text
from reprun.report.model import AnalysisInfo
from reprun.report.text import renderable
from tests.compare_support import TODAY, rule

AXIS = Axis.regular(40, 0.0, 20.0)
PEAK = np.array([0, *np.rint(500 * np.exp(-0.5 * ((np.arange(40) - 20) / 5) ** 2)), 7.0])


def histogram(values: Any = PEAK, **more: Any) -> Histogram:
    return Histogram("h", (AXIS,), np.asarray(values, dtype=float), **more)


def judged(one: DataObject, other: DataObject, *rules: ComparisonRule) -> Item:
    (item,) = compare(Objects({"h": one}), Objects({"h": other}), rules, TODAY).items
    return item


def test_a_histogram_without_a_name_has_one_to_read() -> None:
    values = PEAK.copy()
    values[20] += 10
    found = compare(Objects({"": histogram(values)}), Objects({"": histogram()}), (), TODAY)
    report = build_report(found, AnalysisInfo(name="x", title="X"))
    assert "changed: (no name) bin 20" in report.sentence
    assert report.items[0].name == ""
    text = plain_text(renderable(report), 100)
    for shown in (text, render_markdown(report), render_junit(report)):
        assert "(no name)" in shown.replace(report.sentence, "")
    assert '<span class="name">(no name)</span>' in render_html(report)


def test_the_worst_bin_and_the_integral_lead() -> None:
    values = PEAK.copy()
    values[20:23] += (10, 150, -3)
    item = judged(histogram(values), histogram())
    assert item.headline == (
        "3 of 42 bins differ; worst in bin 21 [10, 10.5): 650 against 500 (pull +4.4); "
        "integral 6,425 against 6,268 (+2.5 %)"
    )
    assert item.sentence.startswith("3 of 42 bins differ, at most 0.23 relative; worst in bin 21")
    report = build_report(
        compare(Objects({"h": histogram(values)}), Objects({"h": histogram()}), (), TODAY),
        AnalysisInfo(name="x", title="x"),
    )
    assert report.items[0].worst is not None
    assert report.items[0].worst.label == "bin 21 [10, 10.5)"
    assert list(report.items[0].integrals or ()) == [6425, 6268]
    assert item.headline in report.sentence


def test_of_one_bin_it_is_that_bin() -> None:
    values = PEAK.copy()
    values[41] = 9
    item = judged(histogram(values), histogram())
    assert item.headline == "overflow is 9, reference 7"
    assert item.sentence == (
        "overflow is 9, reference 7; 1 of 42 bins differs, at most 0.22 relative, pull +0.5; "
        "the integral is the same; differs only in the overflow bin"
    )


@pytest.mark.parametrize("bins", [40, 70_000])
def test_the_worst_is_found_in_every_part_of_large_objects(bins: int) -> None:
    axis = Axis.regular(bins, 0.0, 1.0)
    other = np.full(bins + 2, 100.0)
    one = other.copy()
    one[[3, bins - 2, bins]] = (99, 300, 101)
    item = judged(Histogram("h", (axis,), one), Histogram("h", (axis,), other))
    assert f"worst in bin {bins - 2} " in item.headline


def test_nan_is_the_worst_and_has_no_integral() -> None:
    values = PEAK.copy()
    values[20:23] = (9999, np.nan, 1)
    item = judged(histogram(values), histogram())
    assert "worst in bin 21 [10, 10.5): nan against 500" in item.headline
    assert "integral" not in item.headline


def test_errors_alone() -> None:
    sumw2 = PEAK.copy()
    sumw2[20:22] *= (4, 2)
    item = judged(histogram(sumw2=sumw2), histogram(sumw2=PEAK))
    assert item.headline == (
        f"2 of 42 bins differ; worst in bin 20 [9.5, 10): error {2 * np.sqrt(PEAK[20]):.6g} "
        f"against {np.sqrt(PEAK[20]):.6g}; the integral is the same"
    )


def test_profiles_have_a_worst_bin_and_cut_flows_a_first_row() -> None:
    columns = {"sumw": PEAK, "sumwy": 2 * PEAK}
    other = binned_table("p", "TProfile", (AXIS,), columns)
    values = other.values.copy()
    values[[20, 21], 1] *= (1.1, 1.5)
    item = judged(dataclasses.replace(other, values=values), other)
    assert item.headline == (
        "2 of 84 numbers differ; worst in bin 21 [10, 10.5), sumwy: 1500 against 1000"
    )
    flow = Table("t", ("all", "two", "mass"), ("n",), np.array([[9.0], [5.0], [3.0]]))
    later = dataclasses.replace(flow, values=np.array([[9.0], [4.0], [1.0]]))
    item = judged(later, flow)
    assert item.headline == "row 'two', column 'n' is 4, reference 5"
    assert "first in 'two' (row 2 of 3)" in item.sentence


WEIGHTED = {"sumw2": PEAK * 0.25}


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (histogram(PEAK * 1.00072), histogram(), "all 38 filled bins × 1.00072;"),
        (histogram(PEAK * -1), histogram(), "all 38 filled bins × -1 (the sign);"),
        (histogram(PEAK * 1000), histogram(), "all 38 filled bins × 1000 (the unit?);"),
        (histogram(PEAK * 1e-6), histogram(), "all 38 filled bins × 1e-06 (the unit?);"),
        (histogram(PEAK * (1 + 3e-9)), histogram(), "all 38 filled bins × 1.000000003;"),
        (histogram(PEAK, sumw2=PEAK * 2), histogram(sumw2=PEAK),
         "errors of all 38 filled bins × 1.41421, contents equal;"),
        (histogram(PEAK * 0.5 * 1.1, sumw2=PEAK * 0.25 * 1.21), histogram(PEAK * 0.5, **WEIGHTED),
         "all 38 filled bins × 1.1, errors too;"),
        (histogram(PEAK * 0.5 * 1.1, **WEIGHTED), histogram(PEAK * 0.5, **WEIGHTED),
         "all 38 filled bins × 1.1, errors unchanged;"),
        (histogram(PEAK * 0.5 * 3, sumw2=PEAK * 0.25 * 3), histogram(PEAK * 0.5, **WEIGHTED),
         "all 38 filled bins × 3, sumw2 × 3;"),
        (histogram(PEAK * -0.5, **WEIGHTED), histogram(PEAK * 0.5, **WEIGHTED),
         "all 38 filled bins × -1 (the sign);"),
        (histogram(np.float32(PEAK * 0.1) * np.float32(1.1), storage="float32"),
         histogram(np.float32(PEAK * 0.1), storage="float32"), "all 38 filled bins × 1.1;"),
    ],
)  # fmt: skip
def test_a_common_factor_is_one_difference(one: Histogram, other: Histogram, words: str) -> None:
    item = judged(one, other)
    assert not item.verdict.passes
    assert item.headline.startswith(words)
    assert item.sentence.startswith(f"{words} 38 of 42 bins differ")
    assert item.numbers is not None
    assert item.numbers.factor is not None


@given(st.floats(1e-5, 1e5), st.integers(0, 100))
def test_any_factor_is_found_and_no_other_difference_is_one(factor: float, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(1, 2, 42)
    found = judged(histogram(values * factor), histogram(values)).numbers
    if abs(factor - 1) > 1e-11:
        assert found is not None
        assert found.factor is not None
        assert found.factor.value == pytest.approx(factor, rel=1e-12)
    values_off = values * 1.5
    values_off[seed % 42] *= 1 + 1e-9
    found = judged(histogram(values_off), histogram(values)).numbers
    assert found is not None
    assert found.factor is None


@pytest.mark.parametrize(
    "one",
    [
        histogram(np.where(PEAK > 0, PEAK + 1, 0)),
        histogram(np.append(PEAK[:-1] * 1.1, PEAK[-1])),  # not in the overflow
        histogram(np.where(np.arange(42) < 38, 0, PEAK * 2)),  # of others nothing is left
        histogram(np.where(PEAK > 0, np.inf, 0)),
    ],
)
def test_no_common_factor(one: Histogram) -> None:
    assert "filled" not in judged(one, histogram()).sentence


def test_two_bins_are_no_evidence() -> None:
    few = np.zeros(42)
    few[[3, 4]] = (1, 2)
    assert "filled" not in judged(histogram(2 * few), histogram(few)).sentence


def test_tables_and_profiles_have_factors_too() -> None:
    other = Table("t", ("a", "b", "c"), ("n", "x"), np.array([[1, 2.0], [3, 4], [5, 6]]))
    both = dataclasses.replace(other, values=other.values * 1.01)
    assert judged(both, other).headline == "all 6 numbers that are not zero × 1.01"
    one = dataclasses.replace(other, values=other.values * (1, 1000))
    assert judged(one, other).headline == (
        "all 3 numbers that are not zero in 'x' × 1000 (the unit?)"
    )
    each = dataclasses.replace(other, values=other.values * (1000, 1e6))
    assert judged(each, other).headline == "all numbers of 'n' × 1000, 'x' × 1e+06"


def test_samples_that_fail_say_the_factor() -> None:
    item = judged(histogram(PEAK * 2), histogram(), rule(match="h"))
    assert item.headline.startswith("fails the ")
    assert item.sentence.endswith("; all 38 filled bins × 2")
