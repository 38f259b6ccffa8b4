"""Reading, writing and hashing histograms and tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from reprun.errors import NothingToCompareError, OutputMissingError, StorageError
from reprun.histograms import (
    Axis,
    Histogram,
    Objects,
    Table,
    content_hash,
    hash_of_objects,
    read_all,
    read_objects,
    regular_edges,
    table_text,
    uhi_text,
    write_histograms,
    write_table,
)
from reprun.histograms.files import file_of
from reprun.histograms.uhi import read_uhi
from tests.real_data import real_file


def line(name: str = "h", values: Iterable[float] = (0, 1, 2, 3, 4), **changes: Any) -> Histogram:
    """Return a one-dimensional histogram of three bins."""
    numbers = np.array(list(values), dtype=np.float64)
    axis = Axis.regular(len(numbers) - 2, 0.0, 0.3, title="m(4l) [GeV]")
    plain = Histogram(name, (axis,), numbers, entries=10.0, title="mass")
    return dataclasses.replace(plain, **changes)


def th1(values: np.ndarray, *, sumw2: np.ndarray | None = None, letter: str = "D") -> Any:
    """Return what uproot writes as TH1x with flow bins, title and axis title."""
    types = {"C": "i1", "S": ">i2", "I": ">i4", "F": ">f4", "D": ">f8"}
    return uproot.writing.identify.to_TH1x(
        "h",
        "mass",
        values.astype(types[letter]),
        10.0,
        values.sum(),
        values.sum(),
        0.0,
        0.0,
        np.array([] if sumw2 is None else sumw2, dtype=">f8"),
        uproot.writing.identify.to_TAxis("xaxis", "m(4l) [GeV]", len(values) - 2, 0.0, 0.3),
    )


def write_root(path: Path, objects: dict[str, Any], **options: Any) -> Path:
    """Write objects in their order."""
    with uproot.recreate(path, **options) as file:
        for name, thing in objects.items():
            file[name] = thing
    return path


class TestRoot:
    def test_reads_contents_flow_entries_and_titles(self, tmp_path: Path) -> None:
        path = write_root(tmp_path / "a.root", {"dir/sub/h": th1(np.arange(5.0))})
        (name,) = read_objects(path)
        found = read_objects(path)[name]
        assert isinstance(found, Histogram)
        assert name == "dir/sub/h"
        assert found.values.tolist() == [0, 1, 2, 3, 4]
        assert (found.class_name, found.entries, found.title) == ("TH1D", 10.0, "mass")
        assert found.axes[0].title == "m(4l) [GeV]"
        assert found.axes[0].unit == "GeV"

    def test_no_stored_sumw2_is_not_the_contents(self, tmp_path: Path) -> None:
        values = np.arange(5.0)
        path = write_root(
            tmp_path / "a.root", {"none": th1(values), "same": th1(values, sumw2=values)}
        )
        objects = read_objects(path)
        none, same = objects["none"], objects["same"]
        assert isinstance(none, Histogram)
        assert isinstance(same, Histogram)
        assert none.sumw2 is None
        assert same.sumw2 is not None
        assert none.variances.tolist() == same.variances.tolist()
        assert content_hash(none) != content_hash(same)

    @pytest.mark.parametrize("letter", "CSIFD")
    def test_every_precision_is_its_own_class(self, tmp_path: Path, letter: str) -> None:
        path = write_root(tmp_path / "a.root", {"h": th1(np.arange(5.0), letter=letter)})
        found = read_objects(path)["h"]
        assert isinstance(found, Histogram)
        assert found.class_name == f"TH1{letter}"
        assert found.values.tolist() == [0, 1, 2, 3, 4]

    def test_hash_survives_compression_order_and_writer(self, tmp_path: Path) -> None:
        one = th1(np.array([0, 1.5, 2, 3, 4]), sumw2=np.arange(5.0))
        two = th1(np.arange(5.0))
        files = [
            write_root(tmp_path / "a.root", {"x": one, "y": two}, compression=None),
            write_root(tmp_path / "b.root", {"y": two, "x": one}, compression=uproot.ZLIB(9)),
            write_root(tmp_path / "c.root", {"y": two, "x": one}, compression=uproot.LZMA(1)),
        ]
        assert len({path.read_bytes() for path in files}) == 3
        assert len({hash_of_objects(read_objects(path)) for path in files}) == 1
        write_histograms(tmp_path / "d.json", _histograms(read_objects(files[0])))
        assert hash_of_objects(read_objects(tmp_path / "d.json")) == hash_of_objects(
            read_objects(files[0])
        )

    def test_two_and_three_axes_keep_their_order(self, tmp_path: Path) -> None:
        two = np.arange(6.0).reshape(2, 3)
        edges = np.array([0.0, 1, 2]), np.array([0.0, 1, 5, 7])
        three = np.arange(24.0).reshape(2, 3, 4)
        last = np.arange(5.0)
        path = write_root(
            tmp_path / "a.root",
            {"two": (two, *edges), "three": (three, (*edges, last))},
        )
        objects = read_objects(path)
        assert objects["two"].values[1:-1, 1:-1].tolist() == two.tolist()
        assert objects["three"].values[1:-1, 1:-1, 1:-1].tolist() == three.tolist()
        found = objects["two"]
        assert isinstance(found, Histogram)
        assert found.class_name == "TH2D"
        assert found.axes[1].edges.tolist() == [0, 1, 5, 7]
        assert found.describe_bin((1, 2)) == "x bin 1 [0, 1), y bin 2 [1, 5)"

    def test_profiles_are_read_and_trees_are_no_histograms(self, tmp_path: Path) -> None:
        identify = uproot.writing.identify
        zeros = np.zeros(5)
        axis = identify.to_TAxis("xaxis", "", 3, 0.0, 1.0)
        profile = identify.to_TProfile(
            "p", "p", zeros, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, zeros, zeros, zeros, axis
        )
        with uproot.recreate(tmp_path / "a.root") as file:
            file["h"] = th1(np.arange(5.0))
            file["d/p"] = profile
            file.mktree("events", {"x": "f8"}).extend({"x": np.zeros(2)})
        objects = read_objects(tmp_path / "a.root")
        assert {name: thing.class_name for name, thing in objects.items()} == {
            "h": "TH1D",
            "d/p": "TProfile",
        }
        assert {name: one.reason for name, one in objects.unread.items()} == {"events": "TTree"}
        assert set(objects.unread["events"].parts) == {"x", "number of entries"}

    def test_the_newest_cycle_counts(self, tmp_path: Path) -> None:
        with uproot.recreate(tmp_path / "a.root") as file:
            file["h"] = th1(np.arange(5.0))
            file["h"] = th1(np.arange(5.0) * 2)
        assert read_objects(tmp_path / "a.root")["h"].values.tolist() == [0, 2, 4, 6, 8]

    @pytest.mark.parametrize("keep", [0, 3, 60, 300, -400, -40])
    def test_a_truncated_file_is_named(self, tmp_path: Path, keep: int) -> None:
        path = write_root(tmp_path / "a.root", {"h": th1(np.arange(2000.0))}, compression=None)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(OutputMissingError, match=r"a\.root is not a readable ROOT file") as one:
            read_objects(path)
        assert one.value.place == str(path)

    def test_text_called_root_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.root").write_text("http://x")
        with pytest.raises(OutputMissingError, match="does not start with 'root'"):
            read_objects(tmp_path / "a.root")

    @pytest.mark.parametrize("name", ["DoubleMu12.root", "DoubleE11.root", "HZZ12.root"])
    def test_real_files_survive_the_reference_format(self, tmp_path: Path, name: str) -> None:
        objects = read_objects(real_file(name))
        assert len(objects) == 95
        assert not objects.unread
        histograms = _histograms(objects)
        assert all(histogram.sumw2 is None for histogram in histograms)
        write_histograms(tmp_path / "reference.json", histograms)
        again = read_objects(tmp_path / "reference.json")
        assert hash_of_objects(again) == hash_of_objects(objects)
        assert uhi_text(_histograms(again)) == (tmp_path / "reference.json").read_text()

    def test_flow_of_a_real_histogram_is_kept(self) -> None:
        found = read_objects(real_file("DoubleMu12.root"))["demo/b4_GM_pT"]
        assert found.values[1:-1].sum() == 121_272_657
        assert found.values.sum() == 121_303_656


def _histograms(objects: Objects) -> list[Histogram]:
    return [
        dataclasses.replace(thing, name=name)
        for name, thing in objects.items()
        if isinstance(thing, Histogram)
    ]


class TestCanonical:
    def test_regular_and_variable_axes_of_equal_edges_are_equal(self) -> None:
        edges = regular_edges(3, 0.0, 0.3)
        assert edges[-1] == 0.3
        assert content_hash(line()) == content_hash(line(axes=(Axis(edges),)))

    def test_titles_and_names_do_not_count(self) -> None:
        assert content_hash(line()) == content_hash(line("other", title="other"))

    def test_the_sign_of_zero_and_nan_payloads_do_not_count(self) -> None:
        assert content_hash(line(values=[0.0, 1, 2])) == content_hash(line(values=[-0.0, 1, 2]))
        odd = np.array([0x7FF8000000000123], dtype=np.uint64).view(np.float64)[0]
        assert content_hash(line(values=[np.nan, 1, 2])) == content_hash(line(values=[odd, 1, 2]))
        assert content_hash(line(values=[np.nan, 1, 2])) != content_hash(line(values=[0, 1, 2]))

    @pytest.mark.parametrize(
        "changes",
        [
            {"storage": "float32"},
            {"entries": 11.0},
            {"entries": None},
            {"sumw2": np.zeros(5)},
            {"axes": (Axis.regular(3, 0.0, 0.31),)},
            {"axes": (dataclasses.replace(Axis.regular(3, 0.0, 0.3), overflow=False),)},
            {"axes": (dataclasses.replace(Axis.regular(3, 0, 0.3), labels=("a", "b", "c")),)},
        ],
    )
    def test_everything_else_counts(self, changes: dict[str, Any]) -> None:
        assert content_hash(line()) != content_hash(line(**changes))

    def test_tables_count_names_order_and_numbers(self) -> None:
        table = Table("t", ("a", "b"), ("x",), np.array([[1.0], [2.0]]))
        assert content_hash(table) == content_hash(dataclasses.replace(table, name="u", corner="c"))
        turned = Table("t", ("b", "a"), ("x",), np.array([[2.0], [1.0]]))
        assert content_hash(table) != content_hash(turned)

    def test_wrong_shapes_and_edges_are_refused(self) -> None:
        for bad in ([0.0], [0, 0], [1, 0], [0, np.nan]):
            with pytest.raises(ValueError, match="axis"):
                Axis(np.array(bad))
        with pytest.raises(ValueError, match="contents"):
            line(values=[1, 2, 3], axes=(Axis.regular(4, 0, 1),))
        with pytest.raises(ValueError, match="read-only"):
            line().values[0] = 1


WRONG_SHAPE = """{"a": {"uhi_schema": 1, "axes": [{"type": "boolean"}],
  "storage": {"type": "int", "values": [1, 2, 3]}}}"""

floats = st.floats(width=64, allow_nan=True, allow_infinity=True)


class TestUhi:
    @given(
        values=st.lists(floats, min_size=3, max_size=40),
        weighted=st.booleans(),
        storage=st.sampled_from(["float64", "float32", "int32", "int64"]),
        edges=st.sets(st.floats(-1e6, 1e6), min_size=41, max_size=41),
        title=st.text(max_size=20),
    )
    @settings(max_examples=60, deadline=None)
    def test_round_trip_is_exact(
        self, values: list[float], weighted: bool, storage: Any, edges: set[float], title: str
    ) -> None:
        axis = Axis(np.array(sorted(edges)[: len(values) - 1]), title=title)
        array = np.array(values)
        original = Histogram(
            'odd "name"/é', (axis,), array, array[::-1] if weighted else None, storage, 3.5, title
        )
        text = uhi_text([original])
        path = Path("x.json")
        found = read_uhi(path, path.stem, text)['odd "name"/é']
        assert isinstance(found, Histogram)
        assert np.array_equal(found.values, original.values, equal_nan=True)
        kept = ~np.isnan(original.values)
        assert np.array_equal(np.signbit(found.values)[kept], np.signbit(original.values)[kept])
        assert content_hash(found) == content_hash(original)
        assert (found.title, found.axes[0].title) == (title, title)
        assert uhi_text([found]) == text

    def test_text_is_sorted_and_broken_into_short_lines(self, tmp_path: Path) -> None:
        write_histograms(tmp_path / "r.json", [line("b", range(100)), line("a")])
        text = (tmp_path / "r.json").read_text()
        assert text.index('"a"') < text.index('"b"')
        assert max(map(len, text.splitlines())) < 200
        assert '"entries": 10' in text
        assert json.loads(text)["a"]["storage"] == {"type": "double", "values": [0, 1, 2, 3, 4]}
        assert not list(tmp_path.glob("*.part"))

    def test_reads_what_hist_writes(self, tmp_path: Path) -> None:
        # The text of json.dumps({"h": hist.Hist(...)}, default=uhi.io.json.default), hist 2.12.
        flow = {"underflow": True, "overflow": False, "circular": False}
        regular = {"type": "regular", "lower": 0.0, "upper": 0.3, "bins": 2, **flow}
        category = {"type": "category_str", "categories": ["a", "b"], "flow": True}
        document = {
            "uhi_schema": 1,
            "writer_info": {"boost-histogram": {"version": "1.8.1"}},
            "axes": [regular | {"metadata": {"name": "m", "label": "m [GeV]"}}, category],
            "storage": {
                "type": "weighted",
                "values": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]],
                "variances": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.5]],
            },
        }
        (tmp_path / "one.json").write_text(json.dumps(document))
        found = read_objects(tmp_path / "one.json")["one"]
        assert isinstance(found, Histogram)
        assert found.values.tolist() == [[0, 0, 1, 2], [0, 3, 4, 5], [0, 6, 7, 8], [0] * 4]
        assert found.sumw2 is not None
        assert found.sumw2[2, 3] == 8.5
        assert found.axes[1].labels == ("a", "b")
        assert found.describe_bin((3, 2)) == "x overflow, y bin 2 'b'"
        write_histograms(tmp_path / "two.json", [found])
        assert content_hash(read_objects(tmp_path / "two.json")["one"]) == content_hash(found)

    def test_sparse_empty_and_boolean(self, tmp_path: Path) -> None:
        axes = [{"type": "boolean"}]
        sparse = {"type": "int", "index": [[1]], "values": [7]}
        document = {
            "sparse": {"uhi_schema": 1, "axes": axes, "storage": sparse},
            "empty": {"uhi_schema": 1, "axes": axes, "storage": {"type": "double"}},
        }
        (tmp_path / "a.json").write_text(json.dumps(document))
        objects = read_objects(tmp_path / "a.json")
        assert objects["sparse"].values.tolist() == [0, 0, 7, 0]
        assert objects["empty"].is_empty

    def test_kinds_that_cannot_be_compared_are_listed(self, tmp_path: Path) -> None:
        circular = {
            "type": "regular", "lower": 0, "upper": 1, "bins": 1,
            "underflow": False, "overflow": True, "circular": True,
        }  # fmt: skip
        document = {
            "new": {"uhi_schema": 1, "axes": [{"type": "boolean"}], "storage": {"type": "moments"}},
            "field": {
                "uhi_schema": 1, "axes": [circular | {"slope": 1}], "storage": {"type": "double"},
            },
            "far": {
                "uhi_schema": 1, "axes": [circular],
                "storage": {"type": "double", "values": "far.bin"},
            },
            "big": {
                "uhi_schema": 1, "axes": [circular],
                "storage": {"type": "int", "values": [2**53 + 1, 0]},
            },
        }  # fmt: skip
        (tmp_path / "a.json").write_text(json.dumps(document))
        unread = read_objects(tmp_path / "a.json").unread
        assert {name: (one.reason, len(one.parts)) for name, one in unread.items()} == {
            "new": ("UHI moments storage", 1),
            "field": ("UHI field 'slope'", 1),
            "far": ("UHI contents kept in another file", 0),
            "big": ("integers from 9,007,199,254,740,992 on", 1),
        }

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("", "not valid JSON"),
            ('{"a": 1', "not valid JSON"),
            ('["uhi_schema"]', "no histograms by name"),
            ('{"a": 1, "b": {"uhi_schema": 1}}', "'a': "),
            ('{"a": {"uhi_schema": 2, "axes": [], "storage": {}}}', "uhi_schema 2"),
            ('{"a": {"uhi_schema": 1, "axes": []}}', "no field 'storage'"),
            ('{"a": {}, "a": {}}', "'a' is duplicated"),
            (
                WRONG_SHAPE,
                r"values of shape \(3,\)",
            ),
        ],
    )
    def test_faults_are_named(self, tmp_path: Path, text: str, what: str) -> None:
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(OutputMissingError, match=what) as one:
            read_objects(tmp_path / "a.json")
        assert "a.json" in one.value.message


class TestTables:
    def test_round_trip(self, tmp_path: Path) -> None:
        values = np.array([[1, 0.1], [np.nan, 1e300]])
        table = Table("yields", ("4mu, 2012", "2e2mu"), ("data", "ZZ"), values, "channel")
        write_table(tmp_path / "yields.csv", table)
        found = read_objects(tmp_path / "yields.csv")["yields"]
        assert isinstance(found, Table)
        assert content_hash(found) == content_hash(table)
        assert table_text(found) == (tmp_path / "yields.csv").read_text()

    def test_remarks_and_empty_cells(self, tmp_path: Path) -> None:
        (tmp_path / "y.csv").write_text("# from record 5500\nchannel,data\n\n4mu,\n")
        found = read_objects(tmp_path / "y.csv")["y"]
        assert np.isnan(found.values[0, 0])

    @pytest.mark.parametrize(
        ("text", "what", "where"),
        [
            ("", "it is empty", "y.csv"),
            ("c,x\na,1\nb,two\n", "'two' in column 'x' is not a number", "y.csv:3"),
            ("c,x\na,1,2\n", "3 cells, the heading has 2", "y.csv:2"),
            ("c,x\na,1\na,2\n", "the row 'a' is duplicated", "y.csv:3"),
            ("c,x,x\na,1,2\n", "a column heading is duplicated", "y.csv"),
            ('c,x\n"a,1\n', "unexpected end of data", "y.csv:2"),
        ],
    )
    def test_faults_have_a_line(self, tmp_path: Path, text: str, what: str, where: str) -> None:
        (tmp_path / "y.csv").write_text(text)
        with pytest.raises(OutputMissingError, match=what) as one:
            read_objects(tmp_path / "y.csv")
        assert str(one.value.place).endswith(where)


class TestSeveralFiles:
    def test_names_over_files(self, tmp_path: Path) -> None:
        write_histograms(tmp_path / "a.json", [line("x")])
        write_histograms(tmp_path / "b.json", [line("x")])
        (tmp_path / "yields.csv").write_text("c,x\na,1\n")
        alone = read_all([tmp_path / "a.json", tmp_path / "yields.csv"], tmp_path)
        assert sorted(alone) == ["x", "yields"]
        both = read_all([tmp_path / "a.json", tmp_path / "b.json"], tmp_path)
        assert sorted(both) == ["a/x", "b/x"]
        (tmp_path / "sub").mkdir()
        write_histograms(tmp_path / "sub/a.json", [line("x")])
        same = read_all([tmp_path / "a.json", tmp_path / "sub/a.json"], tmp_path)
        assert sorted(same) == ["a/x", "sub/a/x"]

    def test_every_name_leads_back_to_its_file(self, tmp_path: Path) -> None:
        names = ("a.json", "b.json", "sub/b.json", "a/x.json")
        files = [tmp_path / name for name in (*names, "yields.csv")]
        for file in files[:-1]:
            file.parent.mkdir(exist_ok=True)
            write_histograms(file, [line("x"), line("x/y")])
        files[-1].write_text("c,x\na,1\n")
        expected = {
            "a/x": "a.json",
            "a/x/y": "a.json",
            "sub/b/x": "sub/b.json",
            "b/x": "b.json",
            "x/x/y": "a/x.json",
            "yields": "yields.csv",
        }
        assert expected.keys() <= read_all(files, tmp_path).keys()
        for name, made_by in expected.items():
            assert file_of(name, files, tmp_path) == tmp_path / made_by
        # What a run did not make is looked for where it would stand.
        assert file_of("sub/b/new", files, tmp_path) == tmp_path / "sub/b.json"
        assert file_of("new", [files[0], files[-1]], tmp_path) == files[0]
        assert file_of("gone/x", files, tmp_path) is None

    def test_nothing_is_an_error_of_its_own(self, tmp_path: Path) -> None:
        with uproot.recreate(tmp_path / "a.root") as file:
            file.mktree("events", {"x": "f8"}).extend({"x": np.zeros(2)})
        assert len(read_objects(tmp_path / "a.root")) == 0
        assert list(read_all([tmp_path / "a.root"], tmp_path).unread) == ["events"]
        with uproot.recreate(tmp_path / "a.root"):
            pass
        with pytest.raises(
            NothingToCompareError, match=r"no histogram and no other object in a\.root"
        ):
            read_all([tmp_path / "a.root"], tmp_path)
        with pytest.raises(NothingToCompareError, match="no file"):
            read_all([], tmp_path)

    def test_a_name_in_two_files_is_refused(self, tmp_path: Path) -> None:
        write_histograms(tmp_path / "a.json", [line("yields")])
        (tmp_path / "yields.csv").write_text("c,x\na,1\n")
        with pytest.raises(OutputMissingError, match=r"'yields' in yields\.csv"):
            read_all([tmp_path / "a.json", tmp_path / "yields.csv"], tmp_path)

    def test_missing_files_and_unknown_kinds(self, tmp_path: Path) -> None:
        with pytest.raises(OutputMissingError, match="does not exist"):
            read_objects(tmp_path / "a.root")
        (tmp_path / "a.pdf").write_text("")
        with pytest.raises(OutputMissingError, match=r"no reader for '\.pdf'"):
            read_objects(tmp_path / "a.pdf")
        (tmp_path / "bare").write_text("")
        with pytest.raises(OutputMissingError, match="bare has no suffix that says what it holds"):
            read_objects(tmp_path / "bare")

    def test_a_refused_write_is_a_storage_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for name in ("r.json", "r.root"):
            with pytest.raises(StorageError, match=r"the directory .*/file: File ex"):
                write_histograms(tmp_path / "file" / name, [line()])
            (tmp_path / "there" / name).mkdir(parents=True)
            with pytest.raises(StorageError, match=f"cannot write {tmp_path}/there/{name}: Is"):
                write_histograms(tmp_path / "there" / name, [line()])

    def test_a_write_that_fails_leaves_what_was_there(self, tmp_path: Path) -> None:
        path = tmp_path / "r.root"
        write_histograms(path, [line()])
        before = path.read_bytes()
        labelled = Histogram("h", (Axis.categories(("a", "b")),), np.ones(4))
        with pytest.raises(StorageError, match="has labels"):
            write_histograms(path, [line(), labelled])
        assert path.read_bytes() == before
        assert [each.name for each in tmp_path.iterdir()] == ["r.root"]
