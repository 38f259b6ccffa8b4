"""The store under several processes, kills and a full disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from reprun.digests import sha256_bytes, sha256_file
from reprun.errors import StorageError
from reprun.files import write_atomically
from reprun.store.store import Store
from tests.store_support import DATA, DIGEST


def _mounted(directory: Path, *options: str) -> Path:
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(directory)], check=True)
    return directory


def _root_may_mount() -> bool:
    return (
        os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0
    )


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 64 kB; who may mount none gets a limit on the size of a file."""
    directory = tmp_path / "disk"
    if _root_may_mount():
        _mounted(directory, "-o", "size=64k")
        yield directory
        subprocess.run(["umount", "-l", str(directory)], check=True)
        return
    directory.mkdir()

    class Full:
        def __init__(self, descriptor: int, _: str) -> None:
            self._descriptor = descriptor

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self._descriptor)

        def flush(self) -> None: ...

        def write(self, data: bytes) -> int:
            if len(data) > 1 << 16:
                raise OSError(errno.ENOSPC, "No space left on device")
            return os.write(self._descriptor, data)

    monkeypatch.setattr(os, "fdopen", Full)
    yield directory


BIG = bytes(1 << 17)


def test_disk_full_while_a_blob_arrives(small_disk: Path) -> None:
    store = Store(small_disk / "store")
    with pytest.raises(StorageError, match="the disk is full"):
        store.add_bytes(BIG)
    assert not store.has(sha256_bytes(BIG))
    assert list((store.root / "incoming").iterdir()) == []
    assert store.add_bytes(b"small") == sha256_bytes(b"small")  # the room is free again


def test_disk_full_while_a_document_is_written(small_disk: Path) -> None:
    target = small_disk / "document"
    write_atomically(target, b"old")
    with pytest.raises(StorageError, match="the disk is full"):
        write_atomically(target, BIG)
    assert target.read_bytes() == b"old"
    assert list(small_disk.iterdir()) == [target]


COMMIT = """
import sys
from pathlib import Path
from reprun.store.store import Store
store = Store(Path(sys.argv[1]))
sys.stdin.readline()
for number in range(40):
    store.add_bytes(b"%d" % number * 1000)
    store.verified(store.add_bytes(b"%d" % number * 1000))
"""


HANG = """
import sys, time
from pathlib import Path
from reprun.store.store import Store
with Store(Path(sys.argv[1])).incoming() as incoming:
    incoming.write(b"some bytes")
    incoming.flush()
    print("up", flush=True)
    time.sleep(600)
"""


Start = Callable[[str, Path], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a script in a process of its own; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, root: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_several_processes_commit_the_same_blobs(own: Store, start: Start) -> None:
    processes = [start(COMMIT, own.root) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, "")
    blobs = [path for path in (own.root / "blobs").rglob("*") if path.is_file()]
    assert len(blobs) == 40
    assert all(sha256_file(path) == f"sha256:{path.name}" for path in blobs)
    assert list((own.root / "incoming").iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_in_the_middle_leaves_nothing_visible(
    own: Store, start: Start, how: signal.Signals
) -> None:
    process = start(HANG, own.root)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(how)
    process.wait(timeout=30)
    assert not own.has(DIGEST)
    assert not (own.root / "blobs").exists()
    assert own.add_bytes(DATA) == DIGEST
