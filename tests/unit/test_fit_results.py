"""Results of fits with RooFit: every number as ROOT gives it, and each of them counts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from reprun.compare import Verdict, compare
from reprun.histograms import Objects, Table, read_objects
from reprun.histograms.root.keys import newest_keys, object_bytes
from tests.compare_support import TODAY
from tests.hostile_files import key, root_file

DATA = Path(__file__).parents[1] / "data"
FILE = DATA / "root_fit.root"
ANSWERS = json.loads((DATA / "root_fit.json").read_text())
EACH = pytest.mark.parametrize("name", ANSWERS)


def numbers(objects: Objects, name: str) -> dict[str, float]:
    found = objects[name]
    assert isinstance(found, Table)
    return dict(zip(found.rows, found.values[:, 0].tolist(), strict=True))


@EACH
def test_every_number_is_as_root_gives_it(name: str) -> None:
    found = numbers(read_objects(FILE), name)
    assert set(found) == set(ANSWERS[name])
    for called, value in ANSWERS[name].items():
        # Some ROOT computes from others when asked: the last digit may differ.
        assert math.isclose(found[called], value, rel_tol=1e-12, abs_tol=1e-300), called


def test_a_difference_names_the_number() -> None:
    objects = read_objects(FILE)
    one, other = (Objects({"fit": objects[name]}) for name in ANSWERS)
    item = compare(one, one, [], TODAY).items[0]
    assert (item.verdict, item.about.class_name) == (Verdict.IDENTICAL, "RooFitResult")
    assert not compare(one, other, [], TODAY).reproduced
    assert objects["fit"].facts == {"unit of mean": "GeV"}


@pytest.mark.slow
@EACH
def test_every_number_comes_from_its_bytes_and_damage_is_noticed(tmp_path: Path, name: str) -> None:
    """Whatever byte is changed, what is read is the fit, or another one, or not decoded."""
    data = FILE.read_bytes()
    one = newest_keys(data)[name]
    payload = object_bytes(data, one)
    path = tmp_path / "x.root"
    reference = numbers(read_objects(FILE), name)
    changed: set[str] = set()
    for place in range(len(payload)):
        damaged = bytearray(payload)
        damaged[place] ^= 1
        size = len(damaged)
        head = key("x", "RooFitResult", size=size, length=size, key_length=one.header)
        path.write_bytes(root_file([head], bytes(damaged)))
        found = read_objects(path)
        if "x" in found.unread:
            assert found.unread["x"].parts
            continue
        now = numbers(found, "x")
        if now.keys() == reference.keys():
            changed |= {called for called in now if now[called] != reference[called]}
    assert changed == set(reference)


def test_another_version_is_known_by_its_bytes(tmp_path: Path) -> None:
    data = FILE.read_bytes()
    one = newest_keys(data)["fit"]
    payload = bytearray(object_bytes(data, one))
    payload[5] = 6
    size = len(payload)
    head = key("x", "RooFitResult", size=size, length=size, key_length=one.header)
    path = tmp_path / "x.root"
    path.write_bytes(root_file([head], bytes(payload)))
    assert read_objects(path).unread["x"].parts.keys() == {"bytes"}
