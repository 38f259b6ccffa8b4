"""What is said to be done is on the disk: a loss of power leaves the old or the new, and whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from reprun.digests import sha256_file
from reprun.documents.record import RECORD, read_record, write_record
from reprun.files import write_atomically
from reprun.histograms import Objects, Table
from reprun.images.rootfs.sealed import check
from reprun.images.rootfs.unpack import unpacked_root
from reprun.runs.blessed import BLESSED, read_blessing
from reprun.runs.reference import bless, load_reference, write_objects
from reprun.runs.reference_log import errors_of, read_log
from reprun.store.store import Store
from tests.images_support import layered, member
from tests.power_loss import Disk, mounted_disk
from tests.unit import builders

OBJECTS = Objects({"yields": Table("yields", ("2011",), ("data",), np.array([[3.0]]), "year")})
BYTES = b"bytes of a file, more than ext4 keeps in an inode" * 1000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk that loses power."""
    with mounted_disk(tmp_path) as made:
        yield made


def test_the_disk_loses_what_nobody_waited_for(disk: Disk) -> None:
    """Without this nothing below would show anything."""
    (disk.place / "lost").write_bytes(BYTES)
    (disk.place / "lost").rename(disk.place / "renamed")
    with disk.after_a_loss() as found:
        assert [path.name for path in found.iterdir()] == ["lost+found"]
    with disk.after_a_loss(names_first=True) as found:
        assert (found / "renamed").read_bytes() != BYTES


@pytest.mark.parametrize("before", [None, b"old" * 5000])
def test_a_file_is_the_old_one_or_the_new_one(
    disk: Disk, before: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = disk.place / "deep" / "analysis.lock"
    if before is not None:
        write_atomically(target, before)
    states: list[bytes | None] = []

    def see(found: Path) -> None:
        place = found / "deep" / "analysis.lock"
        states.append(place.read_bytes() if place.exists() else None)

    disk.losing(lambda: write_atomically(target, BYTES), see, monkeypatch)
    assert set(states) == {before, BYTES}
    assert states[-2:] == [BYTES, BYTES]


def test_a_blob_is_absent_or_right(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    store, states = Store(disk.place / "store"), []

    def see(found: Path) -> None:
        blobs = [path for path in (found / "store/blobs").rglob("*") if path.is_file()]
        assert all(sha256_file(path) == f"sha256:{path.name}" for path in blobs)
        states.append(len(blobs))

    disk.losing(lambda: store.add_bytes(BYTES), see, monkeypatch)
    assert states[0] == 0
    assert states[-2:] == [1, 1]


def test_a_record_is_the_old_one_or_the_new_one(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = builders.record(analysis="old"), builders.record(analysis="new")
    write_record(old, disk.place)
    states = []

    def see(found: Path) -> None:
        record = read_record(found)
        assert record is not None, (found / RECORD).read_bytes()[:100]
        states.append(record.analysis)

    disk.losing(lambda: write_record(new, disk.place), see, monkeypatch)
    assert set(states) == {"old", "new"}
    assert states[-2:] == ["new", "new"]


@pytest.mark.parametrize("before", [None, "the first"])
def test_a_reference_is_the_old_one_or_the_new_one(
    disk: Disk, before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, record = disk.place / "analysis" / "reference", builders.record()
    if before is not None:
        bless(directory, partial(write_objects, OBJECTS), record, reason=before, author="A. Nobody")
    states: list[str | None] = []

    def see(found: Path) -> None:
        there = found / "analysis" / "reference"
        blessing = read_blessing(there) if there.exists() else None
        states.append(blessing.reason if blessing else None)
        if blessing is not None:
            assert set(load_reference(there)) == set(OBJECTS)
            assert all(sha256_file(there / name) == one for name, one in blessing.files.items())
            log = read_log(there)
            assert log is not None
            assert errors_of(log) == []
            (last,) = log.last
            assert log.entries[last].blessing == sha256_file(there / BLESSED)

    def act() -> None:
        bless(
            directory,
            partial(write_objects, OBJECTS),
            record,
            reason="the second",
            author="A. Nobody",
        )

    disk.losing(act, see, monkeypatch)
    assert set(states) == {before, "the second"}
    assert states[-2:] == ["the second", "the second"]


def test_an_unpacked_image_is_absent_or_whole(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    lower = [member("d"), member("d/f", BYTES), member("d/g", b"")]
    image, store = layered(disk.place, lower, [member("d/f", BYTES[::-1])])
    states = []

    def see(found: Path) -> None:
        home = found / "store" / "unpacked"
        whole = [*home.glob("layers/*"), *home.glob("images/*")]
        for place in whole:
            check(place, place.name, home)
        states.append(len(whole))

    disk.losing(lambda: unpacked_root(image, store), see, monkeypatch)
    assert states[0] == 0
    assert states[-1] == 1 + len(image.layers)
