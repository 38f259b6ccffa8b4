"""Trees that differ: which events, in which columns, by what."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from reprun.compare import Comparison, Item, Verdict, compare
from reprun.compare.rules import parse_rule
from reprun.compare.verdict import Ignored
from reprun.documents.analysis import ComparisonRule
from reprun.errors import SpecificationError
from reprun.histograms import Objects, Unread, read_objects

TODAY = dt.date(2026, 1, 1)
ORDER = np.array([2, 0, 3, 1])


def events(**changed: Any) -> dict[str, Any]:
    return {
        "run": np.array([194115, 194115, 194116, 194116], "u4"),
        "luminosityBlock": np.array([22, 22, 1, 1], "u4"),
        "event": np.array([123, 2**60 + 1, 7, 8], "u8"),
        "pt": np.array([29.99, 10.0, 20.0, 40.0]),
        "tag": np.array([1, 2, 3, 4], "i4"),
        **changed,
    }


def written(path: Path, columns: dict[str, Any], writer: str = "mktree") -> Objects:
    with uproot.recreate(path) as file:
        if writer == "mkrntuple":
            file.mkrntuple("Events", columns)
        else:
            file.mktree("Events", {name: ak.type(ak.Array(values)).content
                                   for name, values in columns.items()})  # fmt: skip
            file["Events"].extend(columns)
    return read_objects(path)


class Pair:
    """Writes two trees and compares them."""

    def __init__(self, directory: Path, writer: str = "mktree") -> None:
        self.directory, self.writer = directory, writer

    def whole(self, here: dict[str, Any], there: dict[str, Any], **rule: Any) -> Comparison:
        rules = [ComparisonRule(match="Events", reason="why", **rule)] if rule else []
        return compare(*self.sides(here, there), rules, TODAY)

    def item(self, here: dict[str, Any], there: dict[str, Any], **rule: Any) -> Item:
        (item,) = self.whole(here, there, **rule).items
        return item

    def sides(self, here: dict[str, Any], there: dict[str, Any]) -> tuple[Objects, Objects]:
        return (
            written(self.directory / "here.root", here, self.writer),
            written(self.directory / "there.root", there, self.writer),
        )


@pytest.fixture(params=["mktree", "mkrntuple"])
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Pair:
    return Pair(tmp_path, request.param)


def in_each_format(directory: Path, name: str, columns: dict[str, Any]) -> dict[str, Unread]:
    """Return one table of events as every format has it."""
    found = {
        writer: written(directory / f"{name}-{writer}.root", columns, writer).unread["Events"]
        for writer in ("mktree", "mkrntuple")
    }
    pq.write_table(
        pa.table({key: pa.array(values) for key, values in columns.items()}),
        directory / f"{name}.parquet",
    )
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(map(repr, row)) for row in rows)]
    (directory / f"{name}.csv").write_text("\n".join(lines) + "\n")
    for suffix in ("parquet", "csv"):
        found[suffix] = read_objects(directory / f"{name}.{suffix}").unread[name]
    return found


def reordered(columns: dict[str, Any], order: Any = ORDER) -> dict[str, Any]:
    return {name: values[order] for name, values in columns.items()}


PT = np.array([30.01, 10.0, 20.0, 41.0])


def test_the_first_events_that_differ_are_named_by_their_keys(pair: Pair) -> None:
    item = pair.item(events(), events(pt=PT))
    assert item.verdict is Verdict.DIFFERENT
    assert item.headline == (
        "differs in run 194115, luminosityBlock 22, event 123: pt 29.99 / 30.01"
    )
    assert item.sentence == (
        f"{item.headline}; 2 of 4 events differ (pt in 2); "
        "then run 194116, luminosityBlock 1, event 8: pt 40 / 41; "
        "events are matched by run, luminosityBlock and event (guessed from their names)"
    )


def test_equal_trees_are_identical(pair: Pair) -> None:
    item = pair.item(events(), events())
    assert item.verdict is Verdict.IDENTICAL
    assert item.sentence.startswith("6 parts, all the same")


def test_events_only_in_one_are_counted_and_the_others_compared(pair: Pair) -> None:
    item = pair.item(reordered(events(), np.array([0, 1, 3])), reordered(events(pt=PT), [0, 2, 3]))
    assert item.headline.startswith("differs in run 194115")
    assert (
        "has 1 event only in it, first run 194115, luminosityBlock 22, event 1152921504606846977, "
        "1 event only in the reference, first run 194116, luminosityBlock 1, event 7"
    ) in item.sentence
    fewer = pair.item(reordered(events(), np.array([0, 1, 2])), events())
    assert fewer.headline == "has 3 entries, reference 4"
    assert "has 1 event only in the reference, first run 194116" in fewer.sentence


def test_the_order_counts_unless_a_rule_says_otherwise(pair: Pair) -> None:
    moved = reordered(events())
    item = pair.item(moved, events())
    assert (item.verdict, item.headline) == (
        Verdict.DIFFERENT, "has the same events in another order",
    )  # fmt: skip
    found = pair.whole(moved, events(), kind="count", ordered=False)
    assert found.reproduced
    assert found.sentence == "reproduced: 1 object, 1 equal within what the rules allow"
    assert "4 events agree within what is allowed" in found.items[0].sentence


def test_a_column_of_events_that_moved_is_compared_event_by_event(pair: Pair) -> None:
    """Of a column whose values stay in place where events move the digest is the same."""
    moved = {**reordered(events()), "pt": events()["pt"]}
    item = pair.item(moved, events(), kind="count", ordered=False)
    assert item.verdict is Verdict.DIFFERENT
    assert "pt in 4" in item.sentence


def test_without_keys_entries_go_by_their_place_or_by_all_their_numbers(pair: Pair) -> None:
    here = {name: events()[name] for name in ("pt", "tag")}
    moved = reordered(here)
    assert "entry 0: pt 20 / 29.99" in pair.item(moved, here).headline
    assert pair.item(moved, here, kind="count", ordered=False).verdict is Verdict.EQUAL
    other = pair.item(moved, {**here, "pt": PT}, kind="count", ordered=False)
    assert other.headline.startswith("has 2 events only in it, first pt 29.99, tag 1, 2 events")
    assert other.sentence.endswith("events are matched by all their numbers")


def test_the_keys_of_a_rule_are_used(pair: Pair) -> None:
    item = pair.item(reordered(events()), events(pt=PT), kind="count", keys=("tag",))
    assert item.headline == "differs in tag 1: pt 29.99 / 30.01"
    assert item.sentence.endswith("events are matched by tag")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("evnt",), "Events: the key 'evnt' is not a column of both trees. Did you mean 'event'?"),
        (("pt",), "Events: the key 'pt' is not a column of integers"),
    ],
)
def test_keys_that_name_no_event_are_refused(pair: Pair, keys: Any, said: str) -> None:
    with pytest.raises(SpecificationError, match="the key") as raised:
        pair.item(events(), events(pt=PT), kind="count", keys=keys)
    assert str(raised.value) == said


def test_events_of_one_name_belong_together_in_their_order(pair: Pair) -> None:
    twice = {"event": np.array([5, 5, 6]), "pt": np.array([1.0, 2.0, 3.0])}
    other = {"event": np.array([6, 5, 5]), "pt": np.array([3.0, 1.0, 2.5])}
    item = pair.item(twice, other)
    assert item.headline == "differs in event 5: pt 2 / 2.5"
    assert "1 of 3 events differs (pt in 1)" in item.sentence


def test_a_tolerance_is_that_of_histograms(pair: Pair) -> None:
    near = events(pt=events()["pt"] * (1 + 1e-12))
    assert pair.item(near, events()).verdict is Verdict.DIFFERENT
    found = pair.whole(near, events(), kind="float", relative=1e-9)
    assert found.reproduced
    assert found.sentence == "reproduced: 1 object, 1 equal within 1e-09"
    assert not pair.whole(near, events(), kind="float", relative=1e-13).reproduced
    narrow = events(pt=events()["pt"].astype("f4"))
    item = pair.item(narrow, events())
    assert item.headline == "has pt of float32, reference of float64"
    assert pair.whole(narrow, events(), kind="float", relative=1e-6).reproduced


def test_large_integers_are_exact_within_a_tolerance(pair: Pair) -> None:
    here, there = ({"n": np.array([2**60 + add])} for add in (0, 1))
    assert not pair.whole(here, there, kind="float", absolute=0.5).reproduced
    assert pair.whole(here, there, kind="float", absolute=1.0).reproduced


def test_a_rule_for_a_column_counts_before_one_for_its_tree(tmp_path: Path) -> None:
    sides = Pair(tmp_path).sides(events(pt=PT), events())
    ignoring = ComparisonRule(match="Events/pt", kind="ignore", reason="new scale")
    found = compare(*sides, [ignoring], TODAY)
    assert found.reproduced
    assert found.ignored == (Ignored("Events/pt", "new scale", None),)
    assert not any("matches no object" in note for note in found.notes)
    loose = ComparisonRule(match="Events/p*", kind="float", relative=0.1, reason="new scale")
    assert compare(*sides, [loose], TODAY).reproduced
    idle = ComparisonRule(match="Events/eta", kind="float", relative=0.1, reason="new scale")
    assert any("matches no object" in note for note in compare(*sides, [idle], TODAY).notes)


def test_columns_in_one_side_only_are_named(pair: Pair) -> None:
    fewer = {name: values for name, values in events().items() if name != "tag"}
    assert pair.item(fewer, events()).headline == "lacks the column tag"
    item = pair.item({**events(pt=PT), "eta": PT}, events())
    assert item.headline == "has the column eta"
    assert "pt 30.01 / 29.99" in item.sentence
    assert item.verdict is Verdict.NOT_COMPARABLE


LISTS = [[1.5, 2.5], [], [3.5], [4.5, 5.5]]


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (ak.Array(LISTS), ak.Array([[1.5, 2.5], [], [3.5], [4.5, 6.5]]), "x[1] 5.5 / 6.5"),
        (np.arange(8.0).reshape(4, 2), np.arange(8.0)[::-1].reshape(4, 2), "x[0] 0 / 7"),
        (np.array([1, 0, 1, 1], bool), np.ones(4, bool), "x False / True"),
    ],
)
def test_lists_and_fixed_arrays_are_compared_value_by_value(
    tmp_path: Path, here: Any, there: Any, said: str
) -> None:
    item = Pair(tmp_path).item({"x": here}, {"x": there})
    assert said in item.sentence


def test_lists_of_another_length_say_so(tmp_path: Path) -> None:
    here, there = ak.Array(LISTS), ak.Array([*LISTS[:3], [4.5]])
    item = Pair(tmp_path, "mkrntuple").item({"x": here}, {"x": there})
    assert item.headline == "differs in entry 3: x has 2 / 1 values"


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (["a", "b"], ["a", "c"], "entry 1: x b / c"),
        ([["a"], []], [["b"], []], 'entry 0: x ["a"] / ["b"]'),
        ([[[1], []], []], [[[1], [2]], []], "entry 0: x [[1], []] / [[1], [2]]"),
    ],
)
def test_what_is_nested_is_compared_as_text(
    tmp_path: Path, here: Any, there: Any, said: str
) -> None:
    sides = ak.Array(here), ak.Array(there)
    item = Pair(tmp_path, "mkrntuple").item({"x": sides[0]}, {"x": sides[1]})
    assert item.headline == f"differs in {said}"


def test_a_fixed_array_of_another_shape_is_another_type(tmp_path: Path) -> None:
    here, there = np.arange(6.0).reshape(1, 2, 3), np.arange(6.0).reshape(1, 3, 2)
    item = Pair(tmp_path).item({"x": here}, {"x": there})
    assert item.headline == "has x of 2 * 3 * float64, reference of 3 * 2 * float64"


def test_a_reference_of_digests_names_the_columns(pair: Pair) -> None:
    here, there = pair.sides(events(pt=PT), events())
    known = Unread(there.unread["Events"].reason, there.unread["Events"].parts)
    (item,) = compare(here, Objects({}, {"Events": known}), [], TODAY).items
    assert item.headline == "differs in pt"
    assert "only digests" in item.needed


def test_a_tree_of_no_entries_differs_from_one_with_some(pair: Pair) -> None:
    nothing = reordered(events(), np.array([], int))
    assert pair.item(nothing, events()).headline == "has 0 entries, reference 4"
    assert pair.item(events(), nothing).headline == "has 4 entries, reference 0"


def test_keys_are_given_on_the_command_line(tmp_path: Path) -> None:
    rule = parse_rule("match=Events,kind=count,keys=run+event")
    assert rule.keys == ("run", "event")
    found = compare(*Pair(tmp_path).sides(events(), events(pt=PT)), [rule], TODAY)
    assert found.items[0].sentence.endswith("events are matched by run and event")


@pytest.mark.parametrize("kind", ["sampled", "ignore"])
def test_keys_are_for_kinds_that_look_at_events(kind: Any) -> None:
    with pytest.raises(ValueError, match="keys is for the kinds count and float"):
        ComparisonRule(match="Events", kind=kind, keys=("run",), reason="why")


def test_another_order_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="allows a difference: give its reason"):
        ComparisonRule(match="Events", kind="count", ordered=False)


def test_a_column_never_passes_whose_digests_differ_alone(tmp_path: Path) -> None:
    """What a comparison of values does not see is a difference all the same."""
    sides = Pair(tmp_path).sides(events(), events())
    tree = sides[0].unread["Events"]
    parts = {**tree.parts, "pt": "sha256:other"}
    changed = Objects({}, {"Events": Unread(tree.reason, parts, events=tree.events)})
    (item,) = compare(changed, sides[1], [], TODAY).items
    assert item.verdict is Verdict.DIFFERENT
    assert item.headline == "differs in pt, by no value that can be shown"


# -- trees of two formats -------------------------------------------------------------------------

FORMATS = ("mktree", "mkrntuple", "parquet", "csv")
TWO_FORMATS = [(one, other) for one in FORMATS for other in FORMATS if one != other]


def of_two_formats(one: Unread, other: Unread, **rule: Any) -> Item:
    rules = [ComparisonRule(match="Events", reason="why", **rule)] if rule else []
    sides = [Objects({}, {"Events": side}) for side in (one, other)]
    (item,) = compare(sides[0], sides[1], rules, TODAY).items
    return item


def test_equal_values_are_identical_in_whichever_format(tmp_path: Path) -> None:
    held = in_each_format(tmp_path, "same", events())
    for one, other in TWO_FORMATS:
        item = of_two_formats(held[one], held[other])
        assert item.verdict is Verdict.IDENTICAL, (one, other, item.sentence)
        assert item.sentence.startswith("4 events with the same values in all columns; stored as a")


def test_what_differs_between_two_formats_is_named(tmp_path: Path) -> None:
    here, there = (
        in_each_format(tmp_path, name, columns)
        for name, columns in (("here", events()), ("there", events(pt=PT)))
    )
    more = in_each_format(tmp_path, "more", events(eta=np.arange(4.0)))
    fewer = in_each_format(tmp_path, "fewer", reordered(events(), [0, 1, 2]))
    words = in_each_format(tmp_path, "words", events(pt=np.array(["a", "b", "c", "d"])))
    for one, other in TWO_FORMATS:
        item = of_two_formats(here[one], there[other])
        assert item.verdict is Verdict.DIFFERENT
        assert item.headline.endswith("luminosityBlock 22, event 123: pt 29.99 / 30.01")
        assert "2 of 4 events differ (pt in 2)" in item.sentence
        assert of_two_formats(here[one], there[other], kind="float", relative=0.1).verdict is (
            Verdict.EQUAL
        )
        item = of_two_formats(here[one], more[other])
        assert item.headline == "lacks the column eta"
        assert item.needed == "both must have the same columns, or a rule ignore Events/eta"
        assert not of_two_formats(fewer[one], here[other]).verdict.passes
        assert of_two_formats(here[one], words[other]).headline.startswith("has pt of ")


def test_lists_and_words_are_the_same_in_two_formats(tmp_path: Path) -> None:
    columns = {"x": ak.Array([[1.0], [], [2.0, 3.0]]), "s": np.array(["a", "b", "c"])}
    tuples = written(tmp_path / "t.root", columns, "mkrntuple").unread["Events"]
    for last, verdict in ((3.0, Verdict.IDENTICAL), (4.0, Verdict.DIFFERENT)):
        table = {"x": pa.array([[1.0], [], [2.0, last]]), "s": pa.array(["a", "b", "c"])}
        pq.write_table(pa.table(table), tmp_path / "t.parquet")
        assert of_two_formats(
            tuples, read_objects(tmp_path / "t.parquet").unread["t"]
        ).verdict is verdict  # fmt: skip


def test_of_two_formats_digests_alone_compare_nothing(tmp_path: Path) -> None:
    held = in_each_format(tmp_path, "same", events())
    blessed = Unread(held["csv"].reason, held["csv"].parts)
    item = of_two_formats(held["mktree"], blessed)
    assert item.verdict is Verdict.NOT_COMPARABLE
    assert item.sentence == (
        "is a TTree, reference a table of events, of which only digests are at hand: compare the "
        "two files by 'reprun compare', or bless the new one"
    )


def test_a_column_that_one_format_stores_otherwise_is_not_comparable(tmp_path: Path) -> None:
    held = in_each_format(tmp_path, "same", events())
    parts = {name: part for name, part in held["mktree"].parts.items() if name != "pt"}
    undecoded = Unread("TTree", {**parts, "pt (stored bytes)": "sha256:0"}, events=None)
    undecoded = replace(undecoded, events=held["mktree"].events)
    assert of_two_formats(undecoded, held["parquet"]).verdict is Verdict.NOT_COMPARABLE
