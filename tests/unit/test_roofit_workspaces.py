"""Variables of a RooWorkspace: every number as ROOT gives it; the rest is known by its bytes."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from reprun.compare import Comparison, Verdict, compare
from reprun.compare.rules import parse_rule
from reprun.histograms import Objects, Table, read_objects
from reprun.histograms.root.keys import newest_keys, object_bytes
from tests.compare_support import TODAY
from tests.hostile_files import key, root_file

DATA = Path(__file__).parents[1] / "data"
FILE = DATA / "root_workspace.root"
ANSWERS: dict[str, float] = json.loads((DATA / "root_workspace.json").read_text())
ONE = newest_keys(FILE.read_bytes())["w"]
PAYLOAD = object_bytes(FILE.read_bytes(), ONE)


def numbers(objects: Objects) -> dict[str, float]:
    found = objects["w variables"]
    assert isinstance(found, Table)
    return dict(zip(found.rows, found.values[:, 0].tolist(), strict=True))


def stored(directory: Path, payload: bytes) -> Objects:
    """Return what is read of a file with a workspace of these bytes."""
    size = len(payload)
    head = key("w", "RooWorkspace", size=size, length=size, key_length=ONE.header)
    path = directory / "w.root"
    path.write_bytes(root_file([head], payload))
    return read_objects(path)


def compared(one: Objects, other: Objects, *rules: str) -> Comparison:
    return compare(one, other, [parse_rule(rule) for rule in rules], TODAY)


def test_every_number_is_as_root_gives_it() -> None:
    found = read_objects(FILE)
    values = numbers(found)
    snapshot = {name for name in values if "#2" in name}
    assert {name: values[name] for name in values.keys() - snapshot} == ANSWERS
    assert {name.replace("#2", "") for name in snapshot} == {
        name for name in ANSWERS if name.startswith(("mean", "sigma"))
    }
    assert all(values[name] == values[name.replace("#2", "")] for name in snapshot)
    assert found["w variables"].facts == {
        "unit of m": "GeV", "unit of mean": "GeV", "unit of mean#2": "GeV",
    }  # fmt: skip
    assert found.unread["w"].parts.keys() == {"bytes"}


def test_a_workspace_is_the_same_as_itself() -> None:
    counts = compared(read_objects(FILE), read_objects(FILE)).counts
    assert counts == {Verdict.IDENTICAL: len(read_objects(FILE).names)}


def test_one_that_was_made_anew_passes_by_its_variables_alone(tmp_path: Path) -> None:
    """Its identifier and the unique numbers in it differ each time."""
    uuid = PAYLOAD.index(b"\x01w") + 20
    anew = stored(tmp_path, PAYLOAD[:uuid] + bytes([PAYLOAD[uuid] ^ 1]) + PAYLOAD[uuid + 1 :])
    one = stored(tmp_path, PAYLOAD)
    found = {item.name: item.verdict for item in compared(one, anew).items}
    assert found == {"w": Verdict.NOT_COMPARABLE, "w variables": Verdict.IDENTICAL}
    reason = "match=w,kind=ignore,reason=made anew"
    assert compared(one, anew, reason).reproduced


def test_a_variable_that_differs_is_named_and_takes_a_tolerance(tmp_path: Path) -> None:
    value = struct.pack(">d", 50.0)  # of nbkg alone
    assert PAYLOAD.count(value) == 1
    one = stored(tmp_path, PAYLOAD)
    other = stored(tmp_path, PAYLOAD.replace(value, struct.pack(">d", 50.5)))
    ignored = "match=w,kind=ignore,reason=made anew"
    (item,) = compared(one, other, ignored).items
    assert item.headline == "nbkg, value is 50, reference 50.5"
    near = "match=w variables,kind=float,relative=0.02,reason=the minimiser"
    assert compared(one, other, ignored, near).reproduced


def test_one_that_is_written_otherwise_is_known_by_its_bytes(tmp_path: Path) -> None:
    place = PAYLOAD.index(b"RooRealVar\x00") + len(b"RooRealVar\x00") + 5
    assert PAYLOAD[place] == 10  # the version of RooRealVar
    found = stored(tmp_path, PAYLOAD[:place] + b"\x0b" + PAYLOAD[place + 1 :])
    assert not found.by_name
    assert set(found.unread) == {"w"}
    assert found.unread["w"].parts.keys() == {"bytes"}


@pytest.mark.slow
def test_whatever_byte_is_changed_is_noticed(tmp_path: Path) -> None:
    reference = stored(tmp_path, PAYLOAD)
    changed: set[str] = set()
    for place in range(0, len(PAYLOAD), 3):  # every number has eight
        damaged = bytearray(PAYLOAD)
        damaged[place] ^= 1
        found = stored(tmp_path, bytes(damaged))
        assert found.unread["w"].parts != reference.unread["w"].parts
        if "w variables" in found and numbers(found).keys() == numbers(reference).keys():
            now, before = numbers(found), numbers(reference)
            changed |= {name for name in now if now[name] != before[name]}
    assert changed == set(numbers(reference))
