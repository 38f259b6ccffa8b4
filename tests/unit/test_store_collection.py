"""Care of the store: rot is found and set aside, nothing in use is ever removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from reprun.digests import sha256_bytes
from reprun.errors import StorageError
from reprun.progress import Silent
from reprun.store.collection import collect, hold, register, stored, sweep, users, verify
from reprun.store.store import Store
from tests.store_support import ONE, TWO, of_a_killed_process, rot, with_two_files


@pytest.fixture
def own(tmp_path: Path) -> Store:
    """A store with two data files."""
    return with_two_files(tmp_path / "store")


def test_everything_is_right(own: Store) -> None:
    found = verify(own, stored(own), Silent(), jobs=2)
    assert (found.checked, found.size, found.corrupt, found.absent) == (2, 6, (), ())


def test_rot_goes_into_quarantine(own: Store) -> None:
    rot(own.blob_path(ONE))
    absent = sha256_bytes(b"absent")
    found = verify(own, [*stored(own), absent], Silent())
    assert found.corrupt == (ONE,)
    assert found.absent == (absent,)
    assert not own.has(ONE)
    assert own.has(TWO)
    assert (own.root / "quarantine" / ONE.removeprefix("sha256:")).read_bytes() == b"ooe"
    assert own.add_bytes(b"one") == ONE  # it comes again
    assert verify(own, stored(own), Silent()).corrupt == ()


def test_collect_keeps_what_a_document_names(own: Store, tmp_path: Path) -> None:
    lock = tmp_path / "analysis.lock"
    lock.write_text(f'{{"a": "{ONE}"}}')
    tried = collect(own, [lock], dry_run=True)
    assert tried.removed == (TWO,)
    assert own.has(TWO)
    (tmp_path / "staged").hardlink_to(own.blob_path(TWO))
    assert collect(own, [lock], dry_run=True).size == 0
    (tmp_path / "staged").unlink()
    done = collect(own, [lock])
    assert (done.removed, done.size, done.kept) == ((TWO,), tried.size, 1)
    assert own.has(ONE)
    assert not own.has(TWO)
    assert collect(own, [lock]).removed == ()


def test_collect_keeps_what_a_registered_lock_names(own: Store, tmp_path: Path) -> None:
    lock = tmp_path / "elsewhere.lock"
    lock.write_text(ONE + TWO.removeprefix("sha256:")[:0])
    register(own, lock)
    assert collect(own, []).removed == (TWO,)
    lock.unlink()
    tried = collect(own, [], dry_run=True)
    assert tried.forgotten == (str(lock),)
    assert collect(own, []).removed == (ONE,)
    assert collect(own, []).forgotten == ()


def test_images_are_never_collected(own: Store) -> None:
    image = own.add_bytes(b"a layer")
    assert collect(own, []).kept == 0
    assert own.has(image)


def test_a_lock_that_cannot_be_read_stops_the_collection(own: Store, tmp_path: Path) -> None:
    lock = tmp_path / "analysis.lock"
    lock.write_bytes(b"\xff\xfe")
    with pytest.raises(StorageError, match="nothing was removed"):
        collect(own, [lock])
    assert own.has(ONE)


def test_what_a_running_process_holds_is_kept(own: Store) -> None:
    with hold(own, [ONE]):
        assert collect(own, []).removed == (TWO,)
    assert collect(own, []).removed == (ONE,)
    assert list((own.root / "holds").iterdir()) == []


def test_what_was_left_half_way_is_swept_and_no_part_that_is_waited_for(own: Store) -> None:
    incoming = own.directory("incoming")
    (incoming / "new.part").touch()
    (incoming / of_a_killed_process()).touch()
    for name in ("old.part", "sha256-held.part"):
        (incoming / name).touch()
        long_ago = time.time() - 3 * 24 * 3600
        os.utime(incoming / name, (long_ago, long_ago))
    with own.partial("sha256:held", waiting=pytest.fail), own.incoming() as here:
        assert sweep(own) == 2
        left = {path.name for path in incoming.iterdir()}
        assert left == {"new.part", "sha256-held.part", here.path.name}


def test_gone_users_are_forgotten(own: Store, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    register(own, project)
    register(own, project)
    assert users(own) == [project]
    project.rmdir()
    assert users(own) == []
    assert collect(own, []).forgotten == (str(project),)
    assert collect(own, []).forgotten == ()
