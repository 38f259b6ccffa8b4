"""Migration: entries in a neighbouring bin are named, and nothing that may be another thing is."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from reprun.compare import Comparison, Item, Verdict, compare
from reprun.compare.migration import migrations
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import Axis, Histogram, Objects
from reprun.report import build_report, render_html, render_junit, render_markdown, report_json
from reprun.report.model import AnalysisInfo
from tests.compare_support import TODAY

AXIS = Axis.regular(20, 0.0, 10.0)
CONTENTS = np.array([3, *range(240, 260), 5], dtype=np.float64)
CONTENTS[12], CONTENTS[13] = 247, 11


def histogram(values: Any = CONTENTS, **more: Any) -> Histogram:
    return Histogram("h", more.pop("axes", (AXIS,)), np.asarray(values, float), **more)


def moved(*moves: tuple[Any, Any, float], of: Histogram | None = None, w: float = 1.0) -> Histogram:
    """Return a histogram with entries moved: from, to, how many."""
    of = of or histogram()
    values = of.values.copy()
    sumw2 = None if of.sumw2 is None else of.sumw2.copy()
    for source, target, count in moves:
        values[source] -= count * w
        values[target] += count * w
        if sumw2 is not None:
            sumw2[source] -= count * w * w
            sumw2[target] += count * w * w
    return dataclasses.replace(of, values=values, sumw2=sumw2)


def compared(one: Histogram, other: Histogram, *rules: ComparisonRule) -> Comparison:
    return compare(Objects({"h": one}), Objects({"h": other}), rules, TODAY)


def item(one: Histogram, other: Histogram, *rules: ComparisonRule) -> Item:
    return compared(one, other, *rules).items[0]


def rule(**more: Any) -> ComparisonRule:
    fields = {"match": "*", "kind": "count", "migrated": 1, "reason": "a cut on a rounded value"}
    return ComparisonRule.model_validate(fields | more)


def said(one: Histogram, other: Histogram) -> list[str]:
    return [move.sentence for move in migrations(one, other)]


PLANE = histogram(np.full((7, 7), 9.0), axes=(Axis.regular(5, 0, 1),) * 2)
WEIGHTED = histogram(CONTENTS * 0.37, sumw2=CONTENTS * 0.37**2)

EXPLAINED = {
    "one": (moved((12, 13, 1)), histogram(), ["1 entry from bin 12 to 13"]),
    "back": (moved((13, 12, 1)), histogram(), ["1 entry from bin 13 to 12"]),
    "three": (moved((5, 6, 3)), histogram(), ["3 entries from bin 5 to 6"]),
    "two places": (
        moved((5, 6, 1), (12, 11, 2)),
        histogram(),
        ["1 entry from bin 5 to 6", "2 entries from bin 12 to 11"],
    ),
    "from both sides": (
        moved((5, 6, 1), (7, 6, 1)),
        histogram(),
        ["1 entry from bin 5 to 6", "1 entry from bin 7 to 6"],
    ),
    "into the overflow": (moved((20, 21, 1)), histogram(), ["1 entry from bin 20 to overflow"]),
    "out of the underflow": (moved((0, 1, 1)), histogram(), ["1 entry from underflow to bin 1"]),
    "a weight": (
        moved((12, 13, 1), of=WEIGHTED, w=0.37),
        WEIGHTED,
        ["1 entry of weight 0.37 from bin 12 to 13"],
    ),
    "a negative weight": (
        moved((12, 13, 1), of=WEIGHTED, w=-0.9),
        WEIGHTED,
        ["1 entry of weight -0.9 from bin 12 to 13"],
    ),
    "weights in single precision": (
        dataclasses.replace(moved((12, 13, 2), of=WEIGHTED, w=0.37), storage="float32"),
        dataclasses.replace(WEIGHTED, storage="float32"),
        ["2 entries of weight 0.37 from bin 12 to 13"],
    ),
    "in a plane": (
        moved(((3, 4), (3, 5), 1), of=PLANE), PLANE, ["1 entry from y bin 4 to 5 (x bin 3)"],
    ),
    "in a plane, along x": (
        moved(((3, 4), (2, 4), 1), of=PLANE), PLANE, ["1 entry from x bin 3 to 2 (y bin 4)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPLAINED)
def test_entries_in_a_neighbouring_bin_are_named(name: str) -> None:
    one, other, words = EXPLAINED[name]
    assert said(one, other) == words
    found = item(one, other)
    assert not found.verdict.passes
    assert found.headline == f"migrated: {', '.join(words)}"


LABELLED = (dataclasses.replace(AXIS, labels=tuple(f"cut {n}" for n in range(20))),)
FEW = histogram(np.where(np.arange(22) == 12, 5.0, 0.0))
VARYING = histogram(CONTENTS * 0.4, sumw2=CONTENTS * 0.2)
NAN = histogram(np.where(np.arange(22) == 12, np.nan, CONTENTS))
UNEXPLAINED = {
    "one bin": (moved((12, 12, 0), of=histogram(CONTENTS + (np.arange(22) == 4))), histogram()),
    "two bins away": (moved((12, 14, 1)), histogram()),
    "a chain of two": (moved((5, 6, 2), (6, 7, 1)), histogram()),
    "too many": (moved((12, 13, 11)), histogram()),
    "many of few": (moved((12, 13, 1), of=FEW), FEW),
    "bins with labels": (
        moved((12, 13, 1), of=histogram(axes=LABELLED)), histogram(axes=LABELLED),
    ),
    "half an entry": (moved((12, 13, 0.5)), histogram()),
    "no clear weight": (
        dataclasses.replace(moved((12, 13, 1), of=VARYING, w=0.3),
                            sumw2=VARYING.values * 0.5 + (np.arange(22) == 13) * 0.2),
        VARYING,
    ),
    "a weight in contents only": (
        dataclasses.replace(moved((12, 13, 1), of=WEIGHTED, w=0.37), sumw2=WEIGHTED.sumw2),
        WEIGHTED,
    ),
    "across a corner": (moved(((3, 4), (4, 5), 1), of=PLANE), PLANE),
    "two ways around": (
        moved(((3, 3), (3, 4), 1), ((4, 4), (4, 3), 1), of=PLANE), PLANE,
    ),
    "NaN": (NAN, histogram()),
    "everywhere": (histogram(CONTENTS[::-1]), histogram()),
}  # fmt: skip


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_what_may_be_another_thing_is_no_migration(name: str) -> None:
    one, other = UNEXPLAINED[name]
    assert said(one, other) == []
    assert "migrated" not in item(one, other).sentence


def test_a_migration_is_named_by_the_edge_between_both_bins() -> None:
    (move,) = migrations(moved((13, 12, 1)), histogram())
    assert (move.source, move.target, move.axis, move.edge) == ((13,), (12,), 0, 6.0)


def test_a_migration_never_passes_by_itself_and_keeps_its_verdict() -> None:
    found = item(moved((12, 13, 1)), histogram(), rule(migrated=0))
    assert found.verdict is Verdict.CHANGED
    assert found.needed == "all numbers equal; a rule would need migrated: 1, with a reason"


def test_a_rule_allows_as_many_entries_as_it_says() -> None:
    passed = compared(moved((12, 13, 1)), histogram(), rule())
    assert passed.items[0].verdict is Verdict.EQUAL
    assert passed.items[0].sentence == "migrated: 1 entry from bin 12 to 13; 1 entry allowed"
    assert passed.sentence == "reproduced: 1 object, 1 equal within 1 migrated entry"
    assert not item(moved((12, 13, 2)), histogram(), rule()).verdict.passes
    assert not item(moved((12, 14, 1)), histogram(), rule()).verdict.passes


def test_a_rule_for_migration_allows_nothing_else() -> None:
    """A last digit elsewhere is no part of the migration, and entries count as before."""
    near = moved((12, 13, 1))
    nearly = histogram(near.values + (np.arange(22) == 3) * 1e-11)
    assert [each.sentence for each in migrations(nearly, histogram())] == said(near, histogram())
    assert not item(nearly, histogram(), rule()).verdict.passes
    close = rule(kind="float", relative=1e-9)
    assert item(nearly, histogram(), close).verdict is Verdict.EQUAL
    lost = dataclasses.replace(near, entries=99.0), histogram(entries=100.0)
    found = item(*lost, rule())
    assert not found.verdict.passes
    assert found.sentence.endswith("the number of entries differs: 99 / 100")


def test_of_independent_samples_no_entry_migrates() -> None:
    sampled = ComparisonRule(match="*", kind="sampled", reason="other seeds")
    assert item(moved((12, 13, 1)), histogram(), sampled).migrated == ()


@pytest.mark.parametrize("fields", [{"reason": None}, {"kind": "sampled"}, {"migrated": -1}])
def test_a_rule_for_migration_has_a_reason_and_a_kind(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rule(**fields)


def test_every_form_of_a_report_names_the_migration() -> None:
    comparison = compared(moved((12, 13, 1)), histogram())
    report = build_report(comparison, AnalysisInfo(name="a", title="A"))
    words = "migrated: 1 entry from bin 12 to 13"
    forms = (report_json, render_html, render_junit, render_markdown)
    assert [words in form(report) for form in forms] == [True] * len(forms)
    (move,) = report.items[0].migrated
    assert (move.entries, move.source, move.target) == (1, (12,), (13,))
    (note,) = report.notes
    assert note.startswith("migrated: 1 of 1 object that failed differ only by entries that moved")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({21: 9.0}, "differs only in the overflow bin"),
        ({0: 9.0, 21: 9.0}, "differs only in the overflow and underflow bins"),
        ({5: 1.0}, None),
    ],
)
def test_a_difference_of_flow_bins_alone_is_named(
    change: dict[int, float], words: str | None
) -> None:
    values = CONTENTS.copy()
    for place, value in change.items():
        values[place] = value
    comparison = compared(histogram(values), histogram())
    sentence = comparison.items[0].sentence
    assert sentence.endswith(words) if words else "only in" not in sentence
    panel = build_report(comparison, AnalysisInfo(name="a", title="A")).items[0].panels[0]
    assert panel.flow_pulls is not None
    assert any(panel.flow_pulls) == bool(words)


def test_flow_bins_of_a_plane_are_named_by_their_axis() -> None:
    values = PLANE.values.copy()
    values[6, 2] = 1
    values[6, 3] = 1
    assert item(dataclasses.replace(PLANE, values=values), PLANE).sentence.endswith(
        "differs only in the x overflow bins"
    )


def test_the_number_of_entries_alone_has_a_line_of_its_own() -> None:
    found = item(histogram(entries=120.0), histogram(entries=121.0))
    assert found.sentence == found.headline == "only the number of entries differs: 120 / 121"
    sums = item(histogram(sums=(1, 1, 5, 2)), histogram(sums=(1, 1, 6, 2)))
    assert sums.sentence == "only the stored sum of wx differs: 5 / 6 (another mean or width)"


def test_a_difference_that_no_float_can_hold_is_no_migration() -> None:
    contents = np.zeros(22)
    contents[3:5] = 1e308, -1e308
    assert not said(histogram(contents), histogram(-contents))
    assert item(histogram(contents), histogram(-contents)).verdict is Verdict.DIFFERENT
