"""Verdicts: each mutation of docs' list with its own, and the laws that always hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from reprun.compare import Comparison, Item, Verdict, compare
from reprun.documents.analysis import ComparisonRule
from reprun.errors import NothingToCompareError
from reprun.histograms import Axis, DataObject, Histogram, Objects, Table, Unread, read_objects
from reprun.histograms.model import BYTES
from tests.compare_support import TODAY
from tests.real_data import real_file

BINS = 50


def counts(seed: int = 1, total: int = 100_000) -> np.ndarray:
    """Return Gaussian events in 50 bins on 0-10, with flow."""
    values = np.random.default_rng(seed).normal(5, 1.5, total)
    inside, _ = np.histogram(values, BINS, (0, 10))
    return np.array([(values < 0).sum(), *inside, (values >= 10).sum()], dtype=np.float64)


def histogram(values: np.ndarray | None = None, **changes: Any) -> Histogram:
    """Return an unweighted TH1D."""
    fields: dict[str, Any] = {
        "axes": (Axis.regular(BINS, 0.0, 10.0, title="m [GeV]"),),
        "values": counts() if values is None else values,
        "entries": 1e5,
    }
    return Histogram("h", **(fields | changes))


def weighted(values: np.ndarray | None = None) -> Histogram:
    """Return a TH1D with stored sumw2."""
    values = counts() if values is None else values
    return histogram(values * 0.37, sumw2=values * 0.37**2)


def rule(kind: str = "count", match: str = "*", **more: Any) -> ComparisonRule:
    return ComparisonRule.model_validate({"match": match, "kind": kind, **more})


def run(
    monitored: Mapping[str, DataObject] | DataObject,
    reference: Mapping[str, DataObject] | DataObject,
    *rules: ComparisonRule,
) -> Comparison:
    sides = [
        Objects({"h": side} if isinstance(side, Histogram | Table) else side)
        for side in (monitored, reference)
    ]
    return compare(sides[0], sides[1], rules, TODAY)


def one(monitored: DataObject, reference: DataObject, *rules: ComparisonRule) -> Item:
    (item,) = run(monitored, reference, *rules).items
    return item


def edited(change: Callable[[np.ndarray], object], thing: Histogram | None = None) -> Histogram:
    thing = thing or histogram()
    values = thing.values.copy()
    change(values)
    return dataclasses.replace(thing, values=values)


def _set(place: int, value: float) -> Callable[[np.ndarray], None]:
    def change(values: np.ndarray) -> None:
        values[place] = value

    return change


def _add(place: int, amount: float) -> Callable[[np.ndarray], None]:
    def change(values: np.ndarray) -> None:
        values[place] += amount

    return change


def _swap(values: np.ndarray) -> None:
    values[[10, 30]] = values[[30, 10]]


def _overflow_compensated(values: np.ndarray) -> None:
    values[1:-1] -= values[1:-1] // 100
    values[-1] += counts()[1:-1].sum() - values[1:-1].sum()


def _migrate(values: np.ndarray) -> None:
    moved = np.floor(values[1:-2] * 0.005)
    values[1:-2] -= moved
    values[2:-1] += moved


LABELS = tuple(f"cut {n}" for n in range(BINS))
SWAPPED = (LABELS[1], LABELS[0], *LABELS[2:])
EVEN = Axis.regular(BINS, 0.0, 10.0)
SHIFTED = (Axis.regular(BINS, 1.0, 11.0),)
SHORT = (Axis.regular(BINS - 1, 0.0, 9.8),)


def labelled(labels: tuple[str, ...]) -> Histogram:
    return histogram(axes=(dataclasses.replace(EVEN, labels=labels),))


V = Verdict
MUTATIONS: dict[str, tuple[DataObject, DataObject, Verdict, str]] = {
    "nothing": (histogram(), histogram(), V.IDENTICAL, "52 bins with flow, all the same"),
    "axis shifted, same contents": (
        histogram(axes=SHIFTED),
        histogram(),
        V.NOT_COMPARABLE,
        "x axis has edge 0 at 1, reference 0 (51 of 51 edges differ)",
    ),
    "last bin dropped": (
        histogram(counts()[:-1], axes=SHORT),
        histogram(),
        V.NOT_COMPARABLE,
        "x axis has 49 bins, reference 50",
    ),
    "edges in rounding only": (
        histogram(axes=(Axis(np.nextafter(EVEN.edges, 99.0)),)),
        histogram(),
        V.EQUAL,
        "edges differ in rounding",
    ),
    "no overflow bin": (
        histogram(axes=(dataclasses.replace(EVEN, overflow=False),)),
        histogram(),
        V.NOT_COMPARABLE,
        "x axis lacks an overflow bin, unlike the reference",
    ),
    "scaled by 2": (histogram(counts() * 2), histogram(), V.DIFFERENT, "52 of 52 bins differ"),
    "two bins swapped": (edited(_swap), histogram(), V.DIFFERENT, "2 of 52 bins differ"),
    "+5 % in the overflow": (
        edited(_add(-1, 5000)), histogram(), V.DIFFERENT, "overflow is 5054, reference 54",
    ),
    "+5 % in the underflow": (
        edited(_add(0, 5000)), histogram(), V.DIFFERENT, "underflow is 5040, reference 40",
    ),
    "scale compensated in the overflow": (
        edited(_overflow_compensated), histogram(), V.DIFFERENT, "bins differ",
    ),
    "one event more in one bin": (
        edited(_add(13, 1)), histogram(), V.CHANGED, "bin 13 [2.4, 2.6) GeV is",
    ),
    "+11 sigma in one bin": (edited(_add(25, 1500)), histogram(), V.DIFFERENT, "bin 25 [4.8, 5)"),
    "0.5 % of the events one bin up": (edited(_migrate), histogram(), V.CHANGED, "bins differ"),
    "sumw2 lost": (
        dataclasses.replace(weighted(), sumw2=None),
        weighted(),
        V.NOT_COMPARABLE,
        "has no stored sumw2, the reference has",
    ),
    "sumw2 equal to the contents against none": (
        histogram(sumw2=counts()), histogram(), V.NOT_COMPARABLE, "the reference has none",
    ),
    "an error changed": (
        dataclasses.replace(weighted(), sumw2=weighted().values * 0.38),
        weighted(),
        V.CHANGED,
        "errors of all 52 filled bins \u00d7 1.01342, contents equal",
    ),
    "NaN": (edited(_set(9, np.nan)), histogram(), V.DIFFERENT, "bin 9 [1.6, 1.8) GeV is nan"),
    "infinite": (edited(_set(9, np.inf)), histogram(), V.DIFFERENT, "is inf"),
    "NaN on both sides": (
        edited(_set(9, np.nan)), edited(_set(9, np.nan)), V.IDENTICAL, "all the same",
    ),
    "-0.0": (edited(_set(0, -0.0)), edited(_set(0, 0.0)), V.IDENTICAL, "all the same"),
    "one ulp, counted": (
        edited(lambda v: _set(20, np.nextafter(v[20], 1e9))(v)), histogram(), V.CHANGED, "bin 20",
    ),
    "labels swapped": (
        labelled(SWAPPED), labelled(LABELS), V.NOT_COMPARABLE,
        "x axis has label 'cut 1' on bin 1, reference 'cut 0'",
    ),
    "labels lost": (histogram(), labelled(LABELS), V.NOT_COMPARABLE, "has no labels"),
    "TH1F to TH1D": (
        histogram(), histogram(storage="float32"), V.NOT_COMPARABLE, "is a TH1D, reference a TH1F",
    ),
    "a table in place of a histogram": (
        Table("h", (), (), np.zeros((0, 0))), histogram(), V.NOT_COMPARABLE,
        "is a table, reference a TH1D",
    ),
    "two axes in place of one": (
        Histogram("h", (EVEN, EVEN), np.zeros((52, 52))), histogram(), V.NOT_COMPARABLE,
        "has 2 axes, reference 1",
    ),
    "empty in the run": (histogram(np.zeros(52)), histogram(), V.DIFFERENT, "bins differ"),
    "nearly empty against empty": (
        edited(_add(5, 1), histogram(np.zeros(52))), histogram(np.zeros(52)), V.DIFFERENT, "bin 5",
    ),
    "entries differ": (
        histogram(entries=99_999.0), histogram(), V.CHANGED,
        "only the number of entries differs: 99999 / 100000",
    ),
    "entries stored on one side": (
        histogram(entries=None), histogram(), V.EQUAL, "entries is stored on one side only",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_has_its_verdict(name: str) -> None:
    monitored, reference, verdict, words = MUTATIONS[name]
    comparison = run(monitored, reference, rule())
    (item,) = comparison.items
    assert (item.verdict, comparison.reproduced) == (verdict, verdict.passes), item.sentence
    assert words in item.sentence


def test_entries_within_the_tolerance_are_not_called_absent() -> None:
    """ROOT and numpy sum weights in another order: both sides store a number, not the same."""
    scaled = histogram(entries=1e5 * (1 + 1e-15))
    (item,) = run(scaled, histogram(), rule("float", relative=1e-12, reason="sums")).items
    assert item.verdict is V.EQUAL
    assert item.sentence.endswith("all the same; entries differ, by no more than 1e-12 relative")


def test_missing_and_extra() -> None:
    comparison = run({"a": histogram(), "new": histogram()}, {"a": histogram(), "z": histogram()})
    assert {item.name: item.verdict for item in comparison.items} == {
        "a": V.IDENTICAL,
        "new": V.EXTRA,
        "z": V.MISSING,
    }
    assert comparison.worst is V.MISSING
    assert not comparison.reproduced
    assert comparison.sentence == (
        "not reproduced: 2 of 3 objects failed (1 missing, 1 extra); "
        "z is in the reference, but the run did not make it"
    )


def test_sentences() -> None:
    three = {name: histogram() for name in "abc"}
    assert run(three, three).sentence == "reproduced: 3 objects, all identical"
    moved = three | {"b": edited(_add(13, -1))}
    value = int(counts()[13])
    assert run(moved, three).sentence == (
        f"not reproduced: 1 of 3 objects changed: b bin 13 [2.4, 2.6) GeV is {value - 1}, "
        f"reference {value}"
    )
    close = three | {"b": edited(lambda v: np.multiply(v, 1 + 1e-13, out=v))}
    tolerant = rule("float", relative=1e-12, reason="order of sums")
    assert run(close, three, tolerant).sentence == (
        "reproduced: 3 objects, 2 identical, 1 equal within 1e-12"
    )
    left_out = rule("ignore", "c", reason="known to drift")
    assert run(three, three, left_out).sentence == (
        "reproduced: 2 objects, all identical; 1 ignored"
    )


def verdict_of(one: DataObject, other: DataObject, *rules: ComparisonRule) -> Item:
    (item,) = run(one, other, *rules).items
    return item


class TestTolerance:
    RULE = rule("float", relative=1e-12, reason="order of sums")

    def test_within_and_beyond(self) -> None:
        near = edited(lambda v: np.multiply(v, 1 + 4e-13, out=v))
        item = one(near, histogram(), self.RULE)
        assert item.verdict is V.EQUAL
        assert item.numbers is not None
        assert 0 < item.numbers.max_relative < 1e-12
        assert item.numbers.beyond == 0
        far = edited(lambda v: np.multiply(v, 1 + 4e-12, out=v))
        item = one(far, histogram(), self.RULE)
        assert item.verdict is V.CHANGED
        assert "by more than 1e-12 relative" in item.sentence

    def test_errors_are_held_to_the_same_tolerance(self) -> None:
        reference = weighted()
        assert reference.sumw2 is not None
        near = dataclasses.replace(reference, sumw2=reference.sumw2 * (1 + 1e-12))
        assert one(near, reference, self.RULE).verdict is V.EQUAL
        far = dataclasses.replace(reference, sumw2=reference.sumw2 * (1 + 1e-11))
        assert one(far, reference, self.RULE).verdict is V.CHANGED
        negative = dataclasses.replace(reference, sumw2=-reference.sumw2)
        item = one(negative, reference, self.RULE)
        assert item.verdict is V.CHANGED
        assert "negative sumw2 in the run" in item.notes

    def test_a_tolerance_never_allows_nan(self) -> None:
        loose = rule("float", relative=0.9, absolute=1e9, reason="anything")
        assert one(edited(_set(9, np.nan)), histogram(), loose).verdict is V.DIFFERENT
        assert one(edited(_set(9, np.inf)), histogram(), loose).verdict is V.DIFFERENT

    def test_one_ulp_is_one_ulp(self) -> None:
        up = edited(lambda v: _set(20, np.nextafter(v[20], 1e9))(v))
        item = one(up, histogram(), self.RULE)
        assert item.numbers is not None
        assert item.numbers.max_ulp == 1
        single = histogram(storage="float32")
        value = np.nextafter(np.float32(single.values[20]), np.float32(1e9))
        up = edited(_set(20, float(value)), single)
        item = one(up, single, rule("float", relative=1e-6, reason="single precision"))
        assert (item.verdict, item.numbers and item.numbers.max_ulp) == (V.EQUAL, 1)

    @given(st.floats(allow_nan=False), st.floats(allow_nan=False))
    def test_ulps_count_the_steps(self, a: float, b: float) -> None:
        from reprun.compare.extremes import ulps  # noqa: PLC0415 - a law of one formula

        steps = ulps(np.array([a]), np.array([b]), np.float64)[0]
        assert steps == ulps(np.array([b]), np.array([a]), np.float64)[0]
        assert (steps == 0) == (a == b)
        if np.isfinite(a):
            after = math.nextafter(a, math.inf)  # without numpy's warning at the largest
            assert ulps(np.array([a]), np.array([after]), np.float64)[0] == 1


class TestDifferences:
    def test_the_first_five_with_edges_errors_ratio_and_pull(self) -> None:
        item = one(edited(lambda v: np.add(v, 1, out=v)), histogram())
        assert item.numbers is not None
        assert item.numbers.beyond == 52
        first = item.numbers.first
        assert [found.label for found in first[:2]] == ["underflow", "bin 1 [0, 0.2) GeV"]
        assert len(first) == 5
        assert first[0].edges == ((-np.inf, 0.0),)
        a, b = first[1].monitored, first[1].reference
        assert a - b == 1
        assert first[1].ratio == a / b
        assert first[1].pull == pytest.approx(1 / np.sqrt(a + b))
        assert first[1].monitored_error == np.sqrt(a)

    def test_two_axes(self) -> None:
        values = np.ones((52, 52))
        reference = Histogram("h", (EVEN, EVEN), values)
        changed = values.copy()
        changed[51, 3] = 4
        item = one(Histogram("h", (EVEN, EVEN), changed), reference)
        assert item.headline == "x overflow, y bin 3 [0.4, 0.6) is 4, reference 1"

    def test_tables(self) -> None:
        reference = Table("t", ("4mu", "4e"), ("data", "ZZ"), np.array([[5, 1.5], [3, np.nan]]))
        values = reference.values.copy()
        values[0, 0] = 4
        item = one(dataclasses.replace(reference, values=values), reference)
        assert item.verdict is V.CHANGED
        assert item.headline == "row '4mu', column 'data' is 4, reference 5"
        assert item.numbers is not None
        assert item.numbers.max_pull is None
        for rows, words in (
            (("4mu", "4eX"), "lacks the row '4e'. Did you mean '4eX'?"),
            (("4e", "4mu"), "rows in another order"),
        ):
            item = one(dataclasses.replace(reference, rows=rows), reference)
            assert item.verdict is V.NOT_COMPARABLE
            assert words in item.sentence
        wide = Table("t", ("4mu", "4e"), ("data", "ZZ", "H"), np.zeros((2, 3)))
        assert "has a column 'H' that the reference lacks" in one(wide, reference).sentence


class TestPolicy:
    def test_the_first_rule_that_matches_counts(self) -> None:
        near = edited(lambda v: np.multiply(v, 1 + 1e-14, out=v))
        loose = rule("float", "h*", relative=1e-9, reason="sums")
        assert one(near, histogram(), loose, rule()).verdict is V.EQUAL
        assert one(near, histogram(), rule(), loose).verdict is V.CHANGED

    def test_without_a_rule_exactly_and_said_so(self) -> None:
        assert one(histogram(), histogram()).notes == ()
        item = one(histogram(), histogram(), rule(match="b"))
        assert item.rule is None
        assert "no rule matches this name: compared exactly" in item.notes

    def test_an_ignored_object_is_listed(self) -> None:
        ignore = rule("ignore", "b", reason="random seed", expires="2026-03-01")
        comparison = run(
            {"a": histogram(), "b": edited(_add(3, 9))},
            {"a": histogram(), "b": histogram()},
            ignore,
        )
        assert comparison.reproduced
        (left_out,) = comparison.ignored
        assert (left_out.name, left_out.reason) == ("b", "random seed")

    def test_an_expired_rule_does_not_hold(self) -> None:
        ignore = rule("ignore", "b", reason="random seed", expires="2026-02-28")
        comparison = run(
            {"a": histogram(), "b": edited(_add(3, 9))},
            {"a": histogram(), "b": histogram()},
            ignore,
        )
        assert not comparison.reproduced
        assert not comparison.ignored
        assert any("expired on 2026-02-28" in note for note in comparison.notes)
        item = next(item for item in comparison.items if item.name == "b")
        assert any("expired on 2026-02-28" in note for note in item.notes)

    def test_a_rule_that_matches_nothing_is_said(self) -> None:
        comparison = run(histogram(), histogram(), rule(match="m4l*"), rule())
        assert comparison.notes == ("the rule 'm4l*' (count) matches no object",)

    def test_statistics_need_a_reason_and_belong_to_sampled(self) -> None:
        for kind, more, words in (
            ("sampled", {}, "give its reason"),
            ("float", {"alpha": 0.1}, "alpha is for the kind sampled"),
            ("sampled", {"tests": ["shape", "shape"], "reason": "seeds"}, "has a duplicate test"),
            ("sampled", {"tests": ["runs"], "reason": "seeds"}, "is not sensitive enough"),
            ("sampled", {"alpha": 0.0, "reason": "seeds"}, "greater than 0"),
        ):
            with pytest.raises(ValidationError, match=words):
                rule(kind, **more)


class TestNothing:
    def test_an_empty_side(self) -> None:
        with pytest.raises(NothingToCompareError, match="the run holds no object"):
            run({}, histogram())
        with pytest.raises(NothingToCompareError, match="the reference holds no object"):
            run(histogram(), {})

    def test_everything_ignored(self) -> None:
        with pytest.raises(NothingToCompareError, match="ignore all of 1 object"):
            run(histogram(), histogram(), rule("ignore", reason="switched off"))

    def test_everything_empty(self) -> None:
        empty = histogram(np.zeros(52))
        with pytest.raises(NothingToCompareError, match="agreement proves nothing"):
            run(empty, empty)
        item = run({"a": histogram(), "e": empty}, {"a": histogram(), "e": empty}).items[1]
        assert item.verdict is V.IDENTICAL
        assert "empty in the run and in the reference: this agreement has no power" in item.notes

    def test_what_cannot_be_read_never_passes(self) -> None:
        monitored = Objects({"h": histogram()}, {"p": Unread("TCanvas")})
        for reference, verdict in (
            (Objects({"h": histogram()}), V.EXTRA),
            (monitored, V.NOT_COMPARABLE),
            (Objects({"h": histogram(), "p": histogram()}), V.NOT_COMPARABLE),
            (
                Objects({"h": histogram()}, {"p": Unread("TPad", {BYTES: "sha256:1"})}),
                V.NOT_COMPARABLE,
            ),
        ):
            comparison = compare(monitored, reference, [rule()], TODAY)
            item = next(item for item in comparison.items if item.name == "p")
            assert item.verdict is verdict
            assert not comparison.reproduced
            ignore = rule("ignore", "p", reason="a drawing")
            assert compare(monitored, reference, [ignore, rule()], TODAY).reproduced

    def test_what_is_known_by_its_bytes_is_identical_or_not_comparable(self) -> None:
        one, other = (Objects({}, {"l": Unread("TList", {BYTES: digest})}) for digest in "ab")
        same = compare(one, one, [], TODAY)
        assert same.reproduced
        assert same.items[0].sentence == "its stored bytes, all the same (TList)"
        (item,) = compare(one, other, [], TODAY).items
        assert item.verdict is V.NOT_COMPARABLE
        assert item.headline.endswith("(TList); its stored bytes differ")

    def test_a_tree_that_differs_names_its_branches(self) -> None:
        one = Objects({}, {"t": Unread("TTree", {"pt": "a", "eta": "b", "phi": "c"})})
        other = Objects({}, {"t": Unread("TTree", {"pt": "x", "eta": "b", "mass": "d"})})
        (item,) = compare(one, other, [], TODAY).items
        assert (item.verdict, item.headline) == (V.DIFFERENT, "differs in mass, phi, pt")

    def test_sums_over_fills_count_where_both_sides_have_them(self) -> None:
        one = dataclasses.replace(histogram(), sums=(4.0, 4.0, 8.0, 20.0))
        other = dataclasses.replace(histogram(), sums=(4.0, 4.0, 9.0, 20.0))
        item = verdict_of(one, other)
        assert item.verdict is V.CHANGED
        assert item.headline == "only the stored sum of wx differs: 8 / 9 (another mean or width)"
        assert verdict_of(one, histogram()).verdict is V.IDENTICAL
        assert verdict_of(one, other, rule("float", relative=0.2, reason="r")).verdict is V.EQUAL

    def test_entries_of_a_table_count_too(self) -> None:
        one, other = (
            Table("p", ("a",), ("sumw",), np.array([[1.0]]), class_name="TProfile", entries=number)
            for number in (5.0, 6.0)
        )
        item = verdict_of(one, other)
        assert (item.verdict, item.headline) == (
            V.CHANGED,
            "only the number of entries differs: 5 / 6",
        )

    def test_a_unit_in_the_title_of_an_axis_counts(self) -> None:
        sides = [
            Histogram("h", (Axis.regular(2, 0, 1, title=title),), np.arange(4.0))
            for title in ("m [GeV]", "m [MeV]", "mass")
        ]
        item = verdict_of(sides[0], sides[1])
        assert item.headline == "x axis is in GeV, reference in MeV"
        assert verdict_of(sides[0], sides[2]).verdict is V.IDENTICAL


bins = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=52, max_size=52)


@given(bins, st.booleans(), st.sampled_from(["count", "float"]))
@settings(max_examples=60, deadline=None)
def test_a_histogram_agrees_with_itself(values: list[float], errors: bool, kind: str) -> None:
    array = np.array(values)
    thing = histogram(array, sumw2=array if errors else None)
    filled = histogram()
    sides = {"a": filled, "h": thing}
    assert run(sides, dict(sides), rule(kind)).sentence == "reproduced: 2 objects, all identical"


@given(
    st.integers(0, 51),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.sampled_from(["count", "float"]),
)
@settings(max_examples=200, deadline=None)
@pytest.mark.slow
def test_a_change_of_any_one_bin_is_seen(place: int, value: float, errors: bool, kind: str) -> None:
    reference = weighted()
    array = reference.sumw2 if errors else reference.values
    assert array is not None
    changed = array.copy()
    changed[place] = value
    if changed[place] == array[place]:
        return
    run_made = (
        dataclasses.replace(reference, sumw2=changed)
        if errors
        else dataclasses.replace(reference, values=changed)
    )
    item = one(run_made, reference, rule(kind))
    assert item.verdict in (V.CHANGED, V.DIFFERENT)
    assert item.numbers is not None
    assert item.numbers.beyond == 1
    assert item.numbers.first[0].place == (place,)


def test_real_files(tmp_path: Path) -> None:
    muons, electrons = (read_objects(real_file(f"Double{name}12.root")) for name in ("Mu", "E"))
    assert compare(muons, muons, [rule()], TODAY).sentence == (
        "reproduced: 95 objects, all identical"
    )
    crossed = compare(muons, electrons, [rule()], TODAY)
    assert crossed.worst is V.DIFFERENT
    assert not any(item.verdict.passes for item in crossed.items)
