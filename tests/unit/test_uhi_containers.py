"""UHI in zip, HDF5 and RNTuples, as uhi writes it, is what UHI JSON is; the rest is listed."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uhi.io._rntuple
import uhi.io.hdf5
import uhi.io.json
import uhi.io.uproot
import uhi.io.zip
import uproot

from reprun.bounded import limits
from reprun.compare import Verdict, compare
from reprun.errors import OutputMissingError
from reprun.histograms import Objects, read_objects
from tests.compare_support import TODAY

AXIS = {
    "type": "regular", "lower": 0.0, "upper": 3.0, "bins": 3,
    "underflow": True, "overflow": True, "circular": False, "metadata": {"label": "m [GeV]"},
}  # fmt: skip
EDGES = AXIS | {"type": "variable", "edges": np.array([0.0, 1.0, 4.0])}
for key in ("lower", "upper", "bins"):
    del EDGES[key]
WORDS = {"type": "category_str", "categories": ["e", "mu"], "flow": False}
FIVE = np.arange(5.0)
HISTOGRAMS: dict[str, Any] = {
    "plain": {
        "uhi_schema": 1, "axes": [AXIS], "storage": {"type": "double", "values": FIVE},
        "metadata": {"cut": "tight"}, "writer_info": {"hist": {"version": "2"}},
    },
    "counts": {
        "uhi_schema": 1, "axes": [AXIS],
        "storage": {"type": "int", "values": np.arange(5, dtype=np.int64)},
    },
    "weighted": {
        "uhi_schema": 1, "axes": [EDGES, WORDS],
        "storage": {"type": "weighted", "values": np.arange(8.0).reshape(4, 2),
                    "variances": np.arange(8.0).reshape(4, 2)},
    },
    "mean": {
        "uhi_schema": 1, "axes": [AXIS],
        "storage": {"type": "mean", "counts": FIVE, "values": FIVE + 1, "variances": FIVE + 2},
    },
    "weighted mean": {
        "uhi_schema": 1, "axes": [AXIS],
        "storage": {"type": "weighted_mean", "sum_of_weights": FIVE, "values": FIVE + 1,
                    "sum_of_weights_squared": FIVE, "variances": FIVE + 2},
    },
    "sparse": {
        "uhi_schema": 1, "axes": [AXIS],
        "storage": {"type": "int", "index": np.array([[0, 2]]), "values": np.array([7, 8])},
    },
}  # fmt: skip


def write_json(path: Path, histograms: dict[str, Any]) -> None:
    path.write_text(json.dumps(histograms, default=uhi.io.json.default))


def write_zip(path: Path, histograms: dict[str, Any]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, one in histograms.items():
            uhi.io.zip.write(archive, name, one)


def write_hdf5(path: Path, histograms: dict[str, Any]) -> None:
    with h5py.File(path, "w") as file:
        for name, one in histograms.items():
            uhi.io.hdf5.write(file.create_group(name), one)


def write_root(path: Path, histograms: dict[str, Any]) -> None:
    with uproot.recreate(path) as file:
        for name, one in histograms.items():
            uhi.io.uproot.write(file, name, one)


CONTAINERS: dict[str, Callable[[Path, dict[str, Any]], None]] = {
    ".zip": write_zip,
    ".h5": write_hdf5,
    ".root": write_root,
}
EACH = pytest.mark.parametrize("suffix", CONTAINERS)


def verdicts(one: Objects, other: Objects) -> dict[str, Verdict]:
    return {item.name: item.verdict for item in compare(one, other, (), TODAY).items}


@EACH
def test_a_container_holds_what_json_holds(tmp_path: Path, suffix: str) -> None:
    write_json(tmp_path / "x.json", HISTOGRAMS)
    CONTAINERS[suffix](tmp_path / f"x{suffix}", HISTOGRAMS)
    found = read_objects(tmp_path / f"x{suffix}")
    assert found.unread == {}
    assert verdicts(found, read_objects(tmp_path / "x.json")) == dict.fromkeys(
        HISTOGRAMS, Verdict.IDENTICAL
    )


@EACH
@pytest.mark.parametrize("name", HISTOGRAMS)
def test_every_array_and_attribute_of_a_container_counts(
    tmp_path: Path, suffix: str, name: str
) -> None:
    write, path = CONTAINERS[suffix], tmp_path / f"x{suffix}"
    write(path, {"h": HISTOGRAMS[name]})
    reference = read_objects(path)
    for part in ("storage", "axis"):
        whole = HISTOGRAMS[name]
        held = whole["storage"] if part == "storage" else whole["axes"][0]
        for field in held.keys() - {"type", "metadata", "bins", "categories"}:
            value = held[field]
            changed = (
                (not value)
                if isinstance(value, bool)
                else value
                + (np.arange(np.size(value)).reshape(np.shape(value)) == np.size(value) - 1)
            )
            made = {**held, field: changed}
            made = {**whole, "storage": made} if part == "storage" else {
                **whole, "axes": [made, *whole["axes"][1:]]}  # fmt: skip
            write(path, {"h": made})
            try:
                assert not compare(read_objects(path), reference, (), TODAY).reproduced, field
            except OutputMissingError:
                continue


def test_empty_bins_of_a_sparse_weighted_mean_have_no_variance(tmp_path: Path) -> None:
    """A dense storage has NaN there, and the sparse form of it leaves them out."""
    dense = HISTOGRAMS["weighted mean"] | {
        "storage": {
            "type": "weighted_mean", "sum_of_weights": np.array([0, 1.0, 0, 0, 0]),
            "sum_of_weights_squared": np.array([0, 1.0, 0, 0, 0]),
            "values": np.array([0, 2.0, 0, 0, 0]),
            "variances": np.array([np.nan, 3.0, np.nan, np.nan, np.nan]),
        }
    }  # fmt: skip
    from uhi.io import to_sparse  # noqa: PLC0415

    write_zip(tmp_path / "dense.zip", {"h": dense})
    write_zip(tmp_path / "sparse.zip", {"h": to_sparse(dense)})
    one, other = (read_objects(tmp_path / f"{name}.zip") for name in ("dense", "sparse"))
    assert verdicts(one, other) == {"h": Verdict.IDENTICAL}


def test_histograms_trees_and_ntuples_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.root"
    with uproot.recreate(path) as file:
        uhi.io.uproot.write(file, "sub/h", HISTOGRAMS["weighted"])
        file["plain"] = np.histogram([0.5], bins=3)
        file.mkrntuple("events", {"run": np.arange(3), "pt": np.arange(3.0)})
    found = read_objects(path)
    assert {name: thing.class_name for name, thing in found.items()} == {
        "sub/h": "TH2D", "plain": "TH1D",
    }  # fmt: skip
    assert found.unread["events"].is_tree
    uhi_json = tmp_path / "x.json"
    write_json(uhi_json, {"sub/h": HISTOGRAMS["weighted"]})
    assert verdicts(found.only(["sub/h"]), read_objects(uhi_json)) == {"sub/h": Verdict.IDENTICAL}


@pytest.mark.parametrize(
    "change",
    [
        {"era": np.array([2])},
        {"uhi": ["no JSON"]},
        {"uhi": ['{"uhi_schema": 1}']},
        {"uhi": ['{"uhi_schema": 1, "axes": [], "storage": {"type": "double", "values": "no"}}']},
        {"uhi": ["[" * 1000]},
        {"values": np.array([1.0])},
        {"values": [[1.0, 2.0]]},
        {"values": [["a", "b", "c", "d", "e"]]},
    ],
)
def test_what_is_not_quite_a_histogram_is_compared_as_events(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    text, arrays = uhi.io._rntuple.to_fields(HISTOGRAMS["plain"])
    data = {"uhi": [text], **{name: [array] for name, array in arrays.items()}} | change
    sides = []
    for first in ("a", "b"):
        with uproot.recreate(tmp_path / "x.root") as file:
            file.mkrntuple(first, {"x": np.arange(3)})
            file.mkrntuple("h", {name: ak.Array(values) for name, values in data.items()})
        sides.append(read_objects(tmp_path / "x.root").only(["h"]))
    assert sides[0].unread["h"].is_tree
    assert verdicts(*sides) == {"h": Verdict.IDENTICAL}


def test_a_field_that_no_histogram_has_counts(tmp_path: Path) -> None:
    text, arrays = uhi.io._rntuple.to_fields(HISTOGRAMS["plain"])
    data = {"uhi": ak.Array([text]), **{name: ak.Array([each]) for name, each in arrays.items()}}
    sides = []
    for era in (1, 2):
        with uproot.recreate(tmp_path / "x.root") as file:
            file.mkrntuple("h", {**data, "era": np.array([era])})
        sides.append(read_objects(tmp_path / "x.root"))
    assert verdicts(*sides) == {"h": Verdict.DIFFERENT}


# -- what else is in a container ------------------------------------------------------------------


def test_other_members_of_a_zip_are_known_by_their_bytes(tmp_path: Path) -> None:
    sides = []
    for text in ("one", "two"):
        write_zip(tmp_path / "x.zip", {"h": HISTOGRAMS["plain"]})
        with zipfile.ZipFile(tmp_path / "x.zip", "a") as archive:
            archive.writestr("notes.txt", text)
        sides.append(read_objects(tmp_path / "x.zip"))
    assert verdicts(sides[0], sides[0])["notes.txt"] is Verdict.IDENTICAL
    assert verdicts(*sides)["notes.txt"] is Verdict.NOT_COMPARABLE


@pytest.mark.parametrize(
    "change",
    [
        lambda file, n: file.create_dataset("other", data=[n]),
        lambda file, n: file.attrs.__setitem__("era", n),
        lambda file, n: file["h"].create_dataset("scale", data=[n]),
        lambda file, n: file["h"].attrs.__setitem__("era", n),
    ],
)
def test_what_else_is_in_an_hdf5_file_counts(tmp_path: Path, change: Any) -> None:
    sides = []
    for n in (1, 2):
        write_hdf5(tmp_path / "x.h5", {"h": HISTOGRAMS["plain"]})
        with h5py.File(tmp_path / "x.h5", "a") as file:
            change(file, n)
        sides.append(read_objects(tmp_path / "x.h5"))
    assert compare(sides[0], sides[0], (), TODAY).reproduced
    assert not compare(sides[0], sides[1], (), TODAY).reproduced


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file["h/metadata"].create_group("x"), "more than attributes"),
        (lambda file: file["h/storage/values"].attrs.update(x=1), "has attributes"),
        (lambda file: file["h/ref_axes"].attrs.update(x=1), "has attributes"),
        (lambda file: file["h"].create_group("x"), "is no part of a histogram"),
        (lambda file: file.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")), "is a link"),
        (lambda file: file.__setitem__("x", h5py.SoftLink("/h")), "is a link"),
        (lambda file: file.__setitem__("x", file["h"]), "hold one another"),
        (lambda file: file.create_group("x").__setitem__("y", file["x"]), "hold one another"),
        (lambda file: file.__delitem__("h/storage"), "storage"),
        (lambda file: file.create_group("/".join("a" * 200)), "nested more than 100 levels"),
        (
            lambda file: file.create_dataset("x", (10**6, 10**6), "f8", chunks=(100, 100)),
            "once decompressed",
        ),
        (
            lambda file: file.create_dataset("x", (4,), "u1", external=[("/etc/passwd", 0, 4)]),
            "in another file",
        ),
    ],
)
def test_a_hostile_hdf5_file_is_refused(tmp_path: Path, change: Any, words: str) -> None:
    write_hdf5(tmp_path / "x.h5", {"h": HISTOGRAMS["plain"]})
    with h5py.File(tmp_path / "x.h5", "a") as file:
        change(file)
    with pytest.raises(OutputMissingError, match=words):
        read_objects(tmp_path / "x.h5")


def npy(array: Any, **more: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **more)
    return out.getvalue()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "no member 'h_storage_values.npy'"),
        ({"h_storage_values.npy": npy(FIVE)[:-3]}, "truncated"),
        ({"h_storage_values.npy": b"x"}, "magic"),
        ({"h_storage_values.npy": npy(np.array([{}]), allow_pickle=True)}, "not of numbers"),
        ({"h_storage_values.npy": npy(np.array([1j]))}, "not of numbers"),
        ({"h_storage_values.npy": npy(FIVE).replace(b"(5,)", b"(9,)")}, "truncated"),
        ({"a.json": b"{"}, "not valid JSON"),
        ({"a.json": b"[" * 1000}, "nested more than"),
    ],
)
def test_a_hostile_zip_file_is_refused(
    tmp_path: Path, members: dict[str, bytes], words: str
) -> None:
    write_zip(tmp_path / "h.zip", {"h": HISTOGRAMS["plain"]})
    with zipfile.ZipFile(tmp_path / "h.zip") as archive:
        held = archive.read("h.json")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, data in (members | {"h.json": held}).items():
            archive.writestr(name, data)
    with pytest.raises(OutputMissingError, match=words):
        read_objects(tmp_path / "x.zip")


def test_a_zip_that_grows_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FREE_GZIP", limits.Limit(1000, "bytes", "", "documents"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("h.json", b" " * 1_000_000)
    with pytest.raises(OutputMissingError, match="once decompressed"):
        read_objects(tmp_path / "x.zip")


def test_without_h5py_the_next_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.h5").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(OutputMissingError, match="h5py") as caught:
        read_objects(tmp_path / "x.h5")
    assert caught.value.hint == "pip install 'reprun[hdf5]'"
