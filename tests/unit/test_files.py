"""Locks: one way to take them, by which a second process waits or is told who is there."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from reprun.errors import StorageError
from reprun.files import locked, storage_errors, take_lock

SOURCE = Path(__file__).resolve().parents[2] / "src"


def take(path: Path, *, shared: bool = False, hint: str | None = None) -> None:
    """Take a lock and let go of it; refuse where another has it."""
    with locked(path, shared=shared, busy="it is taken", hint=hint):
        pass


def test_no_other_module_locks_files() -> None:
    found = [path.name for path in SOURCE.rglob("*.py") if "flock(" in path.read_text()]
    assert found == ["files.py"]


def test_who_does_not_wait_is_told_who_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/reprun", "run", "two words"])
    path = tmp_path / "lock"
    with locked(path):
        with pytest.raises(StorageError) as refused:
            take(path, hint="wait")
        with pytest.raises(StorageError, match="it is taken"):
            take(path, shared=True)
    assert refused.value.message == f"it is taken (process {os.getpid()}: reprun run 'two words')"
    assert (refused.value.place, refused.value.hint) == (str(tmp_path), "wait")
    assert path.read_bytes() == b""
    take(path)


def test_who_waits_has_it_next(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", []

    def second() -> None:
        with locked(path):
            order.append("second")

    waiting = threading.Thread(target=second)
    with locked(path):
        waiting.start()
        waiting.join(0.1)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_readers_share_and_exclude_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, shared=True):
        take(path, shared=True)
        with pytest.raises(StorageError, match=r"^it is taken$"):
            take(path)
    take(path)


def test_an_error_of_the_block_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(KeyError), locked(path):
        raise KeyError
    with path.open() as stream:
        assert take_lock(stream, wait=False)


def test_what_the_disk_refuses_comes_with_a_command_to_paste(tmp_path: Path) -> None:
    place = tmp_path / "my results"
    for number, command in ((errno.ENOSPC, "df -h"), (errno.EACCES, "ls -ld")):
        with pytest.raises(StorageError) as error, storage_errors(place):
            raise OSError(number, os.strerror(number))
        assert (error.value.hint or "").startswith(f"{command} '{place}'   #")
