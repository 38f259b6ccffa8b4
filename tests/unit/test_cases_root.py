"""The shared cases of ROOT files: two files each, and what their comparison has to say."""

from __future__ import annotations

import pytest

from reprun.compare import Comparison, Verdict, compare
from reprun.errors import OutputMissingError
from reprun.histograms import read_objects
from tests.compare_support import TODAY
from tests.real_data import shared_case

V = Verdict


def compared(case: str) -> Comparison:
    """Compare the files of a case: `b` with its reference `a`."""
    (monitored,), (reference,) = ((shared_case(case) / side).iterdir() for side in "ba")
    return compare(read_objects(monitored), read_objects(reference), [], TODAY)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (
            "root-in-list",
            {"nEvents": V.IDENTICAL, "out": V.IDENTICAL, "out/pt": V.CHANGED},
        ),
        # The object has no bytes at all: what it would hold, nobody can say.
        ("root-derived-class", {"x": V.IDENTICAL, "mnv": V.NOT_COMPARABLE}),
        ("root-name-clash", {"a/b": V.NOT_COMPARABLE}),
        ("root-profile-error-option", {"p": V.NOT_COMPARABLE}),
        ("root-sumw2-wrong-length", {"x": V.IDENTICAL, "h": V.NOT_COMPARABLE}),
        (
            "root-vectors-matrices",
            {
                "nEvents": V.IDENTICAL,
                "yields": V.CHANGED,
                "covariance": V.CHANGED,
                "lumi": V.CHANGED,
                "version": V.NOT_COMPARABLE,
                "s": V.NOT_COMPARABLE,
            },
        ),
    ],
)
def test_nothing_is_passed_over(case: str, expected: dict[str, Verdict]) -> None:
    comparison = compared(case)
    assert not comparison.reproduced
    found = {item.name: item.verdict for item in comparison.items}
    assert found.keys() == expected.keys()
    # How far numbers lie apart is not what this is about.
    apart = {V.DIFFERENT: V.CHANGED}
    assert {name: apart.get(verdict, verdict) for name, verdict in found.items()} == expected


def test_a_file_that_was_never_closed_says_so() -> None:
    (path,) = (shared_case("root-not-closed") / "a").iterdir()
    with pytest.raises(OutputMissingError, match="it was never closed") as error:
        read_objects(path)
    assert error.value.exit_code == 4


def test_a_symmetric_matrix_is_whole() -> None:
    (path,) = (shared_case("root-vectors-matrices") / "a").iterdir()
    assert read_objects(path)["covariance"].values.tolist() == [[1, 0], [0, 1]]
