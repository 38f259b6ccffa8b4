"""What readers of text formats do with forms that were passed over, refused or never ended."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import numpy as np
import pytest

from reprun.compare import compare
from reprun.errors import OutputMissingError
from reprun.histograms import (
    Axis,
    Histogram,
    Objects,
    content_hash,
    read_all,
    read_objects,
    write_histograms,
)
from reprun.histograms.files import file_of
from tests.compare_support import TODAY
from tests.histograms_support import column, table

COUNTER = "BEGIN YODA_COUNTER_V3 /n\nType: Counter\n---\n5.0 25.0 1\nEND YODA_COUNTER_V3\n"
TABLE = """independent_variables:
- header: {name: x}
  values: [{value: 1}]
dependent_variables:
- header: {name: y, units: pb}
  values: [{value: 2}]
"""


def read(path: Path, text: str | bytes) -> Objects:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_objects(path)


class TestPackedYoda:
    def test_two_suffixes_are_no_part_of_a_name(self, tmp_path: Path) -> None:
        paths = [tmp_path / name for name in ("one.yoda.gz", "two.yoda")]
        paths[0].write_bytes(gzip.compress(COUNTER.encode()))
        paths[1].write_text(COUNTER)
        objects = read_all(paths, tmp_path)
        assert set(objects) == {"one/n", "two/n"}
        assert content_hash(objects["one/n"]) == content_hash(objects["two/n"])
        assert file_of("one/n", paths, tmp_path) == paths[0]

    @pytest.mark.slow
    @pytest.mark.parametrize("line", [b"\n", b"#\n"])
    def test_a_bomb_ends_at_the_limit(self, tmp_path: Path, line: bytes) -> None:
        packed = gzip.compress(line * (300_000_000 // len(line)), 1)
        started = time.process_time()
        with pytest.raises(OutputMissingError, match=r"more than [\d.]+ MB once decompressed, of"):
            read(tmp_path / "x.yoda.gz", packed)
        assert time.process_time() - started < 10

    @pytest.mark.parametrize("keep", [0, 5, 30, -9, -4])
    def test_what_is_cut_off_is_named(self, tmp_path: Path, keep: int) -> None:
        packed = gzip.compress(COUNTER.encode())
        if keep == 0:
            assert not read(tmp_path / "x.yoda.gz", b"")
            return
        with pytest.raises(OutputMissingError, match=r"cannot read x\.yoda\.gz: "):
            read(tmp_path / "x.yoda.gz", packed[:keep])

    def test_hdf5_is_refused_with_the_command_that_converts(self, tmp_path: Path) -> None:
        with pytest.raises(OutputMissingError, match="YODA in HDF5 is not supported") as error:
            read(tmp_path / "r.yoda.h5", b"\x89HDF")
        assert error.value.hint == f"yoda2yoda {tmp_path}/r.yoda.h5 {tmp_path}/r.yoda.gz"


def test_annotations_of_a_histogram_are_facts_and_survive_as_a_reference(tmp_path: Path) -> None:
    text = """BEGIN YODA_HISTO1D_V3 /h
ScaledBy: 1.5
Title: mass
XLabel: m [GeV]
Type: Histo1D
---
Edges(A1): [0.0, 1.0]
MaskedBins: [1]
0 0 0 0 0
2 2 1 0.5 2
0 0 0 0 0
END YODA_HISTO1D_V3
"""
    objects = read(tmp_path / "a.yoda", text)
    (found,) = objects.values()
    assert isinstance(found, Histogram)
    assert found.facts == {"ScaledBy": "1.5", "MaskedBins": "[1]"}
    assert objects["h"].axes[0].unit == "GeV"
    write_histograms(tmp_path / "reference.json", [found])
    (back,) = read_objects(tmp_path / "reference.json").values()
    assert content_hash(back) == content_hash(found)
    other = read(tmp_path / "a.yoda", text.replace("1.5", "1.6"))
    items = compare(other, objects, [], TODAY).items
    assert [one.headline for one in items if not one.verdict.passes] == [
        "ScaledBy is '1.6', reference '1.5'"
    ]


class TestHepData:
    def test_all_tables_of_a_file_are_read(self, tmp_path: Path) -> None:
        text = f"{TABLE}---\n{TABLE.replace('2', '3')}---\nname: last\n{TABLE}"
        objects = read(tmp_path / "t.yaml", text)
        assert list(objects) == ["t", "t (2)", "last"]
        assert column(table(objects, "t (2)"), "y") == [3]

    def test_text_of_python_2_is_text(self, tmp_path: Path) -> None:
        text = TABLE.replace("name: y", "name: !!python/unicode 'y'")
        assert table(read(tmp_path / "t.yaml", text), "t").columns == ("x value", "y")
        with pytest.raises(OutputMissingError, match="could not determine a constructor"):
            read(tmp_path / "t.yaml", text.replace("python/unicode", "python/name:os.system"))

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("{value: 2}", "{value: 2, value: 3}", "the key 'value' is duplicated in line 6"),
            ("[{value: 2}]", "[{value: 2}, {value: 3}]", "'x' has 1, 'y' has 2"),
            ("[{value: 2}]", "[5]", "a value is not a mapping"),
            ("{value: 2}", "{value: 2, errors: 5}", "errors is not a list"),
            ("{name: y, units: pb}", "{units: pb}", "has no name in its header"),
        ],
    )
    def test_faults_are_sentences(self, tmp_path: Path, old: str, new: str, words: str) -> None:
        with pytest.raises(OutputMissingError, match=words):
            read(tmp_path / "t.yaml", TABLE.replace(old, new))


class TestUhi:
    def document(self, **more: object) -> str:
        plain = {"uhi_schema": 1, "axes": [{"type": "boolean"}]}
        return json.dumps(plain | {"storage": {"type": "int", "values": [1, 2]}} | more)

    def test_means_are_tables(self, tmp_path: Path) -> None:
        storage = {"type": "mean", "counts": [1, 2], "values": [3, 4], "variances": [5, 6]}
        found = table(read(tmp_path / "m.json", self.document(storage=storage)), "m")
        assert (found.class_name, found.columns) == ("UHI mean", ("count", "value", "variance"))
        assert column(found, "variance") == [0, 5, 6, 0]

    def test_integers_and_words_are_told_apart(self, tmp_path: Path) -> None:
        made = [
            Histogram(name, (Axis.categories(labels),), np.arange(4.0))
            for name, labels in (("integers", ("1", "2")), ("words", ('"1"', '"2"')))
        ]
        write_histograms(tmp_path / "a.json", made)
        document = json.loads((tmp_path / "a.json").read_text())
        assert document["integers"]["axes"][0]["categories"] == [1, 2]
        back = read_objects(tmp_path / "a.json")
        assert all(content_hash(back[one.name]) == content_hash(one) for one in made)

    def test_a_field_that_is_not_known_is_compared_by_bytes(self, tmp_path: Path) -> None:
        objects = read(tmp_path / "a.json", self.document(new=float("nan")))
        assert objects.unread["a"].reason == "UHI field 'new'"
        assert compare(objects, objects, [], TODAY).reproduced
        other = read(tmp_path / "a.json", self.document(new=5))
        assert not compare(other, objects, [], TODAY).reproduced

    @pytest.mark.parametrize(
        "storage",
        [
            {"type": "int", "index": [[0, 0]], "values": [1, 2]},
            {"type": "int", "index": [[0, -1]], "values": [1, 2]},
            {"type": "int", "index": [[0, 0.5]], "values": [1, 2]},
            {"type": "int", "index": [[0]], "values": [1, 2]},
            None,
            {"type": "int", "values": [{}, 1]},
        ],
    )
    def test_faults_are_sentences(self, tmp_path: Path, storage: object) -> None:
        with pytest.raises(OutputMissingError) as error:
            read(tmp_path / "a.json", self.document(storage=storage))
        assert not any(word in error.value.message for word in ("NoneType", "dict", "float()"))


def test_lines_inside_of_quotes_are_no_remarks(tmp_path: Path) -> None:
    text = 'n,x\n"a\n#b",1\n'
    assert table(read(tmp_path / "t.csv", text), "t").rows == ("a\n#b",)
