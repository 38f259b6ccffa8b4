"""Every byte of an object in a ROOT file counts, or belongs to a field that is said not to."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from reprun.compare import compare
from reprun.compare.verdict import Verdict
from reprun.digests import sha256_bytes
from reprun.errors import ReprunError
from reprun.histograms import Objects, read_objects
from reprun.histograms.identity import left_out
from reprun.histograms.root.containers import COLLECTIONS, CONTAINERS, Payload, Span
from reprun.histograms.root.keys import Key, newest_keys, object_bytes, text_at
from tests.hostile_files import key, root_file

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[1] / "data"
TODAY = dt.date(2026, 1, 1)
OBJECTS = (
    *(("root_sample.root", f"sub/{name}") for name in ("plain", "weighted", "labelled", "cube")),
    *(("root_sample.root", f"sub/{name}") for name in ("profile", "heavy", "efficiency")),
    *(("root_sample.root", name) for name in ("graph", "errors", "sides", "curve")),
    *(("root_profiles.root", name) for name in ("plane", "cube", "stack", "graphs", "surface")),
)
BITS = (0x01,)
VERSION = "sizes and versions of parts"
AXIS = re.compile(r"f([XYZ])axis\.")
UNUSED = "an axis that is not used"
LISTED = "fXmin and fXmax beside fXbins"
ALLOWED = left_out("ROOT")


def written(path: Path, name: str, class_name: str, payload: bytes, key_length: int) -> Path:
    """Write a file with one uncompressed object."""
    size = len(payload)
    one = key(name, class_name, size=size, length=size, key_length=key_length)
    path.write_bytes(root_file([one], payload))
    return path


LISTS = uproot.models.TList.Model_TList, uproot.models.TObjArray.Model_TObjArray


def fields(model: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every member of what uproot decoded, by its path, as text."""
    if isinstance(model, uproot.models.TArray.Model_TArray | np.ndarray):
        yield path, sha256_bytes(np.asarray(model).tobytes())
    elif isinstance(model, uproot.model.Model):
        yield f"{path}.{VERSION}", f"{model.class_version} {model.num_bytes}"
        for name, value in model.all_members.items():
            yield from fields(value, f"{path}.{name}" if path else name)
        for base in model.bases:
            if isinstance(base, uproot.models.TArray.Model_TArray):
                yield from fields(base, f"{path}.contents" if path else "contents")
        if isinstance(model, LISTS):
            for number, each in enumerate(model):
                yield from fields(each, f"{path}[{number}]")
    else:
        yield path, str(model)


def members(path: Path) -> dict[str, str] | None:
    """Return the members of the one object of a file; None where uproot cannot decode it."""
    try:
        with uproot.open(path) as file:
            (name,) = file.keys()
            return dict(fields(file[name]))
    except Exception:  # noqa: BLE001 - whatever it is
        return None


def identical(one: Objects, path: Path) -> bool:
    try:
        items = compare(read_objects(path), one, [], TODAY).items
        return all(item.verdict is Verdict.IDENTICAL for item in items)
    except ReprunError:
        return False


@pytest.mark.parametrize(("file", "name"), OBJECTS, ids=str)
def test_every_byte_counts_or_is_of_a_field_that_is_left_out(
    tmp_path: Path, file: str, name: str
) -> None:
    data = (DATA / file).read_bytes()
    found = newest_keys(data)[name]
    payload = object_bytes(data, found)
    length = 26 + len(found.class_name) + len(name.rpartition("/")[2]) + 3
    whole = written(tmp_path / "a.root", "h", found.class_name, payload, length)
    before, known = read_objects(whole), members(whole)
    rank = next((int(letter) for letter in found.class_name if letter in "123"), 1)
    assert compare(before, before, [], TODAY).reproduced
    unseen: dict[str, list[int]] = {}
    for place in range(len(payload)):
        for bit in BITS:
            changed = bytearray(payload)
            changed[place] ^= bit
            other = written(tmp_path / "b.root", "h", found.class_name, bytes(changed), length)
            if not identical(before, other):
                continue
            now = members(other)
            # What uproot reads as before was of how the object is stored: versions, references.
            if known is None or now is None:
                unseen.setdefault(VERSION, []).append(place)
                continue
            for field in differing(known, now, rank):
                unseen.setdefault(field, []).append(place)
    missed = {field: places[:5] for field, places in unseen.items() if field not in ALLOWED}
    assert not missed, f"{sorted(missed)}: {missed}"


def differing(one: dict[str, str], other: dict[str, str], rank: int) -> set[str]:
    """Return the last names of the members that are not the same.

    Under another version, or with other sizes, all that follows is read as something else.
    """
    found = {
        _called(path, one, rank)
        for path in one.keys() | other.keys()
        if one.get(path) != other.get(path) and not _both_nan(one.get(path), other.get(path))
    }
    return {VERSION} if VERSION in found else found


def _called(path: str, one: dict[str, str], rank: int) -> str:
    """Return what a member is called in the list."""
    axis = AXIS.match(path)
    if axis and "XYZ".index(axis[1]) >= rank and not path.endswith(VERSION):
        return UNUSED
    # What is in a member that is left out is left out with it, whatever uproot makes of it there.
    parts = [part.partition("[")[0] for part in path.split(".")]
    name = next((part for part in parts if part in ALLOWED), parts[-1])
    listed = axis is not None and one[f"{axis[0]}fXbins"] != sha256_bytes(b"")
    return LISTED if listed and name in ("fXmin", "fXmax") else name


def _both_nan(one: str | None, other: str | None) -> bool:
    try:
        return math.isnan(float(str(one))) and math.isnan(float(str(other)))
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["stack", "graphs", "folder", "mapping", "few"])
def test_every_byte_of_a_container_counts_but_its_name_and_sizes(tmp_path: Path, name: str) -> None:
    """What is in the objects that it holds is of the test of their class, above."""
    data = (DATA / "root_containers.root").read_bytes()
    found = newest_keys(data)[name]
    payload = object_bytes(data, found)
    whole = written(tmp_path / "a.root", name, found.class_name, payload, found.header)
    before = read_objects(whole)
    assert compare(before, before, [], TODAY).reproduced
    places = set(range(len(payload))) - set(of_no_container(payload, found))
    assert name in before.unread
    assert len(places) > 8
    for place in places:
        changed = bytearray(payload)
        changed[place] ^= 0x01
        other = written(tmp_path / "b.root", name, found.class_name, bytes(changed), found.header)
        assert not identical(before, other), place


def of_no_container(data: bytes, found: Key) -> Iterator[int]:
    """Yield the places that are left out, and those of the objects in a container.

    Of a container they are sizes, versions, fUniqueID, fBits, fName and fTitle: all on the list.
    """
    payload = Payload(data, found.header)
    waiting = [Span(found.class_name, 0, 0, len(data))]
    for span in waiting:
        at = span.start
        while data[at] & 0x40:
            yield from range(at, at + 4)
            at += 6
        if span.class_name == "TObjString":
            continue
        if span.class_name not in CONTAINERS:
            yield from range(span.start, span.end)
            continue
        waiting += payload.pointers(span.start, span.end)
        after = text_at(data, at + 10)[1]
        if span.class_name not in COLLECTIONS:
            after = text_at(data, after)[1]
        yield from range(span.start, after)
