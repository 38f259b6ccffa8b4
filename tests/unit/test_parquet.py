"""Parquet files: tables of events, compared by their values whatever wrote them."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reprun.bounded import limits
from reprun.compare import Comparison, Item, Verdict, compare
from reprun.documents.analysis import ComparisonRule
from reprun.errors import OutputMissingError
from reprun.histograms import Objects, read_objects
from reprun.histograms.events import ENTRIES
from reprun.histograms.files import file_of
from reprun.histograms.parquet import table as table_module
from reprun.runs.outputs import read_outputs
from reprun.runs.reference import bless, load_reference, write_objects
from tests.compare_support import TODAY
from tests.parquet_files import KEYS, TYPES, parquet
from tests.unit import builders

pytestmark = pytest.mark.slow

WRITERS: dict[str, dict[str, Any]] = {
    "row groups": {"row_group_size": 1},
    "no compression": {"compression": "NONE", "use_dictionary": False},
    "other pages": {"compression": "zstd", "data_page_version": "2.0", "data_page_size": 1},
    "checksums": {"compression": "gzip", "write_page_checksum": True, "write_statistics": False},
    "encodings": {
        "use_dictionary": False,
        "column_encoding": {
            "string": "DELTA_BYTE_ARRAY",
            "bytes": "DELTA_LENGTH_BYTE_ARRAY",
            "run": "DELTA_BINARY_PACKED",
            "number": "BYTE_STREAM_SPLIT",
        },
    },
}


class Tables:
    """Writes and compares tables."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._number = 0

    def read(self, data: bytes) -> Objects:
        self._number += 1
        path = self.directory / str(self._number) / "events.parquet"
        path.parent.mkdir()
        path.write_bytes(data)
        return read_objects(path)

    def compared(self, here: bytes, there: bytes, **rule: Any) -> Comparison:
        rules = [ComparisonRule(match="events", reason="why", **rule)] if rule else []
        return compare(self.read(here), self.read(there), rules, TODAY)

    def item(self, here: bytes, there: bytes, **rule: Any) -> Item:
        (item,) = self.compared(here, there, **rule).items
        return item


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def whole(**how: Any) -> bytes:
    return parquet({**KEYS, **TYPES}, **how)


@pytest.mark.parametrize("writer", WRITERS)
def test_equal_tables_are_identical_however_they_are_written(tables: Tables, writer: str) -> None:
    item = tables.item(whole(**WRITERS[writer]), whole())
    assert (item.verdict, len(item.columns)) == (Verdict.IDENTICAL, len(KEYS) + len(TYPES))


@pytest.mark.parametrize("name", TYPES)
def test_every_value_of_every_type_counts(tables: Tables, name: str) -> None:
    column = TYPES[name]
    reference = parquet({**KEYS, "x": column})
    for place in range(2):
        moved = pa.concat_arrays([column[:place], column[2:], column[place:2]])
        item = tables.item(parquet({**KEYS, "x": moved}), reference)
        # All of one value; NaN and missing ones are values as any other.
        assert item.verdict is (Verdict.IDENTICAL if name == "nothing" else Verdict.DIFFERENT)
        assert name == "nothing" or item.headline.startswith("differs in run 1, event ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1], pa.int32()), pa.array([1], pa.int64())),
        (pa.array([1], pa.int64()), pa.array([1], pa.timestamp("ns"))),
        (pa.array([1], pa.timestamp("us")), pa.array([1], pa.timestamp("us", tz="UTC"))),
        (pa.array(["1"]), pa.array([b"1"])),
        (pa.array([{"a": 1}]), pa.array([{"b": 1}])),
        (pa.array([[1]]), pa.array([1])),
        (pa.array(["1.0"]).cast(pa.decimal128(5, 1)), pa.array(["1.00"]).cast(pa.decimal128(5, 2))),
    ],
)
def test_types_count(tables: Tables, one: Any, other: Any) -> None:
    item = tables.item(parquet({"x": one}), parquet({"x": other}))
    assert item.headline.startswith("has x of ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([None], [0.0]), ([None], [float("nan")]), ([[]], [None]), ([[None]], [[]]),
        (["null"], [None]), ([""], [None]), ([["ab"]], [["a", "b"]]),
        ([["a", "b"], []], [["a"], ["b"]]),
        ([{"a": None}], [None]), ([0.1], [0.1 + 2**-55]),
    ],
)  # fmt: skip
def test_values_that_look_alike_are_told_apart(tables: Tables, one: Any, other: Any) -> None:
    kind = pa.array([*one, *other]).type
    sides = (parquet({"x": pa.array(each, kind)}) for each in (one, other))
    assert tables.item(*sides).verdict is Verdict.DIFFERENT


def test_how_values_are_in_memory_does_not_count(tables: Tables) -> None:
    for one, other in (
        (pa.array(["a", "b"]), pa.array(["a", "b"], pa.large_string())),
        (pa.array(["a", "b"]), pa.array(["a", "b"]).dictionary_encode()),
        (pa.array([[1.0], []]), pa.array([[1.0], []], pa.large_list(pa.float64()))),
        (pa.array([0.0, np.nan]), pa.array([-0.0, -np.nan])),
    ):
        assert tables.item(parquet({"x": one}), parquet({"x": other})).verdict is Verdict.IDENTICAL


def test_the_event_that_differs_is_named(tables: Tables) -> None:
    changed = {**KEYS, **TYPES, "number": pa.array([1.5, 2.5, 0.0])}
    item = tables.item(parquet(changed), whole())
    assert item.headline == "differs in run 1, event 2: number 2.5 / nan"
    assert item.sentence.endswith("events are matched by run and event (guessed from their names)")


def test_lists_and_missing_values_are_shown(tables: Tables) -> None:
    def headline(name: str, column: Any) -> str:
        return tables.item(parquet({**KEYS, **TYPES, name: column}), whole()).headline

    assert headline("list", pa.array([[1.0, 2.0], [], [3.0, 4.0]])).endswith(
        "run 2, event 1: list has 2 / 1 values"
    )
    assert headline("string", pa.array(["a", "b", "null"])).endswith("event 2: string b / None")
    assert headline("words", pa.array(["x", "x", "x"]).dictionary_encode()).endswith("words x / y")


NEAR = {
    "number or none": pa.array([1.5, None, 2.5000001]),
    "list or none": pa.array([[1.0000001], [], None]),
    "list of none": pa.array([[1.0, None], [], [2.0000001]]),
    "list of records": pa.array([[{"pt": 1.0, "q": None}], [], [{"pt": 2.0000001, "q": "s"}]]),
}
FAR = {
    "number or none": pa.array([1.5, 0.0, 2.5]),
    "list or none": pa.array([[1.0], None, None]),
    "list of none": pa.array([[1.0, 0.0], [], [2.0]]),
    "record": pa.array([{"a": 1, "b": "x"}, None, {"a": 0, "b": "y"}]),
    "list of records": pa.array([[{"pt": 1.0, "q": ""}], [], [{"pt": 2.0, "q": "s"}]]),
    "string": pa.array(["a", "b", "null"]),
    "truth": pa.array([True, True, None]),
}


@pytest.mark.parametrize("name", NEAR)
def test_numbers_beside_missing_values_and_in_records_take_tolerances(
    tables: Tables, name: str
) -> None:
    near = parquet({**KEYS, **TYPES, name: NEAR[name]})
    assert tables.compared(near, whole(), kind="float", relative=1e-6).reproduced
    item = tables.item(near, whole(), kind="float", relative=1e-9)
    assert item.verdict is Verdict.DIFFERENT
    assert f": {name}" in item.headline


@pytest.mark.parametrize("name", FAR)
def test_no_tolerance_passes_a_missing_value_or_a_word(tables: Tables, name: str) -> None:
    item = tables.item(parquet({**KEYS, **TYPES, name: FAR[name]}), whole(),
                       kind="float", relative=0.5, absolute=10.0)  # fmt: skip
    assert item.verdict is Verdict.DIFFERENT
    assert f": {name}" in item.headline
    assert f"1 of 3 events differs ({name} in 1)" in item.sentence


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1.5, None, 2.5]), pa.array([1.5, 2.0, 2.5])),
        (pa.array([[1.0], None, [2.0, 3.0]]), pa.array([[1.0], [], [2.0, 3.0]])),
        (pa.array([2**60, None]), pa.array([2**60, 1])),
    ],
)
def test_a_value_missing_on_one_side_only_leaves_the_others_alone(
    tables: Tables, one: Any, other: Any
) -> None:
    for sides in ((one, other), (other, one)):
        tables_of = [parquet({"x": side}) for side in sides]
        item = tables.item(tables_of[0], tables_of[1])
        assert item.headline.startswith("differs in entry 1: x")
        assert "(x in 1)" in item.sentence


def test_large_integers_beside_missing_values_stay_exact(tables: Tables) -> None:
    one, other = (parquet({"x": pa.array([2**60 + n, None])}) for n in (0, 1))
    assert tables.item(one, other).headline == f"differs in entry 0: x {2**60} / {2**60 + 1}"


def test_tolerance_order_and_events_of_one_only(tables: Tables) -> None:
    near = {**KEYS, **TYPES, "list": pa.array([[1.0, 2.0], [], [3.0000001]])}
    assert tables.compared(parquet(near), whole(), kind="float", relative=1e-6).reproduced
    assert not tables.compared(parquet(near), whole(), kind="float", relative=1e-9).reproduced
    moved = {
        name: pa.concat_arrays([one[1:], one[:1]])
        for name, one in (KEYS | {"pt": TYPES["number"]}).items()
    }
    reference = parquet({**KEYS, "pt": TYPES["number"]})
    assert tables.compared(parquet(moved), reference, kind="count", ordered=False).reproduced
    fewer = parquet({name: one[:2] for name, one in KEYS.items()})
    assert (
        "only in the reference, first run 2, event 1" in tables.item(fewer, parquet(KEYS)).sentence
    )


def test_what_is_noted_beside_the_numbers_counts(tables: Tables) -> None:
    table = pa.schema([pa.field("x", pa.float64(), metadata={"unit": "GeV"})])
    found = tables.read(parquet({"x": TYPES["number"]}, {"lumi": "10/fb", "pandas": "{}"}))
    assert found["events annotations"].facts == {"lumi": "10/fb"}
    other = tables.read(parquet({"x": TYPES["number"]}, {"lumi": "11/fb"}))
    items = {item.name: item for item in compare(found, other, [], TODAY).items}
    assert items["events"].verdict is Verdict.IDENTICAL
    assert items["events annotations"].headline == "lumi is '10/fb', reference '11/fb'"
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": TYPES["number"]}, schema=table), sink)
    found = tables.read(sink.getvalue().to_pybytes())
    assert found["events annotations"].facts == {"unit of the column x": "GeV"}


def test_it_is_an_output_with_a_reference(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/events.parquet").write_bytes(parquet({**KEYS, **TYPES}, {"lumi": "10/fb"}))
    names = ["out/events.parquet"]
    objects = read_outputs(tmp_path, names, names)
    reference = tmp_path / "reference"
    write = partial(write_objects, objects)
    bless(reference, write, builders.record(), reason="right", author="A. Nobody")
    assert compare(objects, load_reference(reference), [], TODAY).reproduced
    (tmp_path / "out/events.parquet").write_bytes(whole(row_group_size=2))
    changed = compare(read_outputs(tmp_path, names, names), load_reference(reference), [], TODAY)
    assert {one.name: one.verdict for one in changed.items} == {
        "events": Verdict.IDENTICAL, "events annotations": Verdict.MISSING,
    }  # fmt: skip
    paths = [tmp_path / name for name in names] + [tmp_path / "out/h.root"]
    assert file_of("events annotations", paths, tmp_path) == paths[0]


def test_strings_that_may_be_too_many_are_known_by_their_bytes(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FREE_OBJECT", limits.Limit(100, "bytes", "x", "documents"))
    monkeypatch.setattr(limits, "OBJECT_RATIO", 0)
    monkeypatch.setattr(table_module, "check_pages", lambda *_: None)
    words = pa.array([["a" * 50], ["a" * 50, "b"], ["c"]])
    found = tables.read(parquet({**KEYS, "x": words})).unread["events"]
    assert set(found.parts) == {"run", "event", "x (stored bytes)", ENTRIES}
    other = parquet({**KEYS, "x": words[::-1]})
    item = tables.item(other, parquet({**KEYS, "x": words}))
    assert item.verdict is Verdict.NOT_COMPARABLE
    assert "cannot be compared by this version in x (stored bytes)" in item.headline


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (pa.table([TYPES["number"], TYPES["number"]], ["x", "x"]), "a column name is duplicated"),
        (pa.table({ENTRIES: TYPES["number"]}), "a column name is duplicated"),
    ],
)
def test_names_that_say_two_things_are_refused(tables: Tables, columns: Any, said: str) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(columns, sink)
    with pytest.raises(OutputMissingError, match=said):
        tables.read(sink.getvalue().to_pybytes())


def test_without_pyarrow_the_command_is_named(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OutputMissingError, match="Parquet needs pyarrow") as error:
        tables.read(b"PAR1")
    assert error.value.hint == "pip install 'reprun[parquet]'"
