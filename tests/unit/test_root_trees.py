"""Trees are known by the values of their branches, however they are stored."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from reprun.compare import Verdict, compare
from reprun.histograms import Objects, read_objects
from tests.real_data import shared_data

TODAY = dt.date(2026, 1, 1)
KINDS = {"x": np.dtype("f8"), "n": np.dtype("i4"), "jets": "var * float32"}
LISTS = [[1.5, 2.5], [], [3.5], [], [4.5, 5.5, 6.5]]


def jets(lists: Any) -> Any:
    return ak.values_astype(ak.Array(lists), "float32")


def values() -> dict[str, Any]:
    return {
        "x": np.array([1.0, -0.0, np.nan, np.inf, 5.0]),
        "n": np.arange(5, dtype="i4"),
        "jets": jets(LISTS),
    }


def tree(path: Path, *parts: dict[str, Any], **options: Any) -> Objects:
    with uproot.recreate(path, **options) as file:
        made = file.mktree("events", KINDS)
        for part in parts:
            made.extend(part)
    return read_objects(path)


def differing(one: Objects, other: Objects) -> str:
    (item,) = compare(one, other, [], TODAY).items
    return item.headline


@pytest.fixture
def whole(tmp_path: Path) -> Objects:
    return tree(tmp_path / "a.root", values())


def test_baskets_and_compression_are_no_content(tmp_path: Path, whole: Objects) -> None:
    halves = [{name: array[part] for name, array in values().items()}
              for part in (slice(0, 2), slice(2, 5))]  # fmt: skip
    for number, options in enumerate(({}, {"compression": None}, {"compression": uproot.LZMA(1)})):
        parts = tree(tmp_path / f"{number}.root", *halves, **options)
        assert compare(parts, whole, [], TODAY).reproduced
    assert whole.unread["events"].parts.keys() == {"x", "n", "jets", "njets", "number of entries"}


@pytest.mark.parametrize(
    ("name", "changed", "seen"),
    [
        (
            "x",
            [1.0, 0.0, np.nan, np.inf, 5.000000000000001],
            "entry 4: x 5.0000000000000009 / 5",
        ),
        ("x", [1.0, 0.0, 2.0, np.inf, 5.0], "entry 2: x 2 / nan"),
        ("n", [0, 1, 2, 4, 3], "entry 3: n 4 / 3"),
        ("jets", [*LISTS[:4], [4.5, 5.5, 6.25]], "entry 4: jets[2] 6.25 / 6.5"),
        ("jets", [[1.5], [2.5], *LISTS[2:]], "entry 0: njets 1 / 2"),
    ],
)
def test_the_value_that_differs_is_named(
    tmp_path: Path, whole: Objects, name: str, changed: Any, seen: str
) -> None:
    array = jets(changed) if name == "jets" else np.array(changed, values()[name].dtype)
    other = tree(tmp_path / "b.root", {**values(), name: array})
    assert differing(other, whole) == f"differs in {seen}"


def test_a_zero_and_a_nan_are_those_of_the_content_hash(tmp_path: Path, whole: Objects) -> None:
    x = np.array([1.0, 0.0, np.nan, np.inf, 5.0])
    x[2] = np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf8\xff", "<f8")[0]
    assert compare(tree(tmp_path / "b.root", {**values(), "x": x}), whole, [], TODAY).reproduced


def test_events_more_or_less_are_seen(tmp_path: Path, whole: Objects) -> None:
    fewer = {name: array[:4] for name, array in values().items()}
    assert differing(tree(tmp_path / "b.root", fewer), whole) == "has 4 entries, reference 5"


def test_a_branch_that_is_not_decoded_is_known_by_its_bytes(
    whole: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("this type")

    monkeypatch.setattr(uproot.TBranch, "array", refuse)
    unknown = read_objects(tmp_path / "a.root")
    parts = [{name: array[part] for name, array in values().items()}
             for part in (slice(0, 2), slice(2, 5))]  # fmt: skip
    assert compare(unknown, tree(tmp_path / "b.root", *parts), [], TODAY).reproduced
    other = tree(tmp_path / "c.root", {**values(), "n": np.arange(1, 6, dtype="i4")})
    assert differing(other, unknown) == (
        "cannot be compared by this version in n (stored bytes), which differ"
    )


def test_a_field_that_is_not_decoded_is_never_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("events", {"x": np.arange(5.0)})

    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("this type")

    monkeypatch.setattr(uproot.behaviors.RNTuple.HasFields, "arrays", refuse)
    unknown = read_objects(tmp_path / "a.root")
    assert not unknown.unread["events"].parts
    assert differing(unknown, unknown) == (
        "cannot be compared by this version (ROOT::RNTuple: field x of double)"
    )


def test_a_real_tree_is_known_by_all_its_branches() -> None:
    found = read_objects(shared_data() / "lhcb-b2hhh" / "PhaseSpaceSimulation.root")
    (events,) = found.unread.values()
    assert len(events.parts) == 27
    assert compare(found, found, [], TODAY).reproduced


def test_a_branch_whose_writer_does_not_count_its_bytes_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CMS's own NanoAOD of 2015 says of nearly all its branches that they have no byte."""
    paths = [tmp_path / name for name in ("one.root", "other.root")]
    for path, last in zip(paths, (2.0, 3.0), strict=True):
        with uproot.recreate(path) as file:
            file.mktree("events", {"x": "f8"})
            file["events"].extend({"x": np.array([1.0, last])})
    monkeypatch.setattr(uproot.TBranch, "uncompressed_bytes", property(lambda _: 0))
    one, other = (read_objects(path) for path in paths)
    assert set(one.unread["events"].parts) == {"x", "number of entries"}
    (item,) = compare(one, other, (), TODAY).items
    assert item.verdict is Verdict.DIFFERENT
