"""The shared cases of text formats: two files each, and what their comparison has to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.compare import Comparison, Verdict, compare
from reprun.histograms import Table, read_objects
from tests.compare_support import TODAY
from tests.real_data import shared_case


def qualifier(energy: int) -> str:
    return f"""'{{"name": "SQRT(S)", "units": "GeV", "value": {energy}}}'"""


def compared(case: str) -> Comparison:
    """Compare the files of a case: `b` with its reference `a`."""
    (monitored,), (reference,) = ((shared_case(case) / side).iterdir() for side in "ba")
    return compare(read_objects(monitored), read_objects(reference), [], TODAY)


@pytest.mark.parametrize(
    "case",
    [
        "hepdata-null-errors",
        "hepdata-one-sided-error",
        "yoda-gz",
        "yoda1-flat-hash-begin",
        "yoda2-binnedhisto",
    ],
)
def test_what_is_the_same_is_read_and_passes(case: str) -> None:
    assert {item.verdict for item in compared(case).items} == {Verdict.IDENTICAL}


@pytest.mark.parametrize(
    ("case", "headline"),
    [
        ("csv-big-int", "row 'a', column 'x' is not there, reference '9007199254740993'"),
        (
            "hepdata-qualifiers",
            f"qualifiers 1 of 'sigma' is {qualifier(13000)}, reference {qualifier(7000)}",
        ),
        ("hepdata-text-values", "'upper limit', row 1 is '< 0.05', reference '< 0.5'"),
        (
            "hepdata-two-errors-one-label",
            (
                "all 4 numbers that are not zero in 'sigma sys (2) error low' and "
                "'sigma sys (2) error high' \u00d7 3.5"
            ),
        ),
        ("yoda1-scatter-without-rule", "point 2, y is -77, reference 20"),
    ],
)
def test_a_change_is_named(case: str, headline: str) -> None:
    comparison = compared(case)
    assert not comparison.reproduced
    assert [item.headline for item in comparison.items if not item.verdict.passes] == [headline]


def test_the_errors_of_a_case_are_kept() -> None:
    (path,) = (shared_case("hepdata-one-sided-error") / "a").iterdir()
    (found,) = read_objects(path).values()
    assert isinstance(found, Table)
    assert found.columns[-2:] == ("sigma stat error low", "sigma stat error high")
    assert str(found.values[0, -2:]) == "[  nan 0.155]"


def test_words_are_the_labels_of_a_histogram() -> None:
    for case, name in (("yoda2-binnedhisto", "r.yoda"), ("yoda-gz", "r.yoda.gz")):
        found = read_objects(Path(shared_case(case), "a", name))["ANA/flavours"]
        assert found.axes[0].labels == ("e", "mu")
        assert found.values.tolist() == [0, 5, 7, 0]
