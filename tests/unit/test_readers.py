"""Every format and class that is read or written beside TH1, UHI and CSV."""

from __future__ import annotations

import dataclasses
import mmap
from pathlib import Path

import numpy as np
import pytest

from reprun.compare import Verdict, compare
from reprun.errors import OutputMissingError, StorageError
from reprun.histograms import (
    Axis,
    Histogram,
    Objects,
    Table,
    content_hash,
    hash_of_objects,
    open_objects,
    read_all,
    read_objects,
    readable,
    write_histograms,
    write_table,
)
from reprun.histograms.files import FORMATS, Format, file_of
from reprun.histograms.model import Storage
from reprun.histograms.root import files as root_files
from reprun.histograms.root.containers import Payload
from reprun.histograms.root.keys import object_bytes
from tests.compare_support import TODAY
from tests.histograms_support import column, table
from tests.real_data import real_file, shared_data

SAMPLE = Path(__file__).parents[1] / "data" / "root_sample.root"


def reasons(objects: Objects) -> dict[str, str]:
    """Return why each object that is not decoded is not."""
    return {name: str(one) for name, one in objects.unread.items()}


class TestRoot:
    def test_profiles_keep_their_sums(self) -> None:
        objects = read_objects(SAMPLE)
        profile = table(objects, "sub/profile")
        assert (profile.class_name, profile.entries) == ("TProfile", 12)
        assert profile.columns == ("sumw", "sumwy", "sumwy2")
        # Fills at x = n/4 with y = n^2, four in each of three bins.
        assert column(profile, "sumw") == [0, 4, 4, 4, 0]
        assert column(profile, "sumwy") == [0, 14, 126, 366, 0]
        assert profile.rows[1] == "bin 1 [0, 1)"
        assert table(objects, "sub/heavy").columns == ("sumw", "sumw2", "sumwy", "sumwy2")
        assert column(table(objects, "sub/heavy"), "sumw2") == [0, 10, 10, 10, 0]

    def test_efficiencies_keep_passed_and_total(self) -> None:
        efficiency = table(read_objects(SAMPLE), "sub/efficiency")
        assert efficiency.columns == ("passed", "total")
        assert column(efficiency, "total") == [0, 4, 3, 3, 2]
        assert column(efficiency, "passed") == [0, 2, 2, 1, 1]
        assert efficiency.axes[0].title == "pt [GeV]"

    def test_graphs_keep_both_errors(self) -> None:
        objects = read_objects(SAMPLE)
        sides = table(objects, "sides")
        assert sides.values.tolist() == [[1, 5, 0.1, 0.2, 0.3, 0.4], [2, 6, 0.1, 0.2, 0.3, 0.4]]
        assert table(objects, "errors").values[1].tolist() == [2, 4, 0.2, 0.2, 0.4, 0.4]
        assert table(objects, "graph").values[0].tolist() == [1, 3, 0, 0, 0, 0]
        assert [objects[name].class_name for name in ("graph", "errors", "sides")] == [
            "TGraph", "TGraphErrors", "TGraphAsymmErrors",
        ]  # fmt: skip

    def test_what_is_not_supported_is_named(self) -> None:
        assert reasons(read_objects(SAMPLE)) == {"curve": "TF1", "polygons": "TH2Poly"}

    def test_profiles_of_more_axes(self) -> None:
        objects = read_objects(SAMPLE.with_name("root_profiles.root"))
        plane, cube = table(objects, "plane"), table(objects, "cube")
        assert (plane.class_name, cube.class_name) == ("TProfile2D", "TProfile3D")
        at = plane.rows.index("bin 1 [0, 1), bin 1 [0, 1)")
        assert plane.columns == ("sumw", "sumw2", "sumwy", "sumwy2")
        assert plane.values[at].tolist() == [2, 2, 10, 52]
        assert plane.values[plane.rows.index("overflow, bin 3 [2, 3)")].tolist() == [1, 1, 3, 9]
        at = cube.rows.index("bin 1 [0, 1), bin 2 [1, 2), bin 1 [0, 1)")
        assert cube.values[at].tolist() == [2, 16, 130]
        assert reasons(objects) == {
            "stack": "THStack", "graphs": "TMultiGraph", "surface": "TGraph2D",
        }  # fmt: skip

    def test_direct_decoder_and_uproot_agree(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for path in (SAMPLE, real_file("DoubleMu12.root"), real_file("HZZ11.root")):
            direct = root_files.read_root(path)
            with monkeypatch.context() as patch:
                patch.setattr(root_files, "_directly", lambda *_: None)
                general = root_files.read_root(path)
            assert len(general) > 3
            for name, thing in general.items():
                assert content_hash(thing) == content_hash(direct[name]), name
                assert thing.title == direct[name].title
            # uproot cannot read an efficiency with beta parameters at all.
            assert set(direct) - set(general) <= {"sub/efficiency"}

    def test_objects_are_read_when_asked_for(self) -> None:
        source = open_objects(SAMPLE)
        whole = read_objects(SAMPLE)
        assert set(source.names) == {*whole, *whole.unread}
        part = source.only(["graph", "curve", "nowhere"])
        assert (set(part), reasons(part)) == ({"graph"}, {"curve": "TF1"})
        (name,) = source.taking({"new": "graph"}).only(["new"])
        assert name == "new"

    def test_labels_go_to_uproot(self) -> None:
        source = root_files.open_root(SAMPLE)
        assert isinstance(source, root_files.RootSource)
        with (
            SAMPLE.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as data,
        ):
            entry = source.entries["sub/labelled"]
            payload = Payload(object_bytes(data, entry.key), entry.key.header)
            assert root_files._directly("sub/labelled", entry, payload) is None
        found = read_objects(SAMPLE)["sub/labelled"]
        assert isinstance(found, Histogram)
        assert found.axes[0].labels == ("all", "trigger")

    @pytest.mark.parametrize("position", range(300, 4000, 61))
    @pytest.mark.slow
    def test_a_broken_byte_never_passes_silently(self, tmp_path: Path, position: int) -> None:
        data = bytearray(SAMPLE.read_bytes())
        data[position] ^= 0x5A
        path = tmp_path / "x.root"
        path.write_bytes(data)
        try:
            objects = read_objects(path)
        except OutputMissingError:
            return
        whole = read_objects(SAMPLE)
        # What the hash does not cover (dates, titles, colours) may differ without a word.
        same = hash_of_objects(objects) == hash_of_objects(whole)
        assert same or not compare(objects, whole, [], TODAY).reproduced

    def test_round_trip(self, tmp_path: Path) -> None:
        uneven = Axis(np.array([0, 1, 4.0]))
        kinds: list[tuple[str, tuple[Axis, ...], tuple[int, ...], bool, Storage]] = [
            ("dir/one", (Axis.regular(3, 0, 1, title="m [GeV]"),), (5,), True, "float64"),
            ("two", (Axis.regular(2, 0, 1), uneven), (4, 4), True, "float32"),
            ("three", (Axis.regular(1, 0, 1),) * 3, (3, 3, 3), False, "int32"),
        ]
        made = [
            Histogram(
                name, axes, np.arange(float(np.prod(shape))).reshape(shape),
                sumw2=np.arange(float(np.prod(shape))).reshape(shape) / 3 if weighted else None,
                storage=storage, entries=7.0, title="mass",
            )
            for name, axes, shape, weighted, storage in kinds
        ]  # fmt: skip
        path = tmp_path / "a.root"
        write_histograms(path, made)
        back = read_objects(path)
        assert {name: content_hash(thing) for name, thing in back.items()} == {
            thing.name: content_hash(thing) for thing in made
        }
        with pytest.raises(StorageError, match="labels"):
            write_histograms(path, [Histogram("c", (Axis.categories(("a",)),), np.zeros(3))])
        assert len(read_objects(path)) == 3


YODA2 = """BEGIN YODA_HISTO1D_V3 /RAW/h
Path: /RAW/h
Title: "mass"
Type: Histo1D
---
# Mean: 1
Edges(A1): [0.0, 1.0, 3.0]
# sumW sumW2 sumW(A1) sumW2(A1) numEntries
1.0 1.0 -1.0 1.0 1
2.0 2.0 1.0 0.5 2
3.0 4.5 6.0 12.0 2
0.5 0.25 2.0 8.0 1
END YODA_HISTO1D_V3

BEGIN YODA_PROFILE1D_V3 /p
Type: Profile1D
---
Edges(A1): [0.0, 1.0]
0 0 0 0 0 0 0
2.0 2.0 1.0 0.5 8.0 34.0 2
0 0 0 0 0 0 0
END YODA_PROFILE1D_V3
BEGIN YODA_HISTO2D_V3 /masked
Type: Histo2D
---
Edges(A1): [0.0, 1.0]
Edges(A2): [0.0, 1.0]
MaskedBins: [4]
END YODA_HISTO2D_V3
BEGIN YODA_COUNTER_V3 /n
Type: Counter
---
# sumW sumW2 numEntries
5.0 25.0 1
END YODA_COUNTER_V3
"""


YODA1_PLANE = """BEGIN YODA_HISTO2D_V2 /plane
Type: Histo2D
---
# ID ID sumw sumw2 sumwx sumwx2 sumwy sumwy2 sumwxy numEntries
Total Total 4.5 6 0 0 0 0 0 4
# xlow xhigh ylow yhigh sumw sumw2 sumwx sumwx2 sumwy sumwy2 sumwxy numEntries
0 1 0 2 1 1 0 0 0 0 0 1
1 2 0 2 2 4 0 0 0 0 0 2
END YODA_HISTO2D_V2
BEGIN YODA_PROFILE2D_V2 /mean
Type: Profile2D
---
0 1 0 2 2 2 0 0 0 0 8 34 2
END YODA_PROFILE2D_V2
"""


class TestYoda:
    def test_version_2(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yoda"
        path.write_text(YODA2)
        objects = read_objects(path)
        found = objects["RAW/h"]
        assert isinstance(found, Histogram)
        assert found.values.tolist() == [1, 2, 3, 0.5]
        assert np.asarray(found.sumw2).tolist() == [1, 2, 4.5, 0.25]
        assert (found.entries, found.title) == (6, "mass")
        assert table(objects, "p").values[1].tolist() == [2, 2, 8, 34, 2]
        assert table(objects, "n").values.tolist() == [[5, 25, 1]]
        assert reasons(objects) == {"masked": "YODA Histo2D: masked bins that have no numbers"}

    def test_two_axes_of_version_1(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yoda"
        path.write_text(YODA1_PLANE)
        objects = read_objects(path)
        found = objects["plane"]
        assert isinstance(found, Histogram)
        assert found.values[1:3, 1:2].tolist() == [[1], [2]]
        assert np.asarray(found.sumw2)[2, 1] == 4
        # The totals hold 1.5 that lies in no bin.
        assert found.values[-1, -1] == 1.5
        assert found.values.sum() == 4.5
        assert found.entries == 4
        profile = table(objects, "mean")
        assert profile.values[profile.rows.index("bin 1 [0, 1), bin 1 [0, 2)")].tolist() == [
            2, 2, 8, 34, 2,
        ]  # fmt: skip
        path.write_text(YODA1_PLANE.replace("1 2 0 2 2 4", "1 2 0 3 2 4"))
        assert reasons(read_objects(path)) == {"plane": "YODA Histo2D: bins that form no grid"}

    def test_version_1_round_trip(self, tmp_path: Path) -> None:
        axis = Axis(np.array([0, 0.1, 0.7, 2]))
        made = Histogram(
            "MC/m", (axis,), np.array([0, 1.5, 2, 1 / 3, 4]), np.array([0, 1, 2, 3, 4.0])
        )
        path = tmp_path / "a.yoda"
        write_histograms(path, [made])
        found = read_objects(path)["MC/m"]
        assert isinstance(found, Histogram)
        expected = dataclasses.replace(made, entries=found.entries)
        assert content_hash(found) == content_hash(expected)
        with pytest.raises(StorageError, match="one axis"):
            write_histograms(path, [Histogram("x", (axis, axis), np.zeros((5, 5)))])

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("hello", "outside an object"),
            (YODA2.replace("END YODA_PROFILE1D_V3", ""), "'/p' has no END"),
            (YODA2[:150], "no END"),
            (YODA2.replace("/p\n", "/RAW/h\n"), "is duplicated"),
            (YODA2.replace("3.0 4.5", "3.0 x"), "could not convert"),
            (YODA2.replace("[0.0, 1.0, 3.0]", "[0.0, 3.0]"), "rows of numbers"),
        ],
    )
    def test_faults_are_placed(self, tmp_path: Path, text: str, words: str) -> None:
        path = tmp_path / "a.yoda"
        path.write_text(text)
        with pytest.raises(OutputMissingError, match=words) as error:
            read_objects(path)
        assert str(path) in str(error.value.place)

    def test_published_files_of_rivet(self) -> None:
        for name, size in (("full", 10), ("with_overflows", 2), ("ATLAS_2014_I1310835", 20)):
            objects = read_objects(shared_data() / f"references/yoda/{name}.yoda")
            assert (len(objects), reasons(objects)) == (size, {})
            assert compare(objects, objects, [], TODAY).reproduced


class TestHepData:
    def test_a_published_submission_names_missing_tables(self) -> None:
        path = shared_data() / "references/hepdata-ins1413748/submission.yaml"
        objects = read_objects(path)
        first = table(objects, "Table 1")
        assert first.rows[0] == "$A_{\\Delta\\phi}$"
        assert column(first, "Data (Unfolded)")[0] == 0.0939
        assert column(first, "Data (Unfolded) sys error low")[0] == 0.0122
        assert len(objects) == 3
        assert reasons(objects)["Table 4"] == "HEPData table whose file Table4.yaml is missing"
        comparison = compare(objects, objects, [], TODAY)
        assert comparison.worst is Verdict.NOT_COMPARABLE
        assert table(read_objects(path.with_name("Table1.yaml")), "Table1").rows == first.rows

    @pytest.mark.parametrize(
        "text", ["[1, 2]", "a: [", "a: 1", "dependent_variables: []", "dependent_variables: 3"]
    )
    def test_faults(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "a.yaml"
        path.write_text(text)
        with pytest.raises(OutputMissingError, match="not a readable HEPData file"):
            read_objects(path)


def test_profiles_and_graphs_survive_as_references(tmp_path: Path) -> None:
    objects = read_objects(SAMPLE)
    for name in ("sub/profile", "sub/efficiency", "sides"):
        made = table(objects, name)
        path = tmp_path / "x.csv"
        write_table(path, made)
        (back,) = read_objects(path).values()
        assert (back.name, back.title) == (name, made.title)
        assert content_hash(back) == content_hash(made)
    path.write_text("# reprun: {\n" + path.read_text())
    with pytest.raises(OutputMissingError, match="its first line"):
        read_objects(path)


def test_the_cut_that_moves_first_is_named() -> None:
    cuts = ("all", "trigger", "two muons", "isolation", "mass")
    values = np.array([[1000.0], [800], [300], [200], [50]])
    reference = Table("cuts", cuts, ("events",), values)
    moved = values.copy()
    moved[2:, 0] -= (3, 2, 1)
    run = dataclasses.replace(reference, values=moved)
    (item,) = compare(Objects({"cuts": run}), Objects({"cuts": reference}), [], TODAY).items
    assert item.headline == "row 'two muons', column 'events' is 297, reference 300"
    assert "3 of 5 numbers differ, first in 'two muons' (row 3 of 5)" in item.sentence


@pytest.mark.parametrize("suffix", [suffix for each in FORMATS for suffix in each.suffixes])
def test_every_format_rejects_a_damaged_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(b"\xff\xfe\x00")
    for read in (read_objects, open_objects):
        with pytest.raises(OutputMissingError, match=f"damaged{suffix}"):
            read(path)


def test_a_format_is_added_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What CONTRIBUTING.md says: with its entry in the list it is read everywhere."""

    def read_numbers(path: Path) -> Objects:
        values = np.array([[float(line)] for line in path.read_text().split()])
        rows = tuple(f"line {number}" for number in range(len(values)))
        return Objects({path.stem: Table(path.stem, rows, ("value",), values)})

    added = Format((".dummy",), read_numbers, is_table=True)
    monkeypatch.setattr("reprun.histograms.files.FORMATS", (*FORMATS, added))
    paths = [tmp_path / "one.dummy", tmp_path / "two.dummy"]
    for path in paths:
        path.write_text("1\n2\n")
    assert readable(paths[0])
    assert list(read_all(paths, tmp_path)) == ["one", "two"]
    assert file_of("two", paths, tmp_path) == paths[1]
    assert list(open_objects(paths[0]).names) == ["one"]
    (tmp_path / "a.pdf").touch()
    with pytest.raises(OutputMissingError, match=r"there is one for .*\.dummy"):
        read_objects(tmp_path / "a.pdf")
