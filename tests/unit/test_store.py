"""The store: nothing unverified, half-written or changed is ever handed out."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprun.digests import sha256_bytes, sha256_file
from reprun.errors import IntegrityError, StorageError
from reprun.files import storage_errors, write_atomically
from reprun.store import store as store_module
from reprun.store.store import FICLONE, Store
from tests.store_support import DATA, DIGEST


def spoil(path: Path, data: bytes, *, keep_time: bool = False) -> None:
    """Change a blob in place, with the time stamp kept or not."""
    status = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.write(data)
        stream.truncate()
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths of the blobs that the store has hashed."""
    paths: list[Path] = []

    def counted(path: Path) -> str:
        paths.append(path)
        return sha256_file(path)

    monkeypatch.setattr(store_module, "sha256_file", counted)
    return paths


def test_bytes_come_back_under_their_digest(own: Store) -> None:
    assert own.add_bytes(DATA) == DIGEST
    path = own.verified(DIGEST)
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o777 == 0o444
    assert own.has(DIGEST)
    assert list((own.root / "incoming").iterdir()) == []


@settings(max_examples=25, deadline=None)
@given(data=st.binary(max_size=100))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "any")
    assert store.verified(store.add_bytes(data)).read_bytes() == data


def test_a_file_is_copied_in(own: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    assert own.add_file(source, expected=DIGEST) == DIGEST
    source.unlink()
    assert own.add_file(source, expected=DIGEST) == DIGEST  # it is here: the source is not read


def test_other_bytes_than_expected_are_refused(own: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"other")
    with pytest.raises(IntegrityError, match=f"expected {DIGEST[7:19]}"):
        own.add_file(source, expected=DIGEST)
    assert not own.has(DIGEST)
    assert not own.has(sha256_bytes(b"other"))
    assert list((own.root / "incoming").iterdir()) == []


def test_absent_blob(own: Store) -> None:
    assert not own.has(DIGEST)
    with pytest.raises(StorageError, match="is not in the store"):
        own.verified(DIGEST)


@pytest.mark.parametrize(
    "damage",
    [b"some byteS", b"some byte", b"", b"some bytes."],
    ids=["flip", "cut", "empty", "more"],
)
def test_a_changed_blob_is_refused(own: Store, damage: bytes) -> None:
    own.add_bytes(DATA)
    path = own.blob_path(DIGEST)
    spoil(path, damage)
    with pytest.raises(IntegrityError, match="in the store is corrupt") as error:
        own.verified(DIGEST)
    assert error.value.place == str(path)
    assert str(error.value.hint).startswith(f"rm {path}")


def test_rot_that_keeps_size_and_time_is_found_by_a_full_verification(own: Store) -> None:
    own.add_bytes(DATA)
    spoil(own.blob_path(DIGEST), b"some byteS", keep_time=True)
    own.verified(DIGEST)  # trusted by its stamp, as the module says
    with pytest.raises(IntegrityError):
        own.verify(DIGEST)


def test_a_stamped_blob_is_not_hashed_again(own: Store, hashed: list[Path]) -> None:
    own.add_bytes(DATA)
    own.verified(DIGEST)
    own.verified(DIGEST)
    assert hashed == []


@pytest.mark.parametrize("stamp", ["", "{}", "[1, 2, 3]", "no json", None])
def test_a_stamp_that_does_not_fit_means_hashing_once(
    own: Store, hashed: list[Path], stamp: str | None
) -> None:
    own.add_bytes(DATA)
    path = own.root / "stamps" / DIGEST.removeprefix("sha256:")
    if stamp is None:
        path.unlink()
    else:
        path.write_text(stamp)
    own.verified(DIGEST)
    own.verified(DIGEST)
    assert hashed == [own.blob_path(DIGEST)]


def test_a_stamp_holds_size_time_and_inode(own: Store) -> None:
    own.add_bytes(DATA)
    status = own.blob_path(DIGEST).stat()
    stamp = own.root / "stamps" / DIGEST.removeprefix("sha256:")
    assert json.loads(stamp.read_text()) == [status.st_size, status.st_mtime_ns, status.st_ino]


def test_a_failed_verification_leaves_no_stamp(own: Store) -> None:
    own.add_bytes(DATA)
    spoil(own.blob_path(DIGEST), b"other")
    for _ in range(2):
        with pytest.raises(IntegrityError):
            own.verified(DIGEST)


def test_a_fresh_commit_heals_a_changed_blob(own: Store) -> None:
    own.add_bytes(DATA)
    spoil(own.blob_path(DIGEST), b"other")
    own.add_bytes(DATA)
    assert own.verified(DIGEST).read_bytes() == DATA


def test_an_error_while_writing_leaves_nothing(own: Store) -> None:
    def fail() -> None:
        with own.incoming() as incoming:
            incoming.write(DATA)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list((own.root / "incoming").iterdir()) == []
    assert not (own.root / "blobs").exists()


def test_an_uncommitted_file_is_removed(own: Store) -> None:
    with own.incoming() as incoming:
        incoming.write(DATA)
        assert incoming.digest == DIGEST
        assert incoming.size == len(DATA)
        assert incoming.path.exists()
    assert not incoming.path.exists()


def test_a_source_that_may_not_be_read_is_no_fault_of_the_store(
    own: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "source")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(PermissionError):
        own.add_file(tmp_path / "source")


# -- placing ------------------------------------------------------------------------------------


def test_a_placed_blob_is_a_read_only_link(own: Store, tmp_path: Path) -> None:
    own.add_bytes(DATA)
    target = tmp_path / "deep" / "input"
    own.place(DIGEST, target)
    own.place(DIGEST, target)  # replaces what is there
    assert target.read_bytes() == DATA
    assert target.samefile(own.blob_path(DIGEST))
    assert target.stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_where_no_link_can_be_made_it_is_copied(
    own: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    own.add_bytes(DATA)

    def refuse(*_: object) -> None:
        raise OSError(number, "no link")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "input"
    own.place(DIGEST, target)
    assert target.read_bytes() == DATA
    assert not target.samefile(own.blob_path(DIGEST))
    assert target.stat().st_mode & 0o777 == 0o444


def test_what_people_may_edit_is_no_name_of_the_blob(own: Store, tmp_path: Path) -> None:
    own.add_bytes(DATA)
    target = tmp_path / "exported"
    own.place(DIGEST, target, linked=False)
    assert target.read_bytes() == DATA
    target.chmod(0o644)
    target.write_bytes(b"edited")
    assert own.verified(DIGEST).read_bytes() == DATA
    assert own.blob_path(DIGEST).stat().st_nlink == 1


def test_where_blocks_can_be_shared_they_are(
    own: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What XFS and Btrfs answer; `make test-reflinks` asks the real ones."""
    own.add_bytes(DATA)

    def refused(*_: object) -> None:
        raise OSError(errno.EXDEV, "cross-device")

    def shared(new: IO[bytes], request: int, old: int) -> None:
        assert request == FICLONE
        new.write(os.pread(old, 100, 0))

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(fcntl, "ioctl", shared)
    monkeypatch.setattr(shutil, "copyfile", pytest.fail)
    own.place(DIGEST, tmp_path / "placed")
    assert (tmp_path / "placed").read_bytes() == DATA
    assert (tmp_path / "placed").stat().st_mode & 0o777 == 0o444


def test_a_changed_blob_is_not_placed(own: Store, tmp_path: Path) -> None:
    own.add_bytes(DATA)
    spoil(own.blob_path(DIGEST), b"other")
    target = tmp_path / "input"
    target.write_text("as it was")
    with pytest.raises(IntegrityError):
        own.place(DIGEST, target)
    assert target.read_text() == "as it was"


# -- what the operating system refuses ----------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_in_a_sentence(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(StorageError, match="the disk is full while writing") as error,
        storage_errors(tmp_path),
    ):
        raise OSError(number, "x")
    assert error.value.place == str(tmp_path)
    assert str(error.value.hint).startswith(f"df -h {tmp_path}")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOTDIR])
def test_refused_write_in_a_sentence(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(StorageError, match="cannot write there: why") as error,
        storage_errors(tmp_path),
    ):
        raise OSError(number, "why", "there")
    assert str(error.value.hint).startswith(f"ls -ld {tmp_path}")


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), storage_errors(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "x")


@pytest.fixture
def sealed(own: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with one blob, whose file system takes nothing any more."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(own.root))

    own.add_bytes(DATA)
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    return own


def test_a_read_only_store_takes_nothing(sealed: Store) -> None:
    with pytest.raises(StorageError, match="Read-only file system") as error:
        sealed.add_bytes(b"more")
    assert str(error.value.hint).startswith("ls -ld ")


@pytest.mark.parametrize("stamped", [True, False])
def test_a_read_only_store_can_be_read(sealed: Store, *, stamped: bool) -> None:
    if not stamped:
        (sealed.root / "stamps" / DIGEST.removeprefix("sha256:")).unlink()
    assert sealed.verified(DIGEST).read_bytes() == DATA


# -- several processes --------------------------------------------------------------------------


# -- where it lies, and documents ---------------------------------------------------------------


def test_the_environment_names_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("REPRUN_STORE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert Store.default().root == tmp_path / ".cache" / "reprun"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert Store.default().root == tmp_path / "cache" / "reprun"
    monkeypatch.setenv("REPRUN_STORE", "~/mine")
    assert Store.default().root == tmp_path / "mine"


def test_write_atomically_replaces_whole_files(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert target.stat().st_mode & 0o777 == 0o644
    assert list(target.parent.iterdir()) == [target]


def test_write_atomically_keeps_the_old_bytes_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    write_atomically(target, b"one")

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, b"two")
    assert target.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [target]
