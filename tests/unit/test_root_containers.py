"""What is in lists, folders, stacks and canvases of a ROOT file is compared like all else."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reprun.bounded import limits
from reprun.compare import Verdict, compare
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import Objects, content_hash, read_objects
from reprun.histograms.root import containers
from tests.compare_support import TODAY
from tests.hostile_files import key, root_file

FILE = Path(__file__).parents[1] / "data" / "root_containers.root"
LISTED = {
    "plain": "TH1D", "plain#2": "TH1D", "words": "TH1D", "more": "TH1D", "mean": "TProfile",
    "turn_on": "TEfficiency", "turn_off": "TEfficiency", "points": "TGraphErrors", "plane": "TH2F",
    "inner/deep": "TH1D",
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Objects:
    return read_objects(FILE)


def below(found: Objects, name: str) -> dict[str, str]:
    """Return the classes of all decoded objects in a container."""
    return {
        each.removeprefix(f"{name}/"): one.class_name
        for each, one in found.items()
        if each.startswith(f"{name}/")
    }


@pytest.mark.parametrize("name", ["list", "hashed", "array"])
def test_a_list_holds_objects_of_its_own(found: Objects, name: str) -> None:
    assert below(found, name) == LISTED
    unread = {each: one.reason for each, one in found.unread.items() if each.startswith(name)}
    assert unread == {
        name: {"list": "TList", "hashed": "THashList", "array": "TObjArray"}[name],
        f"{name}/inner": "TList",
        f"{name}/curve": "TF1",
        f"{name}/11": "TObjString",
    }
    assert found[f"{name}/plain"].values.tolist() == [0, 1, 2, 0, 1]
    assert found[f"{name}/plain#2"].values.tolist() == [0, 0, 1, 2, 1]
    assert found[f"{name}/words"].axes[0].labels == ("all", "trigger")


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("folder", {"pt": "TH1D", "muons/eta": "TH1D"}),
        ("stack", {"signal": "TH1D", "background": "TH1D"}),
        ("graphs", {"data": "TGraphErrors", "model": "TGraphErrors"}),
        ("mapping", {"signal": "TH1D"}),
        ("canvas", {"1/drawn": "TH1D", "2/ratio": "TGraphErrors"}),
    ],
)
def test_so_does_every_other_container(found: Objects, name: str, held: dict[str, str]) -> None:
    assert below(found, name) == held


def test_a_profile_after_others_is_read_as_if_it_were_alone(found: Objects) -> None:
    hashes = {content_hash(found[f"{name}/mean"]) for name in ("list", "hashed", "array")}
    assert len(hashes) == 1
    assert found["list/mean"].values[1].tolist() == [1, 4, 16]


def test_a_rule_names_what_is_in_a_list(found: Objects) -> None:
    other = replace(found["stack/background"], values=found["stack/signal"].values * 2)
    rule = ComparisonRule(match="stack/back*", kind="ignore", reason="not simulated again")
    changed = Objects({**found.by_name, "stack/background": other}, found.unread)
    assert not compare(changed, found, [], TODAY).reproduced
    comparison = compare(changed, found, [rule], TODAY)
    assert comparison.reproduced
    assert [each.name for each in comparison.ignored] == ["stack/background"]


# -- by hand ------------------------------------------------------------------------------------


def counted(data: bytes) -> bytes:
    return struct.pack(">I", 0x40000000 | len(data)) + data


def strings(*texts: str) -> bytes:
    return b"".join(bytes([len(text)]) + text.encode() for text in texts)


OBJECT = struct.pack(">HII", 1, 0, 0)


def listing(*pointed: bytes, name: str = "") -> bytes:
    """Return a TList of objects behind pointers."""
    held = b"".join(each + b"\0" for each in pointed)
    number = struct.pack(">i", len(pointed))
    return counted(struct.pack(">H", 5) + OBJECT + strings(name) + number + held)


def pointed(class_name: str, data: bytes) -> bytes:
    return counted(b"\xff" * 4 + class_name.encode() + b"\0" + data)


def named(name: str, more: bytes = b"") -> bytes:
    """Return an object of a class that nobody knows, derived from TNamed."""
    base = counted(struct.pack(">H", 1) + OBJECT + strings(name, "its title"))
    return pointed("Mine", counted(struct.pack(">H", 3) + base + more))


def read(path: Path, payload: bytes) -> Objects:
    size = len(payload)
    path.write_bytes(root_file([key("l", "TList", size=size, length=size)], payload))
    return read_objects(path)


def test_what_cannot_be_decoded_is_named_and_counts(tmp_path: Path) -> None:
    def made(more: bytes) -> Objects:
        return read(tmp_path / "a.root", listing(named("one"), named("two", more)))

    before, same, other = made(b"x"), made(b"x"), made(b"y")
    assert before.unread.keys() == {"l", "l/one", "l/two"}
    assert compare(same, before, [], TODAY).reproduced
    (item,) = compare(other, before, [], TODAY).failures
    assert (item.name, item.verdict) == ("l/two", Verdict.NOT_COMPARABLE)
    assert item.headline == "cannot be compared by this version (Mine); its stored bytes differ"


def test_objects_in_another_order_are_another_list(tmp_path: Path) -> None:
    one = read(tmp_path / "a.root", listing(named("one"), named("two")))
    other = read(tmp_path / "b.root", listing(named("two"), named("one")))
    (item,) = compare(other, one, [], TODAY).failures
    assert (item.name, item.headline) == ("l", f"differs in {containers.MEMBERS}")


def test_a_list_in_an_unnamed_list_has_its_place_as_name(tmp_path: Path) -> None:
    found = read(tmp_path / "a.root", listing(named(""), pointed("TList", listing(named("x")))))
    assert found.unread.keys() == {"l", "l/1", "l/2", "l/2/x"}


def test_two_objects_of_one_path_are_not_compared(tmp_path: Path) -> None:
    payload = listing(named("one"))
    size = len(payload)
    keys = [key("l", "TList", size=size, length=size), key("l/one", size=0, length=0)]
    (tmp_path / "a.root").write_bytes(root_file(keys, payload))
    found = read_objects(tmp_path / "a.root")
    assert str(found.unread["l/one"]) == "Mine: two objects have this path"
    assert not compare(found, found, [], TODAY).reproduced


def test_what_is_before_an_object_does_not_count_in_its_digest(tmp_path: Path) -> None:
    """Classes are named where they are first used, and found by how far that is from the start."""

    def made(title: str) -> Objects:
        twice = pointed("Inner", b"one") + counted(b"REF!" + b"two")
        payload = listing(named(title), pointed("Outer", counted(b"\0\1" + twice)))
        place = payload.index(b"\xff\xff\xff\xffInner") + len(key("l", "TList")) + 2
        tag = struct.pack(">I", 0x80000000 | place)
        return read(tmp_path / "a.root", payload.replace(b"REF!", tag))

    one, other = made("short"), made("much longer")
    assert one.unread["l/2"] == other.unread["l/2"]


def deep(levels: int) -> bytes:
    found = listing()
    for _ in range(levels):
        found = listing(pointed("TList", found))
    return found


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (lambda: deep(120), "its objects are more than 100 levels deep"),
        (lambda: listing(named("x" * 200), *[named("y")] * 9), "more than 5 objects"),
        (lambda: deep(60), ""),
    ],
)
def test_a_list_asks_for_no_more_than_limits_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, payload: Callable[[], bytes], fault: str
) -> None:
    if "objects" in fault and "5" in fault:
        monkeypatch.setattr(limits, "ROOT_MEMBERS", replace(limits.ROOT_MEMBERS, value=5))
    found = read(tmp_path / "a.root", payload())
    assert fault in found.unread["l"].fault
    assert compare(found, found, [], TODAY).reproduced
