"""References: written whole, read back, and what differs from the run that was blessed."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprun import files
from reprun.errors import (
    NothingToCompareError,
    SpecificationError,
    StorageError,
)
from reprun.histograms import Axis, Histogram, Objects, Table, Unread, hash_of_objects
from reprun.runs import reference
from reprun.runs.blessed import Blessing, causes, read_blessing
from reprun.runs.reference import bless, load_reference, write_objects
from tests.unit import builders
from tests.unit.builders import digest

HISTOGRAM = Histogram("m4l", (Axis.regular(2, 0.0, 2.0),), np.array([0.0, 1.0, 2.0, 0.0]))
TABLE = Table("yields", ("2011",), ("data",), np.array([[3.0]]), "year")
OBJECTS = Objects({"m4l": HISTOGRAM, "yields": TABLE})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "reference"
    blessed(directory)
    return directory


def blessed(directory: Path, objects: Objects = OBJECTS) -> list[str]:
    return bless(
        directory,
        partial(write_objects, objects),
        builders.record(),
        reason="it is right",
        author="A. Nobody",
    )


def blessing(directory: Path) -> Blessing:
    found = read_blessing(directory)
    assert found is not None
    return found


def test_a_reference_comes_back_as_it_was_blessed(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "reference"
    assert blessed(directory) == ["histograms.json", "yields.csv", "blessed.json", "log.jsonl"]
    assert hash_of_objects(load_reference(directory)) == hash_of_objects(OBJECTS)
    assert [path.name for path in directory.parent.iterdir()] == ["reference"]
    assert directory.stat().st_mode & 0o777 == 0o755


NAMES = ("sub/profile", "sub_profile", "../../../out", "/etc/out", "a" * 300, "\u00fc", "..", "")


@pytest.mark.parametrize("kind", ["TProfile", "table"])
def test_no_name_in_a_file_decides_where_a_reference_is_written(tmp_path: Path, kind: str) -> None:
    """A profile is called as the step that wrote it wants."""
    directory = tmp_path / "deep" / "down" / "reference"
    tables = {
        name: replace(TABLE, name=name, class_name=kind)
        for name in NAMES
        if kind != "table" or "/" in name
    }
    blessed(directory, Objects(tables))
    found = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert {path.parent for path in found} == {Path("deep/down/reference")}
    if kind != "table":
        assert hash_of_objects(load_reference(directory)) == hash_of_objects(Objects(tables))


def test_what_no_reader_decodes_is_blessed_by_its_digests(tmp_path: Path) -> None:
    unread = {
        "canvas": Unread("TCanvas", {"bytes": digest("a")}),
        "events": Unread("TTree", {"pt": digest("b"), "number of entries": digest("c")}),
        "odd": Unread("TH1D", fault="its bytes are not in the file"),
    }
    for objects in (Objects({}, unread), Objects(OBJECTS.by_name, unread)):
        written = blessed(tmp_path / "reference", objects)
        assert "undecoded.json" in written
        assert load_reference(tmp_path / "reference").unread == unread


def test_two_files_may_hold_one_name(tmp_path: Path) -> None:
    """Objects of several files go by `file/name`: so they must stand in the reference."""
    objects = Objects({"made/m4l": HISTOGRAM, "seen/m4l": HISTOGRAM})
    blessed(tmp_path / "reference", objects)
    assert set(load_reference(tmp_path / "reference")) == {"made/m4l", "seen/m4l"}


def test_who_blessed_it_and_from_what(directory: Path) -> None:
    found = blessing(directory)
    assert (found.reason, found.author, str(found.date)) == (
        "it is right",
        "A. Nobody",
        "2026-03-01",
    )
    assert found.inputs == builders.inputs()
    assert set(found.files) == {"histograms.json", "yields.csv"}


def test_a_new_reference_replaces_the_whole_old_one(directory: Path) -> None:
    blessed(directory, Objects({"m4l": HISTOGRAM}))
    assert {path.name for path in directory.iterdir()} == {
        *("histograms.json", "blessed.json", "log.jsonl")
    }


def test_what_people_wrote_beside_it_stays(directory: Path) -> None:
    (directory / "README.md").write_text("where the numbers come from")
    blessed(directory)
    assert (directory / "README.md").read_text() == "where the numbers come from"
    assert [path.name for path in directory.parent.iterdir()] == ["reference"]


def test_the_old_reference_stays_when_the_new_one_cannot_be_written(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reference, "write_table", full)
    with pytest.raises(StorageError, match="the disk is full"):
        blessed(directory)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert list(directory.parent.iterdir()) == [directory]


def test_no_reference_is_never_a_pass(tmp_path: Path) -> None:
    for directory in (tmp_path / "none", tmp_path):
        with pytest.raises(NothingToCompareError, match="there is no reference to compare with"):
            load_reference(directory)


def test_a_blessing_alone_is_no_reference(directory: Path) -> None:
    (directory / "histograms.json").unlink()
    (directory / "yields.csv").unlink()
    with pytest.raises(NothingToCompareError):
        load_reference(directory)


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 2}', "no json"])
def test_a_blessing_that_cannot_be_read(directory: Path, text: str) -> None:
    (directory / "blessed.json").write_text(text)
    with pytest.raises(SpecificationError, match=r"blessed\.json cannot be read") as error:
        read_blessing(directory)
    assert error.value.place == f"{directory / 'blessed.json'}:1"


def test_nobody_blessed_it(directory: Path) -> None:
    (directory / "blessed.json").unlink()
    assert read_blessing(directory) is None
    assert causes(None, "columnar", builders.inputs(), directory) == [
        "this reference was never blessed: what it was made from is not known"
    ]


def test_nothing_differs(directory: Path) -> None:
    assert causes(blessing(directory), "columnar", builders.inputs(), directory) == []


CODE = dict(builders.inputs().code)
CAUSES: dict[str, tuple[dict[str, Any], str]] = {
    "image": (
        {"images": {"columnar": digest("f")}},
        f"image: columnar changed ({'1' * 12} → {'f' * 12})",
    ),
    "code": (
        {"code": CODE | {"code/x.py": digest("f")}},
        f"code: code/x.py changed ({'d' * 12} → {'f' * 12})",
    ),
    "new code": ({"code": CODE | {"z": digest("f")}}, f"code: z is new ({'f' * 12})"),
    "code gone": (
        {"code": {name: CODE[name] for name in CODE if name != "Snakefile"}},
        f"code: Snakefile is gone (was {'c' * 12})",
    ),
    "data": (
        {"datasets": {"small": {"data/a.csv": digest("f")}}},
        f"data: data/a.csv changed ({'a' * 12} → {'f' * 12})",
    ),
    "dataset": (
        {"datasets": {"large": {"data/b.csv": digest("a")}}},
        "data: the dataset is large, the blessed run's was small",
    ),
    "no dataset": ({"datasets": {}}, "data: the dataset is none, the blessed run's was small"),
    "parameter": ({"parameters": {"bins": 11, "scale": 1.5}}, "parameters: bins is 11, was 10"),
    "parameter gone": ({"parameters": {"bins": 10}}, "parameters: scale is None, was 1.5"),
}


@pytest.mark.parametrize("kind", CAUSES)
def test_every_cause_is_named_alone(kind: str, directory: Path) -> None:
    changes, said = CAUSES[kind]
    found = causes(blessing(directory), "columnar", builders.inputs(**changes), directory)
    assert found == [f"since the reference was blessed on 2026-03-01, {said}"]


def test_another_variant_is_one_cause_and_its_image_none(directory: Path) -> None:
    inputs = builders.inputs(images={"root-6.40": digest("f")})
    assert causes(blessing(directory), "root", inputs, directory) == [
        "the reference was blessed from the variant columnar"
    ]


def test_an_edited_and_a_removed_reference_file_are_causes(directory: Path) -> None:
    who = blessing(directory)
    text = json.loads((directory / "histograms.json").read_text())
    (directory / "histograms.json").write_text(json.dumps(text))
    (directory / "yields.csv").unlink()
    assert causes(who, "columnar", builders.inputs(), directory) == [
        "reference: histograms.json was edited after it was blessed on 2026-03-01",
        "reference: yields.csv was removed after it was blessed on 2026-03-01",
    ]


@pytest.mark.parametrize("number", [None, errno.EINVAL, errno.ENOSYS])
def test_old_and_new_exchange_their_names(
    directory: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    """In two steps only where the file system, as NFS, knows no other way."""
    renamed: list[str] = []
    rename = Path.rename

    def noted(path: Path, target: Path) -> Path:
        renamed.append(target.name)
        return rename(path, target)

    class Refusing:
        def __getattr__(self, name: str) -> Callable[..., int]:
            return lambda *_: -1 if name == "renameat2" else 0

    if number is not None:
        refused = number
        monkeypatch.setattr(files, "_libc", Refusing)
        monkeypatch.setattr("ctypes.get_errno", lambda: refused)
    monkeypatch.setattr(Path, "rename", noted)
    blessed(directory, Objects({"m4l": HISTOGRAM}))
    assert set(load_reference(directory)) == {"m4l"}
    assert [path.name for path in directory.parent.iterdir()] == ["reference"]
    assert renamed == ([] if number is None else ["reference.old", "reference", "reference"])


def test_what_a_kill_left_aside_is_named(directory: Path) -> None:
    directory.rename(directory.with_name("reference.old"))
    with pytest.raises(NothingToCompareError) as error:
        load_reference(directory)
    aside = directory.with_name("reference.old")
    assert error.value.hint == f"mv {aside} {directory}   # left there by a bless that was killed"
